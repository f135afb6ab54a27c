package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// dayRate is how many events a second the day has; the source hands them over
// dayTurns times a second.
const (
	dayRate  = 100
	dayTurns = 20
)

// A daySource is a host that deletes and renames all day, always in other
// directories and by other processes, so that whatever is kept of them is kept
// of too many. Some directories are never named.
type daySource struct {
	made    uint64
	stopped chan struct{}
	bufs    [][]byte
}

func (s *daySource) Receive(uint64) ([][]byte, error) {
	select {
	case <-s.stopped:
		return nil, os.ErrClosed
	case <-time.After(time.Second / dayTurns):
	}
	used := 0
	record := func(id string, typ uint16, format string, args ...any) {
		if used == len(s.bufs) {
			s.bufs = append(s.bufs, nil)
		}
		b := append(binary.LittleEndian.AppendUint16(s.bufs[used][:0], typ), id...)
		s.bufs[used] = fmt.Appendf(b, format, args...)
		used++
	}
	for range dayRate / dayTurns {
		s.made++
		s.event(record)
	}
	return s.bufs[:used], nil
}

// event makes the records of one event, as the kernel does.
func (s *daySource) event(record func(id string, typ uint16, format string, args ...any)) {
	n, now := s.made, time.Now()
	id := fmt.Sprintf("audit(%d.%03d:%d): ", now.Unix(), now.UnixMilli()%1000, n)
	dir, ino, pid := fmt.Sprintf("/mnt/efs/d%d/e%d", n/100, n), 1_000_000+n, 300+n/16%4_000_000
	syscall, prefix, items := 87, dir+"/", 2
	switch n % 4 {
	case 1: // by a descriptor of the directory that was named just before
		syscall, prefix, ino = 263, "", ino-1
	case 2: // by one that nobody ever names
		syscall, prefix, ino = 263, "", 1<<40+n
	case 3:
		syscall, items = 82, 4
	}
	record(id, 1300, `arch=c000003e syscall=%d success=yes exit=0 a0=3 a1=7ffe1 a2=0 a3=0 items=%d ppid=%d pid=%d auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=7 comm="rm" exe="/usr/bin/rm" subj=unconfined key="efs_changes"`, syscall, items, pid/8, pid)
	record(id, 1307, `cwd="/home/u%d"`, n%50)
	path := func(item int, name string, ino uint64, mode, nametype string) {
		record(id, 1302, `item=%d name="%s" inode=%d dev=00:2a mode=%s ouid=1000 ogid=1000 rdev=00:00 nametype=%s cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`, item, name, ino, mode, nametype)
	}
	parent := prefix
	if parent == "" {
		parent = "/home/u"
	}
	path(0, parent, ino, "040755", "PARENT")
	if items == 4 {
		path(1, parent, ino, "040755", "PARENT")
		path(2, fmt.Sprint(prefix, "f", n), 1<<32+n, "0100644", "DELETE")
		path(3, fmt.Sprint(prefix, "g", n), 1<<32+n, "0100644", "CREATE")
	} else {
		path(1, fmt.Sprint(prefix, "f", n), 1<<32+n, "0100644", "DELETE")
	}
	record(id, 1327, `proctitle=726D002D72660066%d`, n%1000)
	record(id, 1320, "")
}

func (s *daySource) Wake()        {}
func (s *daySource) Stop()        { close(s.stopped) }
func (s *daySource) Close() error { return nil }

// A dayService takes batches, but for a minute and a half out of ten.
type dayService struct {
	began time.Time

	mu             sync.Mutex
	count, serials uint64
	refused        int
}

var errNight = errors.New("the service is down")

func (s *dayService) Put(_ context.Context, b *ship.Batch, i, j int) (ship.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := time.Since(s.began) % (10 * time.Minute); at > 4*time.Minute && at < 4*time.Minute+90*time.Second {
		s.refused++
		return ship.Result{}, errNight
	}
	for ; i < j; i++ {
		s.count++
		s.serials += b.Item(i).Serial
	}
	return ship.Result{}, nil
}

func (s *dayService) has() (count, serials uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.serials
}

// dayBounds are those of the day's journal: small, so that it turns over often, and
// large enough for an outage.
var dayBounds = journal.Options{MaxBytes: 32 << 20, KeepDelivered: 4 << 20, SegmentBytes: 1 << 20}

// mostDayHeap is what the caches take when they are full, and a little.
const mostDayHeap = 18 << 20

// A day is the whole line from a source to a service.
type day struct {
	dir      string
	src      *daySource
	service  *dayService
	journal  *journal.Journal
	receiver *receiver
	deliver  *deliverer
	group    sync.WaitGroup
}

func (d *day) start(ctx context.Context, t *testing.T) {
	d.src = &daySource{stopped: make(chan struct{})}
	d.service = &dayService{began: time.Now()}
	var err error
	if d.journal, err = journal.Open(filepath.Join(d.dir, "journal"), dayBounds); err != nil {
		t.Fatal(err)
	}
	landing, err := kaudit.OpenLanding(filepath.Join(d.dir, "landing"))
	if err != nil {
		t.Fatal(err)
	}
	d.receiver = receiverOf(t, d.src, d.journal, landing)
	failed := func(err error) { t.Error(err) }
	enc := &encode.Encoder{Host: "host", Names: host.NewNames(new(host.MountTable), nil)}
	system := host.NewSystem(new(host.MountTable), func(what string) { t.Errorf("a look hangs: %s", what) })
	d.deliver = &deliverer{
		mounts:  new(host.MountTable),
		journal: d.journal, cursor: &cursor{journal: d.journal, failed: failed},
		poked: make(chan struct{}, 1), damaged: func(g *journal.Damage) { t.Error(g) }, now: time.Now,
		stream: newNodeStreams(paths.NewStream(paths.Options{Process: host.NewHomes(system).Of})),
	}
	d.deliver.whose = func(uint64) ship.Identity { return ship.Identity{Host: "host"} }
	d.deliver.output.Store(&output{encode: enc.AppendJSON, encoder: enc, names: enc.Names})
	shipper := ship.New(ship.Options{
		Put: d.service, Flush: time.Second, Concurrency: 2, Log: zap.NewNop(), Ack: d.deliver.cursor.ack,
		Reject: func(_ ship.Item, reason string) { t.Errorf("rejected: %s", reason) },
	})
	d.deliver.ship = shipper
	d.group.Go(func() { failIf(t, d.receiver.receive()) })
	d.group.Go(func() {
		failIf(t, ended(d.deliver.deliver(ctx)))
		system.Close()
		failIf(t, shipper.Drain(context.Background()))
		failIf(t, errors.Join(d.journal.Close(), landing.Close()))
	})
	d.group.Go(func() { rounds(ctx, 10*time.Second, func() { failIf(t, d.journal.Sync()) }) })
}

// receiverOf moves the records of src to j, and takes a gap for a fault.
func receiverOf(t testing.TB, src source, j *journal.Journal, landing *kaudit.Landing) *receiver {
	gap := func(cause string) { t.Errorf("a gap: %s", cause) }
	return &receiver{
		src: src, journal: j, configChanged: make(chan struct{}, 1), ration: newRation(j, landing), ruleChanges: new(atomic.Uint64),
		notes:   &notes{now: time.Now, wake: func() {}, count: gap},
		refused: &refusals{landing: landing, now: time.Now, count: gap},
		forged:  &forgeries{landing: landing, now: time.Now},
		account: &account{serials: &landedStateIn(landing.Room()).serials, away: &landedStateIn(landing.Room()).away, now: time.Now, usual: func() string { return causeKernelLost }},
	}
}

func failIf(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// A dayUse is what the line holds at a moment.
type dayUse struct {
	heap        uint64 // bytes, reachable
	descriptors int
	goroutines  int
	journal     int64 // bytes on disk, all files
}

func (d *day) use(t *testing.T) dayUse {
	synctest.Wait()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := dayUse{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine()}
	fds, err := os.ReadDir("/proc/self/fd")
	failIf(t, err)
	u.descriptors = len(fds)
	files, err := os.ReadDir(filepath.Join(d.dir, "journal"))
	failIf(t, err)
	for _, f := range files {
		info, err := f.Info()
		failIf(t, err)
		u.journal += info.Size()
	}
	return u
}

// most is the larger in everything.
func (u dayUse) most(v dayUse) dayUse {
	return dayUse{max(u.heap, v.heap), max(u.descriptors, v.descriptors), max(u.goroutines, v.goroutines), max(u.journal, v.journal)}
}

// TestDay has a host make 100 events a second, with the service down every ten
// minutes, and requires that everything arrives once and that the second half
// takes no more of anything than the first. It runs forty minutes of virtual
// time, in which every cache and the journal turn over; AUDITSHIPPER_DAY=24h
// runs all of the day, which takes some minutes.
func TestDay(t *testing.T) {
	length := 40 * time.Minute
	if text := os.Getenv("AUDITSHIPPER_DAY"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { runDay(t, dir, length) })
}

func runDay(t *testing.T, dir string, length time.Duration) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d := &day{dir: dir}
	d.start(ctx, t)
	half := func() (most dayUse) {
		for range 10 {
			time.Sleep(length / 20)
			most = most.most(d.use(t))
		}
		return most
	}
	first, second := half(), half()
	d.src.Stop()
	time.Sleep(5 * time.Minute) // for the outage that may be
	synctest.Wait()
	count, serials := d.service.has()
	if made := d.src.made; count != made || serials != made*(made+1)/2 {
		t.Errorf("%d events arrived, %d were made", count, made)
	}
	if d.service.refused == 0 {
		t.Error("the service was never down")
	}
	stop()
	d.group.Wait()
	t.Logf("%v, %d events: first half %+v, second %+v", length, count, first, second)
	if second.heap > first.heap*5/4 || second.heap > mostDayHeap { // maps that are full find their size late
		t.Errorf("memory grows: %d bytes, then %d, at most %d", first.heap, second.heap, mostDayHeap)
	}
	if second.descriptors > first.descriptors || second.goroutines > first.goroutines {
		t.Errorf("descriptors or goroutines grow: %+v, then %+v", first, second)
	}
	if most := max(first.journal, second.journal); most > dayBounds.MaxBytes {
		t.Errorf("the journal has %d bytes on disk, at most %d", most, dayBounds.MaxBytes)
	}
}
