package paths

import "github.com/auditshipper/auditshipper/internal/event"

// A Host answers what only the running system knows. It says what is there and compares
// nothing: what an answer is worth is for the rules to say. No method may wait for a file
// server or for another process.
type Host interface {
	// Descriptor tells what a process's descriptor is open on, and when the process
	// began, in Unix milliseconds. The file's age is known only where path leads to it.
	Descriptor(pid uint32, fd int32) (path string, f File, began int64, ok bool)

	// Stat tells what is at path now; the zero File stands for nothing and for not
	// knowing. Links before the last part are followed. path is valid during the call only.
	Stat(path []byte) File

	// Walk calls f with the directories on the way along an absolute path: the root
	// first, as "/". It ends where nothing is there, where something is no directory, and
	// at a symlink.
	Walk(path []byte, f func(path []byte, dir File))

	// Process tells how a process sees the tree of names: 0 for as the host does, else a
	// number which those have in common who see it alike. ok is false if the process is
	// gone. around, if it is not nil, is called with local directories that the process has
	// open, works in or was called with, after those above them: where each is now.
	Process(pid uint32, around func(path string, dir File)) (view uint64, ok bool)

	// Mounted says whether a directory at path may be on a device, as file systems are
	// mounted or were a moment ago. True stands also for not knowing.
	Mounted(path []byte, dev event.Dev) bool

	// Search has directories on a device looked for below root, in the background and
	// not for long. It tells where one with an inode was seen, empty for nowhere yet.
	// An empty root begins nothing.
	Search(root []byte, of event.Inode) string

	// Now is the wall clock's time, in Unix milliseconds.
	Now() int64
}

// A File is what a Host has seen.
type File struct {
	event.Inode

	Dir   bool
	Local bool // this kernel alone keeps it, so that its times are by the clock of events
	Links uint32

	// In Unix milliseconds, 0 if the file system does not say, or by a server's clock.
	Born, Changed int64
}

// is says whether f is the file that a record tells of. No record tells of the zero inode.
func (f File) is(key event.Inode) bool { return f.Inode == key && key != event.Inode{} }

// before says whether the file was there at a time, or may have been. Numbers of inodes
// are given again: who is younger than the event is another file.
func (f File) before(at int64) bool { return f.Born <= at }

// only says whether f is the file that a record tells of, has one name, and is not younger
// than at.
func (f File) only(key event.Inode, at int64) bool { return f.is(key) && f.Links == 1 && f.before(at) }

// unchanged says whether neither the file nor its names were changed since at. Names are part
// of what the time of a file's last change is of.
func (f File) unchanged(at int64) bool {
	return f.Local && f.Changed != 0 && f.Changed <= at+clockStep
}
