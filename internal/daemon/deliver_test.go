package daemon

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// A cursorLog notes where the cursor was set.
type cursorLog struct {
	lows []uint64
	done func()
	end  uint64
}

func (c *cursorLog) SetCursor(low uint64, _ []byte) error {
	c.lows = append(c.lows, low)
	if low == c.end {
		c.done()
	}
	return nil
}

// TestOthersMoveTheCursor reads a long flood of events that nobody wants: the cursor moves
// while it lasts, so that the journal gets room, and a restart does not begin anew.
func TestOthersMoveTheCursor(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for i := range 3 * giveWayEvery {
		l, err := event.ParseLine(fmt.Appendf(nil, "type=USER_LOGIN msg=audit(1700000000.010:%d): pid=1 uid=0 msg='op=login'", i+1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append([][]byte{event.AppendRecord(nil, l)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := &cursorLog{done: cancel, end: j.Next()}
	enc := &encode.Encoder{Host: "host", Names: host.NewNames(new(host.MountTable), nil)}
	d := &deliverer{
		mounts: new(host.MountTable), journal: j, poked: make(chan struct{}, 1), now: time.Now,
		stream: newNodeStreams(paths.NewStream(paths.Options{})),
		cursor: &cursor{journal: log, failed: func(err error) { t.Error(err) }},
		whose:  func(uint64) ship.Identity { return ship.Identity{Host: "host"} },
	}
	d.ship = acceptor{d.cursor}
	d.output.Store(&output{encode: enc.AppendJSON, encoder: enc, names: enc.Names, ours: newOurs(t.TempDir(), false, zap.NewNop())})
	_ = d.deliver(ctx) // it ends with ctx
	if len(log.lows) == 0 || log.lows[len(log.lows)-1] != log.end {
		t.Fatalf("the cursor was set to %v, want %d at last", log.lows, log.end)
	}
	if first := log.lows[0]; first > 2*giveWayEvery {
		t.Errorf("the cursor stood still until record %d of %d", first, log.end)
	}
}

// TestShippingIsNotStuck requires that a deliver loop which waits for the shipper is not
// said to stand still.
func TestShippingIsNotStuck(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	d := &deliverer{}
	d.ship = blockedShipper{entered, leave}
	done := make(chan error)
	go func() { done <- d.add(t.Context(), ship.Item{}) }()
	<-entered
	if !d.shipping.Load() {
		t.Error("it is not known to wait for the shipper")
	}
	close(leave)
	if err := <-done; err != nil || d.shipping.Load() {
		t.Errorf("error %v, and it waits: %t", err, d.shipping.Load())
	}
}

type blockedShipper struct{ entered, leave chan struct{} }

func (s blockedShipper) Add(context.Context, ship.Item) error {
	close(s.entered)
	<-s.leave
	return nil
}
