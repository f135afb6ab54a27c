package host

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A FileSystem is an Amazon EFS or S3 Files file system, as AWS names it. The zero value
// is any other file system, and one of which no file tells the name.
type FileSystem struct {
	ID          string // fs-0123456789abcdef0
	AccessPoint string // fsap-0123456789abcdef0, empty if it is mounted without one
}

// An efsNamer finds the names of EFS file systems in the mount table and in the files
// that amazon-efs-utils and the EFS CSI driver leave on the host. It says nothing where
// those disagree.
type efsNamer struct {
	list func(dir string) ([]string, error)   // names in a directory of root's
	read func(path string) ([]byte, error)    // a small regular file of root's
	comm func(pid int) (name string, ok bool) // of a process that lives
}

// efsHost matches the DNS names of EFS mount targets: of a file system in a region, of
// one availability zone, and of another account's zone by its id. FSx has fsx in place
// of efs.
var efsHost = regexp.MustCompile(`^(?:[a-z0-9-]+\.)?(fs-[0-9a-f]{8,40})\.efs\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$`)

var (
	efsID         = regexp.MustCompile(`^fs-[0-9a-f]{8,40}$`)
	accessPointID = regexp.MustCompile(`^fsap-[0-9a-f]{8,40}$`)
)

// fileSystems are the names of what is mounted.
type fileSystems struct {
	byDev   map[event.Dev]FileSystem
	byMount map[mountKey]FileSystem
	unnamed map[mountKey]time.Time // mounts of a local proxy without a name, and when they were first seen
}

// A mountKey tells a mount from all others that there are, and from most that there were.
type mountKey struct{ id, dev string }

const (
	nameAgain  = time.Second      // how soon an unnamed mount is looked at again
	nameWithin = 30 * time.Second // how long; mount.efs names a mount within the second
)

// nameFileSystems names the mounts of a list. A mount that had a name keeps it: the
// helper's files may go before the last mount of a file system does.
func nameFileSystems(n efsNamer, list []Mount, before fileSystems, now time.Time) fileSystems {
	f := fileSystems{map[event.Dev]FileSystem{}, map[mountKey]FileSystem{}, map[mountKey]time.Time{}}
	mixed := map[event.Dev]bool{}
	for _, m := range list {
		key := mountKey{m.ID, m.Dev}
		name, known := before.byMount[key]
		if !known {
			name = n.name(m, list)
		}
		dev, ok := parseDev(m.Dev)
		switch {
		case !ok:
		case name != FileSystem{}:
			f.byMount[key] = name
			if other, there := f.byDev[dev]; there && other != name {
				mixed[dev] = true
			}
			f.byDev[dev] = name
		case m.Port != "":
			since, seen := before.unnamed[key]
			if !seen {
				since = now
			}
			if now.Sub(since) < nameWithin {
				f.unnamed[key] = since
			}
		}
	}
	for dev := range mixed {
		f.byDev[dev] = f.byDev[dev].common(f.byMount, dev)
	}
	return f
}

// common returns what all mounts of a device agree on.
func (f FileSystem) common(byMount map[mountKey]FileSystem, dev event.Dev) FileSystem {
	for key, other := range byMount {
		if at, _ := parseDev(key.dev); at != dev {
			continue
		}
		if other.ID != f.ID {
			return FileSystem{}
		}
		if other.AccessPoint != f.AccessPoint {
			f.AccessPoint = ""
		}
	}
	return f
}

// name returns the file system of one mount among all.
func (n efsNamer) name(m Mount, all []Mount) FileSystem {
	if m.Type != "nfs4" && m.Type != "nfs" {
		return FileSystem{}
	}
	server, _, _ := strings.Cut(m.Source, ":/")
	if id := efsHost.FindStringSubmatch(server); id != nil {
		return agree(FileSystem{ID: id[1]}, n.volume(m.Point))
	}
	var f FileSystem
	if server == "127.0.0.1" && m.Port != "" {
		f = n.state(m, all)
	}
	return agree(f, n.volume(m.Point))
}

// agree joins what two sources say of one mount. It is nothing if they contradict.
func agree(a, b FileSystem) FileSystem {
	id, ok := same(a.ID, b.ID)
	ap, ok2 := same(a.AccessPoint, b.AccessPoint)
	if !ok || !ok2 {
		return FileSystem{}
	}
	return FileSystem{id, ap}
}

// same returns the word that a and b have in common, where an empty one agrees with any.
func same(a, b string) (string, bool) {
	switch {
	case a == "":
		return b, true
	case b == "" || a == b:
		return a, true
	}
	return "", false
}

// stateDirs is where amazon-efs-utils keeps a file for each mount (mount_efs/__init__.py,
// STATE_FILE_DIR).
var stateDirs = []string{"/run/efs", "/var/run/efs"}

// An efsState is what such a file holds of interest.
type efsState struct {
	id, point, port string // from its name

	PID         int    `json:"pid"` // of stunnel or efs-proxy
	Mountpoint  string `json:"mountpoint"`
	FSID        string `json:"fsId"`
	AccessPoint string `json:"accessPoint"`
}

// state finds the file system behind a local port. The helper's proxy listens there, so
// a port belongs to one mount; a file that a crash left behind belongs to none.
func (n efsNamer) state(m Mount, all []Mount) FileSystem {
	var found FileSystem
	for _, s := range n.states(m.Port) {
		if !s.mountedIn(all) && !n.proxyLives(s.PID) {
			continue
		}
		f := FileSystem{s.id, s.AccessPoint}
		if found != (FileSystem{}) && found != f {
			return FileSystem{}
		}
		found = f
	}
	return found
}

// states reads the files for a port from the first directory that exists.
func (n efsNamer) states(port string) (found []efsState) {
	for _, dir := range stateDirs {
		names, err := n.list(dir)
		if err != nil {
			continue // no helper uses this directory
		}
		for _, name := range names {
			if s, ok := n.readState(dir, name); ok && s.port == port {
				found = append(found, s)
			}
		}
		return found
	}
	return nil
}

// readState reads one file. Its name is ID.POINT.PORT, in which POINT has dots for
// slashes; a name that begins with ~ is still being written.
func (n efsNamer) readState(dir, name string) (s efsState, ok bool) {
	first, last := strings.IndexByte(name, '.'), strings.LastIndexByte(name, '.')
	if first < 0 || first == last {
		return s, false
	}
	s.id, s.point, s.port = name[:first], name[first+1:last], name[last+1:]
	if !efsID.MatchString(s.id) {
		return s, false
	}
	text, err := n.read(path.Join(dir, name))
	if err != nil || json.Unmarshal(text, &s) != nil {
		return s, false
	}
	if s.FSID != "" && s.FSID != s.id || s.AccessPoint != "" && !accessPointID.MatchString(s.AccessPoint) {
		return s, false
	}
	return s, true
}

// mountedIn reports whether the mount that s was written for is there.
func (s efsState) mountedIn(all []Mount) bool {
	for _, m := range all {
		if m.Port != s.port {
			continue
		}
		if m.Point == s.Mountpoint || s.Mountpoint == "" && strings.ReplaceAll(strings.TrimPrefix(m.Point, "/"), "/", ".") == s.point {
			return true
		}
	}
	return false
}

// proxyLives reports whether the helper's proxy runs, as it does for a mount whose point
// was named through a symbolic link.
func (n efsNamer) proxyLives(pid int) bool {
	if pid <= 0 {
		return false
	}
	comm, ok := n.comm(pid)
	return ok && (comm == "efs-proxy" || strings.HasPrefix(comm, "stunnel"))
}

// volume finds the file system of a mount that the EFS CSI driver made: kubelet writes
// vol_data.json beside the mount point.
func (n efsNamer) volume(point string) FileSystem {
	dir, ok := strings.CutSuffix(point, "/mount")
	if !ok || !strings.Contains(dir, "/kubernetes.io~csi/") {
		return FileSystem{}
	}
	var v struct {
		DriverName   string `json:"driverName"`
		VolumeHandle string `json:"volumeHandle"`
	}
	text, err := n.read(dir + "/vol_data.json")
	if err != nil || json.Unmarshal(text, &v) != nil || v.DriverName != "efs.csi.aws.com" {
		return FileSystem{}
	}
	return parseVolumeHandle(v.VolumeHandle)
}

// parseVolumeHandle reads ID[:PATH[:ACCESS_POINT]], as the CSI driver writes it.
func parseVolumeHandle(handle string) FileSystem {
	f := strings.Split(handle, ":")
	if !efsID.MatchString(f[0]) || len(f) > 3 {
		return FileSystem{}
	}
	if len(f) < 3 {
		return FileSystem{ID: f[0]}
	}
	if !accessPointID.MatchString(f[2]) {
		return FileSystem{}
	}
	return FileSystem{f[0], f[2]}
}

// efsFiles reads the files of this host.
var efsFiles = efsNamer{
	list: func(dir string) ([]string, error) {
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return f.Readdirnames(mostStates)
	},
	read: readOfRoot,
	comm: func(pid int) (string, bool) {
		text, err := readStart("/proc/"+strconv.Itoa(pid)+"/comm", 64)
		return strings.TrimSuffix(string(text), "\n"), err == nil
	},
}

const (
	mostStates = 4096     // state files that are looked at
	longState  = 64 << 10 // bytes of one
)

// readOfRoot reads a small file. What is not a regular file of root's tells nothing.
func readOfRoot(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 0 || st.Size > longState {
		return nil, fmt.Errorf("%s is not a small file of root's", path)
	}
	return io.ReadAll(io.LimitReader(f, longState))
}
