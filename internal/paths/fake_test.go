package paths

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A fakeKernel prints the records of calls as the kernel would, into a Stream.
type fakeKernel struct {
	t      *testing.T
	s      *Stream
	seq    uint64
	serial uint64
	now    time.Time
	pid    int
	cwd    string
	lines  []string // what was done, for a failing test to show

	// layer makes it an overlay: the inode that a file has in the layer below.
	layer func(ino int) int

	exe, title string // of the program, if they matter

	journal []scripted  // what was pushed
	behind  []sequenced // by the reader, who reads only when told to
	lags    bool
	tail    tail
	lost    int // how many PATH records of an event are lost
}

func newFakeKernel(t *testing.T, o Options) *fakeKernel {
	return &fakeKernel{t: t, s: NewStream(o), now: time.Unix(1700000000, 0), pid: 100, cwd: "/home"}
}

// A pathRecord is name, inode, mode and nametype of a PATH record.
type pathRecord struct {
	name string // "" prints (null)
	ino  int
	mode string
	kind string
}

const dirMode, fileMode = "040755", "0100644"

// call prints one event: system call nr with its arguments and PATH records.
func (k *fakeKernel) call(nr int, args string, paths ...pathRecord) {
	k.result(nr, "success=yes exit=0", args, paths...)
}

func (k *fakeKernel) result(nr int, result, args string, paths ...pathRecord) {
	k.serial++
	k.lines = append(k.lines, fmt.Sprint(k.now.UnixMilli()%1e6, " pid ", k.pid, " cwd ", k.cwd, " ", nr, " ", args, paths))
	head := fmt.Sprintf("audit(%d.%03d:%d): ", k.now.Unix(), k.now.Nanosecond()/1e6, k.serial)
	exe := cmp.Or(k.exe, "/t")
	k.push(event.TypeSyscall, head+fmt.Sprintf("arch=c000003e syscall=%d %s %s items=%d ppid=1 pid=%d auid=1000 uid=0 ses=1 comm=\"t\" exe=%q key=\"k\"",
		nr, result, args, len(paths)+k.lost, k.pid, exe))
	k.push(event.TypeCWD, head+fmt.Sprintf("cwd=%q", k.cwd))
	if k.layer != nil {
		k.stacked(head, paths)
		k.push(event.TypeEOE, head)
		return
	}
	for i, p := range paths {
		k.path(head, i, p, "fe:00")
	}
	if k.title != "" {
		k.push(event.TypeProctitle, head+fmt.Sprintf("proctitle=%X", k.title))
	}
	k.push(event.TypeEOE, head)
}

func (k *fakeKernel) path(head string, i int, p pathRecord, dev string) {
	name := "(null)"
	if p.name != "" {
		name = `"` + p.name + `"`
	}
	k.push(event.TypePath, head+fmt.Sprintf("item=%d name=%s inode=%d dev=%s mode=%s nametype=%s", i, name, p.ino, dev, p.mode, p.kind))
}

// stacked prints the PATH records of a call in an overlay: the parents as the
// caller sees them, what is deleted as the layer does, then the layer's own
// parents, without names.
func (k *fakeKernel) stacked(head string, paths []pathRecord) {
	var own []pathRecord
	for i, p := range paths {
		dev := "00:27"
		switch p.kind {
		case "DELETE":
			p.ino, dev = k.layer(p.ino), "fe:00"
		case "PARENT":
			own = append(own, pathRecord{"", k.layer(p.ino), p.mode, p.kind})
		}
		k.path(head, i, p, dev)
	}
	if len(own) == 2 {
		own = append(own, own[0])
		own[0], own[1] = own[1], own[0]
	}
	for i, p := range own {
		k.path(head, len(paths)+i, p, "fe:00")
	}
}

// A tail is the records of an event that come in the midst of the next ones: its
// process was held up.
type tail struct {
	after   int // records of the event come in time
	until   int // records of others come before the rest
	cutting bool
	records []scripted
}

func (k *fakeKernel) push(typ event.Type, text string) {
	t := &k.tail
	switch {
	case t.cutting && t.after == 0:
		t.records = append(t.records, scripted{typ, text})
		return
	case t.cutting:
		t.after--
	case len(t.records) > 0 && t.until == 0:
		k.catchUp()
	case len(t.records) > 0:
		t.until--
	}
	k.seq++
	k.journal = append(k.journal, scripted{typ, text})
	if k.lags {
		k.behind = append(k.behind, sequenced{k.seq, typ, text})
		return
	}
	k.s.Push(k.seq, typ, []byte(text))
}

// A sequenced is a record in the journal.
type sequenced struct {
	seq  uint64
	typ  event.Type
	text string
}

// read pushes the next n records to the stream of one that lags.
func (k *fakeKernel) read(n int) {
	n = min(n, len(k.behind))
	for _, r := range k.behind[:n] {
		k.s.Push(r.seq, r.typ, []byte(r.text))
	}
	k.behind = k.behind[n:]
}

// catchUp pushes the rest of an event.
func (k *fakeKernel) catchUp() {
	rest := k.tail.records
	k.tail = tail{}
	for _, r := range rest {
		k.push(r.typ, r.text)
	}
}

func (k *fakeKernel) note(typ event.Type, fields ...event.NoteField) {
	k.push(typ, string(event.AppendNote(nil, event.Note{Time: k.now, Fields: fields})))
}

func (k *fakeKernel) later(d time.Duration) { k.now = k.now.Add(d) }

// unlinkat deletes name in the directory dir, given by a descriptor.
func (k *fakeKernel) unlinkat(dir int, name string) {
	k.call(263, "a0=3 a1=1 a2=0", pathRecord{k.cwd, dir, dirMode, "PARENT"}, pathRecord{name, 9, fileMode, "DELETE"})
}

// rmdirat removes the directory ino, name in dir, given by a descriptor.
func (k *fakeKernel) rmdirat(dir int, name string, ino int) {
	k.call(263, "a0=3 a1=1 a2=200", pathRecord{k.cwd, dir, dirMode, "PARENT"}, pathRecord{name, ino, dirMode, "DELETE"})
}

// unlink deletes an claimed name.
func (k *fakeKernel) unlink(parent int, path string) {
	k.call(87, "a0=1", pathRecord{path[:strings.LastIndexByte(path, '/')+1], parent, dirMode, "PARENT"}, pathRecord{path, 9, fileMode, "DELETE"})
}

func (k *fakeKernel) rmdir(parent int, path string, ino int) {
	k.call(84, "a0=1", pathRecord{path[:strings.LastIndexByte(path, '/')+1], parent, dirMode, "PARENT"}, pathRecord{path, ino, dirMode, "DELETE"})
}

func (k *fakeKernel) mkdir(parent int, path string, ino int) {
	k.call(83, "a0=1", pathRecord{path[:strings.LastIndexByte(path, '/')+1], parent, dirMode, "PARENT"}, pathRecord{path, ino, dirMode, "CREATE"})
}

// rename renames the directory ino by claimed names.
func (k *fakeKernel) rename(oldDir int, oldName string, newDir int, newName string, ino int) {
	k.call(82, "a0=1 a1=2",
		pathRecord{newName[:strings.LastIndexByte(newName, '/')+1], newDir, dirMode, "PARENT"},
		pathRecord{oldName[:strings.LastIndexByte(oldName, '/')+1], oldDir, dirMode, "PARENT"},
		pathRecord{oldName, ino, dirMode, "DELETE"}, pathRecord{newName, ino, dirMode, "CREATE"})
}

// renameat renames a file, both directories given by descriptors.
func (k *fakeKernel) renameat(newDir int, newName string, oldDir int, oldName string) {
	k.call(264, "a0=3 a1=1 a2=4 a3=2",
		pathRecord{k.cwd, newDir, dirMode, "PARENT"}, pathRecord{k.cwd, oldDir, dirMode, "PARENT"},
		pathRecord{oldName, 9, fileMode, "DELETE"}, pathRecord{newName, 9, fileMode, "CREATE"})
}

// paths flushes and returns each event as "path from [dest from]".
func (k *fakeKernel) paths() []string {
	k.s.Flush()
	var all []*event.Event
	for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
		all = append(all, e)
	}
	out := make([]string, len(all))
	for i := range out {
		out[i] = "?"
	}
	for _, e := range all {
		if e.ID.Serial > event.NoteSerial {
			continue
		}
		line := string(e.Path.Path) + string(e.Path.Dir) + " " + e.Path.From.String()
		if e.HasDest {
			line += " > " + string(e.Dest.Path) + string(e.Dest.Dir) + " " + e.Dest.From.String()
		}
		out[e.ID.Serial-1] = line
	}
	return out
}

// expect compares the last events' paths.
func (k *fakeKernel) expect(want ...string) {
	k.t.Helper()
	got := k.paths()
	got = got[max(0, len(got)-len(want)):]
	for i := range want {
		if got[i] != want[i] {
			k.t.Errorf("event %d of the last %d: got %q, want %q", i+1, len(want), got[i], want[i])
		}
	}
}
