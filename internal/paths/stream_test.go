package paths

import (
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestDoubt requires what was said before mounts changed to be confirmed.
func TestDoubt(t *testing.T) {
	for _, changed := range []bool{false, true} {
		k := newFakeKernel(t, Options{})
		k.unlink(8, "/srv/d/x")
		if changed {
			k.s.Doubt(k.now)
		}
		k.unlinkat(8, "f")
		if got := k.paths()[1]; got != map[bool]string{false: "/srv/d/f claimed", true: "f unresolved"}[changed] {
			t.Errorf("mounts changed %v: %q", changed, got)
		}
	}
}

// TestGiveUp is about an event whose process is stopped between two of its records
// while others make thousands: it is given up by their number and the time they
// took, so that it does not come in two halves.
func TestGiveUp(t *testing.T) {
	for _, tt := range []struct {
		name    string
		took    time.Duration
		partial bool
	}{
		{"a moment", 100 * time.Millisecond, false},
		{"some seconds", 3 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{ResolveWait: -1})
			const head = "audit(1700000000.000:900000): "
			k.push(event.TypeSyscall, head+`arch=c000003e syscall=87 success=yes exit=0 a0=1 items=2 ppid=1 pid=7 uid=0 comm="t" exe="/t" key="k"`)
			k.push(event.TypePath, head+`item=0 name="/srv/" inode=1 dev=fe:00 mode=040755 nametype=PARENT`)
			const others = 3 * event.DefaultGiveUp / 5 // of five records each
			for range others {
				k.later(tt.took / others)
				k.unlink(1, "/srv/x")
			}
			k.push(event.TypePath, head+`item=1 name="/srv/f" inode=9 dev=fe:00 mode=0100644 nametype=DELETE`)
			k.push(event.TypeEOE, head)
			k.s.Flush()
			var halves []bool
			for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
				if e.ID.Serial == 900000 {
					halves = append(halves, e.Partial)
				}
			}
			if tt.partial && len(halves) != 2 || !tt.partial && (len(halves) != 1 || halves[0]) {
				t.Errorf("delivered as parts %v", halves)
			}
		})
	}
}
