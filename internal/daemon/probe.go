package daemon

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/host"
)

// presence is what is known of a watched path.
type presence struct {
	known  bool // looked at successfully since the last change
	exists bool
	dir    bool
	dev    uint64
	ino    uint64
	born   int64  // ns, 0 where the file system does not know: a number is used again at once
	real   string // where symbolic links lead, the path that the kernel's rules and mounts go by
	hung   bool   // the look has not returned for long: the server is dead
}

// A prober looks at watched paths so that nobody else has to: a look at a path
// on a dead NFS server may never return. Each path has a goroutine of its own,
// which may hang without stopping anything.
type prober struct {
	mounts  *host.MountTable
	every   time.Duration
	changed func() // called after a path's presence changed

	mu    sync.Mutex
	paths map[string]*probe
}

type probe struct {
	stop  chan struct{}
	first chan struct{} // closed after the first look
	since time.Time     // of the look that is under way, zero for none
	seen  presence

	mounts uint64 // version of the mount table at the last look
	looks  int    // with that version
}

// probeHung is how long a look may take before the path counts as hung.
const probeHung = 5 * time.Second

func newProber(mounts *host.MountTable, every time.Duration, changed func()) *prober {
	return &prober{mounts: mounts, every: every, changed: changed, paths: map[string]*probe{}}
}

// watch makes the prober look at these paths and no others.
func (p *prober) watch(paths []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	want := map[string]bool{}
	for _, path := range paths {
		want[path] = true
		if p.paths[path] == nil {
			pr := &probe{stop: make(chan struct{}), first: make(chan struct{})}
			p.paths[path] = pr
			go p.run(path, pr)
		}
	}
	for path, pr := range p.paths {
		if !want[path] {
			close(pr.stop)
			delete(p.paths, path)
		}
	}
}

// close ends all looking. A look that hangs is left behind.
func (p *prober) close() { p.watch(nil) }

// presence returns what is known of path.
func (p *prober) presence(path string) presence {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.find(path)
	if pr == nil {
		return presence{}
	}
	seen := pr.seen
	seen.hung = !pr.since.IsZero() && time.Since(pr.since) > probeHung
	return seen
}

// find returns the probe of path, or the one whose links lead there.
func (p *prober) find(path string) *probe {
	if pr := p.paths[path]; pr != nil {
		return pr
	}
	for _, pr := range p.paths {
		if pr.seen.real == path {
			return pr
		}
	}
	return nil
}

// real returns where path leads, itself as long as that is not known: a rule on
// a symbolic link sees nothing, and mounts are listed by their true place.
func (p *prober) real(path string) string {
	if real := p.presence(path).real; real != "" {
		return real
	}
	return path
}

// await returns when every path was looked at once, or after d.
func (p *prober) await(d time.Duration) {
	p.mu.Lock()
	var firsts []chan struct{}
	for _, pr := range p.paths {
		firsts = append(firsts, pr.first)
	}
	p.mu.Unlock()
	late := time.After(d)
	for _, first := range firsts {
		select {
		case <-first:
		case <-late:
			return
		}
	}
}

func (p *prober) run(path string, pr *probe) {
	p.look(path, pr)
	close(pr.first)
	for {
		pause := time.NewTimer(untilRound(p.pause()))
		select {
		case <-pr.stop:
			pause.Stop()
			return
		case <-pause.C:
		}
		if p.due(path, pr) {
			p.look(path, pr)
		}
	}
}

// pause is how long to wait between two looks: the more paths there are, the
// longer, so that looking costs next to nothing.
func (p *prober) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.every * time.Duration(1+len(p.paths)/16)
}

// mostAutomountLooks is how often a path behind an automount is looked at until
// something is known of it.
const mostAutomountLooks = 10

// due reports whether to look at path now. Behind an automount a look every second
// would keep it from idling out: there the prober looks after the mounts changed only.
func (p *prober) due(path string, pr *probe) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr.mounts != p.mounts.Version() || !pr.seen.known && pr.looks < mostAutomountLooks {
		return true
	}
	return !p.mounts.Automounted(path) && !p.mounts.Automounted(pr.seen.real)
}

func (p *prober) look(path string, pr *probe) {
	p.mu.Lock()
	pr.since = time.Now()
	if v := p.mounts.Version(); v != pr.mounts {
		pr.mounts, pr.looks = v, 0
	}
	pr.looks++
	p.mu.Unlock()

	at, err := p.mounts.At(path)

	p.mu.Lock()
	was := pr.seen
	pr.since = time.Time{}
	switch {
	case err == nil:
		pr.seen = presence{known: true, exists: true, dir: at.Dir, real: at.Path, dev: at.Dev, ino: at.Ino, born: at.Born}
	case os.IsNotExist(err) || err == unix.ENOTDIR:
		pr.seen = presence{known: true}
	default: // EACCES, ESTALE, EIO, host.ErrUnknown: nothing learnt
	}
	changed := pr.seen != was
	p.mu.Unlock()
	if changed {
		p.changed()
	}
}
