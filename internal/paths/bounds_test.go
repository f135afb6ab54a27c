package paths

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestHeldBytes deletes below descriptors that nobody can resolve, with names as long as
// the kernel lets them be and in hex, as one on the host would who wants our memory.
func TestHeldBytes(t *testing.T) {
	const limit = 8 << 20
	s := NewStream(Options{Bytes: limit})
	name := strings.Repeat("C3A4", 4095/2)
	seq, told, began := uint64(0), 0, heapBytes()
	push := func(typ event.Type, format string, args ...any) {
		seq++
		s.Push(seq, typ, fmt.Appendf(nil, format, args...))
	}
	drain := func() {
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			if e.Path.From != event.FromUnresolved || e.Partial {
				t.Fatalf("event %v: %v, partial %v", e.ID, e.Path.From, e.Partial)
			}
			told++
			s.Free(e)
		}
	}
	const events = 2000
	for i := range events {
		head := fmt.Sprintf("audit(1785139200.123:%d): ", i+1)
		push(event.TypeSyscall, `%sarch=c000003e syscall=263 success=yes exit=0 a0=5 a1=1 a2=0 a3=2 items=2 ppid=1 pid=7 auid=1000 uid=1000 ses=1 comm="t" exe="/t" key="k"`, head)
		push(event.TypeCWD, `%scwd="/"`, head)
		push(event.TypePath, "%sitem=0 name=%s2F inode=%d dev=fe:00 mode=040755 nametype=PARENT", head, name, 1000+2*i)
		push(event.TypePath, "%sitem=1 name=%s2F78 inode=%d dev=fe:00 mode=0100644 nametype=DELETE", head, name, 1001+2*i)
		push(event.TypeEOE, "%s", head)
		drain()
	}
	if told == 0 || s.in.Held().Len == 0 {
		t.Errorf("%d events told and %d held: the test needs both", told, s.in.Held().Len)
	}
	if used := heapBytes() - began; used > 2*limit {
		t.Errorf("the heap grew by %d bytes, with a limit of %d", used, limit)
	}
	s.Flush()
	drain()
	if told != events || s.in.Bytes() != 0 {
		t.Errorf("%d of %d events told, %d bytes left on account", told, events, s.in.Bytes())
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestOpenBytes begins events that never end, each with much in it.
func TestOpenBytes(t *testing.T) {
	const limit = 4 << 20
	s := NewStream(Options{Bytes: limit})
	began, told, seq := heapBytes(), 0, uint64(0)
	text := bytes.Repeat([]byte("A"), 8000)
	for i := range 4000 {
		seq++
		s.Push(seq, event.TypeSyscall, fmt.Appendf(nil, "audit(1785139200.123:%d): arch=c000003e syscall=87 success=yes key=%s", i+1, text))
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			told++
			if !e.Partial {
				t.Fatalf("event %v lacks its end and does not say so", e.ID)
			}
			s.Free(e)
		}
	}
	if used := heapBytes() - began; used > 2*limit || told == 0 {
		t.Errorf("the heap grew by %d bytes, with a limit of %d; %d events told", used, limit, told)
	}
}

// TestHugeEvent is about one event with more than the service takes of any: what comes
// behind its arguments is there, and that something is not there is said.
func TestHugeEvent(t *testing.T) {
	s := NewStream(Options{})
	head := "audit(1785139200.123:7): "
	seq := uint64(0)
	push := func(typ event.Type, text string) {
		seq++
		s.Push(seq, typ, []byte(head+text))
	}
	const most = 2 << 20
	push(event.TypeSyscall, `arch=c000003e syscall=59 success=yes exit=0 items=1 ppid=1 pid=7 auid=1000 uid=1000 ses=1 comm="t" exe="/t" key="k"`)
	for i := range 4000 {
		push(event.TypeExecve, fmt.Sprintf("%sa%d=%s", map[bool]string{true: "argc=4000 "}[i == 0], i, strings.Repeat("41", 4000)))
	}
	push(event.TypeCWD, `cwd="/home"`)
	push(event.TypePath, `item=0 name="/t" inode=5 dev=fe:00 mode=0100755 nametype=NORMAL`)
	push(event.TypeEOE, "")
	e, ok := s.Next()
	if !ok || !e.Truncated || e.Partial || string(e.Path.Path) != "/t" || string(e.Cwd) != "/home" || e.Size() > 3*most {
		t.Fatalf("got %v, truncated %v, partial %v, path %q, %d bytes", ok, e.Truncated, e.Partial, e.Path.Path, e.Size())
	}
}

// TestPlacesBytes makes directories and moves them, with names as long as a file system
// of one's own lets them be.
func TestPlacesBytes(t *testing.T) {
	k := newFakeKernel(t, Options{})
	name := strings.Repeat("n", 4000)
	began := heapBytes()
	for i := range 5000 {
		k.mkdir(8, fmt.Sprint("/srv/", i, name), 100+i)
		k.rename(8, fmt.Sprint("/srv/", i, name), 8, fmt.Sprint("/srv/", i, "-", name), 100+i)
		k.lines, k.journal = nil, nil
		for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
			k.s.Free(e)
		}
	}
	const most = 32 << 20
	if used := heapBytes() - began; used > most {
		t.Errorf("the heap grew by %d bytes, want at most %d", used, most)
	}
	if err := k.s.Check(); err != nil {
		t.Error(err)
	}
	runtime.KeepAlive(k)
}

// TestDeepTreeBytes removes a tree of hundreds of levels with long names. The removal of
// the top proves all paths at once; together they take much more than may be ready.
func TestDeepTreeBytes(t *testing.T) {
	const levels, each, top = 400, 3, 5000
	s := NewStream(Options{})
	name := strings.Repeat("d", 240)
	seq, serial := uint64(0), 0
	push := func(typ event.Type, format string, args ...any) {
		seq++
		s.Push(seq, typ, fmt.Appendf(nil, "audit(1785139200.123:%d): "+format, append([]any{serial}, args...)...))
	}
	told, most := 0, 0
	remove := func(call int, dir, file int, last string, mode string) {
		serial++
		push(event.TypeSyscall, `arch=c000003e syscall=263 success=yes exit=0 a0=5 a1=1 a2=%d a3=2 items=2 ppid=1 pid=7 auid=1000 uid=1000 ses=1 comm="rm" exe="/rm" key="k"`, call)
		push(event.TypeCWD, `cwd="/"`)
		push(event.TypePath, `item=0 name="/" inode=%d dev=fe:00 mode=040755 nametype=PARENT`, dir)
		push(event.TypePath, `item=1 name="%s" inode=%d dev=fe:00 mode=%s nametype=DELETE`, last, file, mode)
		push(event.TypeEOE, "")
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			told++
			most = max(most, s.built)
			if path := string(e.Path.Path); !strings.HasPrefix(path, "/srv/"+name) || e.Path.From == event.FromUnresolved {
				t.Fatalf("event %v: %.40q, %v", e.ID, path, e.Path.From)
			}
			s.Free(e)
		}
	}
	for level := levels; level > 0; level-- {
		for i := range each {
			remove(0, top+level, 100000+level*each+i, fmt.Sprint("f", i), "0100644")
		}
		last := name
		if level == 1 {
			last = "/srv/" + name
		}
		remove(512, top+level-1, top+level, last, "040755")
	}
	if want := levels * (each + 1); told != want {
		t.Errorf("%d events told, want %d", told, want)
	}
	if longest := levels * (len(name) + 2); most > maxBuilt+longest || most < maxBuilt {
		t.Errorf("%d bytes of paths were ready at once, want %d", most, maxBuilt)
	}
}
