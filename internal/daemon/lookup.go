package daemon

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A lookup answers what the event package asks of the running system, at once
// or not at all.
type lookup struct {
	mounts *mountTable
	host   string // the host's mount namespace
	finder *finder

	// A look at a network file system goes through this pair, to a goroutine
	// that may hang on a dead server. While it does there are no answers.
	ask    chan string
	answer chan look
	hung   bool

	lies lie // the last answer
}

// A lie is whether a path may lie on a device, by one version of the mount table.
type lie struct {
	path    string
	dev     event.Dev
	version uint64
	ok      bool
}

// An identity tells a file from all others that there are.
type identity struct {
	dev event.Dev
	ino uint64
}

// A look is what there is at a path.
type look struct {
	identity
	links uint32
	isDir bool

	// In Unix milliseconds, 0 if the file system does not say.
	born, changed int64
}

// lookPatience is how long the deliver loop waits for a network file system's
// cached word. A live one answers in microseconds.
const lookPatience = 20 * time.Millisecond

func newLookup(mounts *mountTable) *lookup {
	l := &lookup{mounts: mounts, host: hostView(), finder: newFinder(), ask: make(chan string), answer: make(chan look)}
	go func() {
		for path := range l.ask {
			l.answer <- identify(path)
		}
	}()
	return l
}

// close ends the goroutine, unless it hangs.
func (l *lookup) close() {
	close(l.ask)
	l.finder.close()
}

// Seek implements event.Lookup.
func (l *lookup) Seek(root []byte, dev event.Dev) { l.finder.seek(region{string(root), dev}) }

// Found implements event.Lookup.
func (l *lookup) Found(dev event.Dev, ino uint64) string { return l.finder.of(identity{dev, ino}) }

// FD implements event.Lookup.
func (l *lookup) FD(pid uint32, fd int32, at int64) (string, event.Dev, uint64, bool) {
	d, ok := procFD(int(pid), int(fd), l.mounts)
	if !ok || startedAfter(int(pid), at) {
		return "", 0, 0, false
	}
	if m, known := mountOf(l.mounts.mounts(), d.path); known && !isNetwork(m.Type) {
		// The path may be of another mount namespace: then it is not this file's age.
		got := identify(d.path)
		ok = got.identity != identity{d.dev, d.ino} || got.before(at)
	}
	return d.path, d.dev, d.ino, ok
}

// Is implements event.Lookup.
func (l *lookup) Is(path []byte, dev event.Dev, ino uint64) bool {
	got, _ := l.look(string(path))
	return got.identity == identity{dev, ino}
}

// Born implements event.Lookup. Nor is a server's clock ours.
func (l *lookup) Born(path []byte, dev event.Dev, ino uint64) int64 {
	got, local := l.look(string(path))
	if !local || got.identity != (identity{dev, ino}) {
		return 0
	}
	return got.born
}

// Only implements event.Lookup. A server's clock is another one than the
// kernel's, so the age of its files tells nothing.
func (l *lookup) Only(path []byte, dev event.Dev, ino uint64, at int64) bool {
	got, local := l.look(string(path))
	return got.identity == identity{dev, ino} && got.links == 1 && (!local || got.before(at))
}

// Lies implements event.Lookup. What the table denies is looked at: it may be behind.
func (l *lookup) Lies(path []byte, dev event.Dev) bool {
	if c := &l.lies; c.dev != dev || c.path != string(path) || c.version != l.mounts.version.Load() {
		*c = lie{string(path), dev, l.mounts.version.Load(), l.mounts.holds(string(path), dev)}
	}
	if l.lies.ok {
		return true
	}
	got, _ := l.look(string(path))
	return got.ino != 0 && got.dev == dev
}

// Still implements event.Lookup. Names are part of what the time of a file's last
// change is of.
func (l *lookup) Still(path []byte, dir int, dev event.Dev, ino uint64, at int64) bool {
	got, local := l.look(string(path))
	for i := dir + 1; local && i < len(path); i++ {
		local = path[i] != '/' || identify(string(path[:i])).isDir
	}
	return local && got.identity == identity{dev, ino} && got.links == 1 && got.before(at) &&
		got.changed != 0 && got.changed <= at+clockStep
}

// Now implements event.Lookup.
func (l *lookup) Now() int64 { return time.Now().UnixMilli() }

// clockStep is how much later than an event the file it changed may say that it
// was, in milliseconds: the clock of events goes on in steps of up to ten.
const clockStep = 10

// before says whether the file was there at a time, in Unix milliseconds, or may
// have been.
func (k look) before(at int64) bool { return k.born <= at }

// on corrects the device of what is on a mount. A btrfs tells a subvolume's in a
// file's attributes, and its own in records and in the mount table.
func (k look) on(m mount) look {
	if dev, ok := parseDev(m.Dev); ok && m.Type == "btrfs" && k.ino != 0 {
		k.dev = dev
	}
	return k
}

// look says what is at path, and whether that is on no network file system.
func (l *lookup) look(path string) (got look, local bool) {
	m, ok := mountOf(l.mounts.mounts(), path)
	if ok && !isNetwork(m.Type) {
		return identify(path).on(m), true
	}
	if l.hung {
		select {
		case <-l.answer: // to a question of the past
			l.hung = false
		default:
			return look{}, false
		}
	}
	l.ask <- path
	select {
	case got = <-l.answer:
		return got, false
	case <-time.After(lookPatience):
		l.hung = true
		return look{}, false
	}
}

// identify says what is at path now, the zero look for nothing. It takes the
// attributes that are cached rather than ask a server.
func identify(path string) look {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		unix.STATX_TYPE|unix.STATX_INO|unix.STATX_NLINK|unix.STATX_BTIME|unix.STATX_CTIME, &st)
	if err != nil {
		return look{}
	}
	got := look{identity: identity{event.MakeDev(st.Dev_major, st.Dev_minor), st.Ino}, links: st.Nlink, isDir: st.Mode&unix.S_IFMT == unix.S_IFDIR}
	if st.Mask&unix.STATX_BTIME != 0 {
		got.born = max(millis(st.Btime), 1) // images are made with files of 1970
	}
	if st.Mask&unix.STATX_CTIME != 0 {
		got.changed = millis(st.Ctime)
	}
	return got
}

func millis(t unix.StatxTimestamp) int64 { return t.Sec*1000 + int64(t.Nsec)/1e6 }

// startedAfter says whether a process is certainly younger than at, in Unix
// milliseconds: then its number was another one's. The kernel counts its start in
// hundredths of a second, and the time of events in steps of up to ten milliseconds.
func startedAfter(pid int, at int64) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true // it is no more
	}
	var real, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &real) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return true
	}
	ticks, ok := startOf(text)
	booted := (real.Nano() - boot.Nano()) / 1e6
	return !ok || booted+ticks*10-10 > at
}

// startOf reads when a process began from /proc/PID/stat, in hundredths of a
// second since boot. Its name, in brackets, may hold anything.
func startOf(stat []byte) (ticks int64, ok bool) {
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 {
		return 0, false
	}
	ticks, err := strconv.ParseInt(string(f[19]), 10, 64)
	return ticks, err == nil
}

// A directory is what a file descriptor of another process stands for.
type directory struct {
	path string
	dev  event.Dev
	ino  uint64
}

// procFD tells what descriptor fd of process pid stands for, while the process
// lives and has it open. It reads only /proc, which asks the kernel's memory
// and never the file system behind the descriptor, so a dead NFS server cannot
// hold it up. The inode is in fdinfo since Linux 5.14; on older kernels there
// is no answer.
func procFD(pid, fd int, mounts *mountTable) (directory, bool) {
	base := "/proc/" + strconv.Itoa(pid)
	n := strconv.Itoa(fd)
	ino, mnt, ok := fdinfo(base + "/fdinfo/" + n)
	if !ok {
		return directory{}, false
	}
	path, err := os.Readlink(base + "/fd/" + n)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasSuffix(path, " (deleted)") {
		return directory{}, false // a name may end so, too; then we do not know it
	}
	dev, ok := mounts.dev(base, mnt)
	return directory{path, dev, ino}, ok
}

// fdinfo reads the inode and the mount's id of a descriptor.
func fdinfo(path string) (ino uint64, mnt string, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, "", false
	}
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(string(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "ino":
			ino, err = strconv.ParseUint(value, 10, 64)
			ok = err == nil
		case "mnt_id":
			mnt = value
		}
	}
	return ino, mnt, ok && mnt != ""
}

// A mountTable knows the devices of mounts by their ids. Ids of other mount
// namespaces are looked up with the process that is in one.
type mountTable struct {
	mu   sync.Mutex
	byID map[string]event.Dev
	efs  map[event.Dev]string
	list []mount

	version atomic.Uint64 // counts changes
	past    []pastMounts  // that were there a moment ago

	changed atomic.Bool // since news was asked for
	gone    []event.Dev // of those that were there before
}

// set replaces the table after a change.
func (t *mountTable) set(list []mount) {
	byID, efs := make(map[string]event.Dev, len(list)), map[event.Dev]string{}
	for _, m := range list {
		dev, ok := parseDev(m.Dev)
		if !ok {
			continue
		}
		byID[m.ID] = dev
		if id := efsID(m); id != "" {
			efs[dev] = id
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.list, list) {
		t.version.Add(1)
		t.past = slices.DeleteFunc(t.past, func(p pastMounts) bool { return time.Since(p.until) > mountsMemory })
		t.past = append(t.past, pastMounts{t.list, time.Now()})
		t.gone = append(t.gone, goneDevices(t.list, list)...)
		t.changed.Store(true)
	}
	t.byID, t.efs, t.list = byID, efs, list
}

// pastMounts are the mounts that there were until a moment.
type pastMounts struct {
	list  []mount
	until time.Time
}

// mountsMemory is longer than events wait for a flood to pass.
const mountsMemory = 30 * time.Second

// holds says whether a directory at path may be on a device, now or a moment ago. Of
// file systems that tell one device in records and another one in the table nothing is
// known.
func (t *mountTable) holds(path string, dev event.Dev) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m, ok := mountOf(t.list, path); !ok || m.holds(dev) {
		return true
	}
	for _, p := range t.past {
		if m, ok := mountOf(p.list, path); ok && time.Since(p.until) <= mountsMemory && m.holds(dev) {
			return true
		}
	}
	return false
}

func (m mount) holds(dev event.Dev) bool {
	switch m.Type {
	case "overlay", "aufs", "ecryptfs", "btrfs", "autofs":
		return true
	}
	own, ok := parseDev(m.Dev)
	return !ok || own == dev
}

// goneDevices are those of which no mount has stayed as it was. Ids and devices are
// given again at once, so that another file system may look like the one before.
func goneDevices(before, now []mount) (gone []event.Dev) {
	stayed := map[mount]bool{}
	for _, m := range now {
		stayed[m] = true
	}
	there := map[string]bool{}
	for _, m := range before {
		there[m.Dev] = there[m.Dev] || stayed[m]
	}
	for text, there := range there {
		if dev, ok := parseDev(text); ok && !there {
			gone = append(gone, dev)
		}
	}
	return gone
}

// news reports whether mounts have changed since it was last called, and which devices
// have gone.
func (t *mountTable) news() (gone []event.Dev, changed bool) {
	if !t.changed.Load() {
		return nil, false
	}
	t.changed.Store(false)
	t.mu.Lock()
	defer t.mu.Unlock()
	gone, t.gone = t.gone, nil
	return gone, true
}

// mounts returns the table as a list, which the caller must not change.
func (t *mountTable) mounts() []mount {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

func (t *mountTable) dev(base, id string) (event.Dev, bool) {
	t.mu.Lock()
	dev, ok := t.byID[id]
	t.mu.Unlock()
	if ok {
		return dev, true
	}
	text, err := os.ReadFile(base + "/mountinfo")
	if err != nil {
		return 0, false
	}
	list, err := parseMounts(bytes.NewReader(text))
	if err != nil {
		return 0, false
	}
	for _, m := range list {
		if m.ID == id {
			return parseDev(m.Dev)
		}
	}
	return 0, false
}

// parseDev reads "major:minor".
func parseDev(s string) (event.Dev, bool) {
	major, minor, _ := strings.Cut(s, ":")
	a, err1 := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	return event.MakeDev(uint32(a), uint32(b)), err1 == nil && err2 == nil
}

// namesExpire is how long names of /etc/passwd are believed.
const namesExpire = time.Minute

// fileSystem returns the id of the EFS on a device, empty if it is none.
func (t *mountTable) fileSystem(dev event.Dev) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.efs[dev]
}

// efsID finds the id of an EFS in what is mounted, such as
// fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/; empty if it is none.
func efsID(m mount) string {
	if !isNetwork(m.Type) || !strings.HasPrefix(m.Source, "fs-") {
		return ""
	}
	id := m.Source
	if end := strings.IndexAny(id, ".:/"); end >= 0 {
		id = id[:end]
	}
	return id
}

// names gives users and file systems their names. Users' come from the host's
// own file, which is read again when what it said expires, and of those who are
// not there from the name service.
type names struct {
	mounts  *mountTable
	path    string // /etc/passwd: name:…:number in the third field
	service *nameService
	now     func() time.Time
	loaded  time.Time
	byID    map[uint32]string
}

// UserName implements event.Names; a user without a name, or whose name is not
// known yet, has an empty one.
func (n *names) UserName(id uint32) string {
	now := n.now()
	if n.byID == nil || now.Sub(n.loaded) > namesExpire || now.Before(n.loaded) {
		n.load()
		n.loaded = now
	}
	if name, ok := n.byID[id]; ok {
		return name
	}
	return n.service.userName(id, now)
}

// FileSystem implements event.Names.
func (n *names) FileSystem(dev event.Dev) string { return n.mounts.fileSystem(dev) }

// load reads the file again. One that cannot be read leaves numbers nameless,
// which loses nothing: the number is in the event.
func (n *names) load() {
	n.byID = map[uint32]string{}
	text, err := os.ReadFile(n.path)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if _, taken := n.byID[uint32(id)]; err == nil && !taken {
			n.byID[uint32(id)] = f[0]
		}
	}
}
