package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// tick is how often the stream is told the time while events wait in it: for
// their records, or for the name of their directory.
const tick = 100 * time.Millisecond

// A shipper takes encoded events and delivers them, in order.
type shipper interface {
	// Add takes an item, and blocks while too much is on its way.
	Add(ctx context.Context, it ship.Item) error
}

// An output is how events become text, which a reload may change.
type output struct {
	labels  map[string]string // of each event, as the encoder has them
	encode  func(dst []byte, e *event.Event) []byte
	encoder *encode.Encoder // of encode; the deliver loop's
	drop    filters
	names   encode.Names
	users   encode.Names // names without file systems
	ours    *ours        // nil: everything is
}

// A deliverer moves events from the journal to the shipper.
type deliverer struct {
	journal *journal.Journal
	stream  *nodeStreams
	ship    shipper
	cursor  *cursor
	output  atomic.Pointer[output]
	counts  eventCounts
	damaged func(*journal.Damage)
	mounts  *host.MountTable
	now     func() time.Time
	whose   func(seq uint64) ship.Identity // which host received a record
	memory  *memory                        // nil: nothing outlives the process
	logins  *logins                        // nil: sessions have no address

	reader   *journal.Reader
	yields   bool // to a flood of records
	losses   func() *known
	ask      func() // has the kernel asked what it dropped
	known    *known
	flood    flood
	glanced  time.Time
	beat     atomic.Uint64 // turns of the loop, for the watchdog
	shipping atomic.Bool   // the shipper is asked to take an event
	poked    chan struct{} // makes an idle loop turn once
	added    uint64        // items given to the shipper
	line     []byte

	aside atomic.Pointer[ship.Item] // to be shipped that is not in the journal: figures

	flowed atomic.Uint64 // records up to this one are through the stream, and nothing waits in it
}

// deliver runs until ctx is done.
func (d *deliverer) deliver(ctx context.Context) error {
	low, err := d.resume()
	if err != nil {
		return err
	}
	d.reader = d.journal.Reader(low)
	defer d.reader.Close()
	for turn := 0; ; turn++ {
		d.beat.Add(1)
		d.heedMounts()
		d.heedLosses()
		err := d.read(ctx)
		if errors.Is(err, io.EOF) {
			d.cursor.snapshot(d.stream, d.added)
			if d.stream.Pending() == 0 {
				d.flowed.Store(d.stream.Low() - 1)
			}
			d.memory.save(d.stream.Stream, d.stream.Read(), d.now())
			d.logins.save(d.now())
			d.askLosses()
			err = errors.Join(d.shipAside(ctx), d.breathe(ctx, turn), d.wait(ctx))
			turn = 0
		} else if err == nil && turn%giveWayEvery == giveWayEvery-1 {
			d.cursor.snapshot(d.stream, d.added) // others' events move it, too
			d.memory.save(d.stream.Stream, d.stream.Read(), d.now())
			d.askLosses()
			err = errors.Join(d.glance(), d.giveWay(ctx))
		}
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) { // out of descriptors, which passes
			err = d.rest(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// heedLosses lets the stream know what the kernel dropped.
func (d *deliverer) heedLosses() {
	if d.losses == nil {
		return
	}
	k := d.losses()
	if k == nil || k == d.known {
		return
	}
	d.known = k
	if !k.to.IsZero() {
		d.stream.Dropped(k.from, k.to)
	}
	if !k.until.IsZero() {
		d.stream.Complete(k.until)
	}
}

// askLosses has the kernel asked what it dropped, if paths wait for the answer, ten times a
// second at most.
func (d *deliverer) askLosses() {
	if d.ask != nil && d.known != nil && d.stream.Unaccounted() && d.now().Sub(d.known.until) >= tick {
		d.ask()
	}
}

// heedMounts lets the stream know when mounts came or went.
func (d *deliverer) heedMounts() {
	gone, changed := d.mounts.News()
	if !changed {
		return
	}
	for _, dev := range gone {
		d.stream.DropDev(dev)
	}
	d.stream.Doubt(d.now())
}

// addAside has it shipped beside the events as soon as these leave time for it.
// It may be called from any goroutine; what was not shipped yet is dropped.
func (d *deliverer) addAside(it ship.Item) {
	d.aside.Store(&it)
	d.poke()
}

func (d *deliverer) shipAside(ctx context.Context) error {
	it := d.aside.Swap(nil)
	if it == nil {
		return nil
	}
	d.added++
	it.Mark = d.added
	return d.add(ctx, *it)
}

// add gives an item to the shipper, who may be waiting for the service.
func (d *deliverer) add(ctx context.Context, it ship.Item) error {
	d.shipping.Store(true)
	defer d.shipping.Store(false)
	return d.ship.Add(ctx, it)
}

// drain waits until all that is in the journal is with the shipper, or ctx is
// done.
func (d *deliverer) drain(ctx context.Context) {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for d.flowed.Load()+1 < d.journal.Next() {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

const drainLook = 10 * time.Millisecond

// poke makes an idle loop turn once, to show that it lives.
func (d *deliverer) poke() {
	select {
	case d.poked <- struct{}{}:
	default:
	}
}

// resume brings the stream to where the last process was. A mark that does not
// read costs duplicates, not events: everything since low is sent again.
func (d *deliverer) resume() (uint64, error) {
	low, mark := d.journal.Cursor()
	if len(mark) == 0 {
		return low, nil
	}
	if at, err := d.stream.Resume(mark); err == nil {
		return at, nil
	}
	return low, nil
}

// read takes the next record from the journal and ships the events that are
// complete by it.
func (d *deliverer) read(ctx context.Context) error {
	seq, rec, err := d.reader.Next()
	if damage, ok := errors.AsType[*journal.Damage](err); ok {
		d.damaged(damage)
		d.stream.Forget()
		return nil
	}
	if err != nil {
		return err
	}
	d.stream.push(seq, rec)
	return d.flow(ctx)
}

// rest waits a moment before the same is tried again.
func (d *deliverer) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(tick):
		return nil
	}
}

// flow ships every event that the stream has ready.
func (d *deliverer) flow(ctx context.Context) error {
	for e, of, from, ok := d.stream.next(); ok; e, of, from, ok = d.stream.next() {
		err := d.one(ctx, e, of)
		from.Free(e)
		if err != nil {
			return err
		}
		if d.added%snapshotEvery == 0 {
			d.cursor.snapshot(d.stream, d.added)
		}
	}
	return nil
}

func (d *deliverer) one(ctx context.Context, e *event.Event, of origin) error {
	d.counts.count(e)
	if d.logins != nil && of == (origin{}) {
		d.logins.heed(e)
		d.logins.tell(e)
	}
	out := d.output.Load()
	if out.ours != nil && !out.ours.has(e) || out.drop.match(e) {
		return nil
	}
	from := d.whose(e.First)
	out.speakFor(from.Host, of)
	d.line = out.encode(d.line[:0], e)
	d.added++
	return d.add(ctx, ship.Item{Millis: e.ID.UnixMilli(), Serial: e.ID.Serial, Line: d.line, Mark: d.added, From: from})
}

// wait returns when the journal has more, or after a tick while events wait.
func (d *deliverer) wait(ctx context.Context) error {
	if d.stream.Pending() == 0 {
		select {
		case <-d.journal.C():
			return nil
		case <-d.poked:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case <-d.journal.C():
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.journal.Next()-d.stream.Read() < giveWayEvery { // else what they wait for may have come while we waited
		d.stream.Tick(d.now())
	}
	return d.flow(ctx)
}

// snapshotEvery is how many events under load lie between two places where
// delivery could go on after a restart.
const snapshotEvery = 256

// maxMarks is how many bytes of marks are kept beside the last one. Each lists the events
// that were pending, which may be thousands.
const maxMarks = 4 << 20

// A cursor turns what the shipper acknowledges into the journal's cursor. The
// stream can only say what is pending now, and the shipper's answer comes
// later; so snapshots are kept until everything before them is accepted.
type cursor struct {
	journal interface {
		SetCursor(low uint64, extra []byte) error
	}
	failed func(error)

	mu        sync.Mutex
	acked     uint64 // items accepted
	snapshots []snapshot
	bytes     int // of their marks
	free      [][]byte
	last      []byte // the mark that the journal has
}

type snapshot struct {
	items uint64 // all up to this one were returned by the stream before
	low   uint64
	mark  []byte
}

// snapshot notes where to go on once the first items of them are accepted.
func (c *cursor) snapshot(s *nodeStreams, items uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.snapshots) - 1
	switch {
	case last < 0 || c.snapshots[last].items != items && c.bytes < maxMarks:
		c.snapshots = append(c.snapshots, snapshot{mark: c.spare()})
		last++
	default: // there is no news, or no room: the newest takes the place of the last one
		c.bytes -= len(c.snapshots[last].mark)
	}
	at := &c.snapshots[last]
	at.items, at.low, at.mark = items, s.Low(), s.AppendMark(at.mark[:0])
	c.bytes += len(at.mark)
	c.move()
}

// spare returns the memory of a mark that is not needed any more.
func (c *cursor) spare() []byte {
	n := len(c.free)
	if n == 0 {
		return nil
	}
	buf := c.free[n-1]
	c.free = c.free[:n-1]
	return buf
}

// ack notes that the shipper has delivered all items up to and including this.
func (c *cursor) ack(items uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked = items
	c.move()
}

// move puts the journal's cursor to the last snapshot that is all accepted.
func (c *cursor) move() {
	n := 0
	for n < len(c.snapshots) && c.snapshots[n].items <= c.acked {
		n++
	}
	if n == 0 {
		return
	}
	if at := c.snapshots[n-1]; !bytes.Equal(at.mark, c.last) {
		if err := c.journal.SetCursor(at.low, at.mark); err != nil {
			c.failed(fmt.Errorf("move the cursor: %w", err))
		}
		c.last = append(c.last[:0], at.mark...)
	}
	for _, s := range c.snapshots[:n] {
		c.bytes -= len(s.mark)
		c.free = append(c.free, s.mark)
	}
	c.snapshots = append(c.snapshots[:0], c.snapshots[n:]...)
}
