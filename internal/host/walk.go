package host

import (
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/paths"
)

// A waypoint is a directory on the way along a path.
type waypoint struct {
	end int // of the path up to it
	look
	mounted Mount
}

// Walk implements paths.Host. Each directory is opened from the one above it, so
// that what is told of both is true at once, whatever is renamed meanwhile.
func (l *System) Walk(path []byte, f func(path []byte, dir paths.File)) {
	steps, err := stepsAlong(l.mounts, string(path), kernelLooks().cached)
	if mayWait(err) {
		m, _ := l.mounts.of(string(path))
		copied := string(path)
		steps, _ = ask(l.paths, func() uint64 { return numberOf(m.ID) }, func() []waypoint {
			steps, err := stepsAlong(l.mounts, copied, false)
			_ = err // the way ends where it cannot be gone
			return steps
		})
	}
	for _, s := range steps {
		got, local := l.placed(s.look, s.mounted)
		if got.Ino == 0 {
			return
		}
		f(path[:s.end], fileOf(got, local))
	}
}

// stepsAlong goes along a path as far as that leads through directories, and not through
// links or users' own file systems. cached says to take only what is in memory, and to
// return EAGAIN for what is not.
func stepsAlong(mounts *MountTable, path string, cached bool) (steps []waypoint, err error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { unix.Close(fd) }()
	for end := 1; ; {
		m, known := mounts.of(path[:end])
		if m.Foreign() || end > 1 && m.Trigger() {
			return steps, ErrUnknown
		}
		got, err := lookAt(fd)
		if err != nil || !got.isDir || known && got.mount != "" && got.mount != m.ID {
			return steps, err
		}
		steps = append(steps, waypoint{end, got, m})
		start := end
		if path[end-1] != '/' {
			start++
		}
		if start >= len(path) {
			return steps, nil
		}
		for end = start; end < len(path) && path[end] != '/'; {
			end++
		}
		next, err := openStep(fd, path[start:end], cached)
		if err != nil {
			return steps, err
		}
		unix.Close(fd)
		fd = next
	}
}

// openStep opens one part of a path.
func openStep(dir int, part string, cached bool) (int, error) {
	if !cached {
		return openPart(dir, part, true)
	}
	return unix.Openat2(dir, part, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | resolveCached,
	})
}
