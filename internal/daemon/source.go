package daemon

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// Modes of a source, the words of source.mode.
const (
	modeAuto      = "auto"
	modeUnicast   = "unicast"
	modeMulticast = "multicast"
	modeFile      = "file"
	modeStdin     = "stdin"
)

// An opened source is records on their way to us: the kernel's, or another
// daemon's lines.
type opened struct {
	source
	listener *kaudit.Listener // nil for lines
	word     string           // of the mode, for lines

	buffer int  // bytes of the socket's receive buffer
	kept   bool // the service manager holds the socket, too
	took   bool // it was an earlier process that opened it

	// daemon is the pid that the kernel knows as its audit daemon while that is
	// us, 0 while we read the multicast.
	daemon atomic.Uint32
}

func newOpened(l *kaudit.Listener, daemon uint32) *opened {
	s := &opened{source: l, listener: l}
	s.daemon.Store(daemon)
	return s
}

// owner is who the kernel must know as its audit daemon, if that is us.
func (s *opened) owner() (pid uint32, owns bool) {
	pid = s.daemon.Load()
	return pid, pid != 0
}

// owns reports whether we are the kernel's audit daemon.
func (s *opened) owns() bool { return s.daemon.Load() != 0 }

// mode is the word for how records come.
func (s *opened) mode() string {
	if s.listener == nil {
		return s.word
	}
	if s.owns() {
		return modeUnicast
	}
	return modeMulticast
}

// regain makes records come again after the kernel forgot us: as its audit
// daemon, or beside the one that took our place.
func (d *Daemon) regain() error {
	ours, err := d.register(d.source.listener, d.loss.control)
	if err != nil {
		return err
	}
	if ours {
		d.source.daemon.Store(uint32(os.Getpid()))
		d.log.Warn("registered again as the audit daemon")
		return nil
	}
	if err := d.source.listener.Join(); err != nil {
		return err
	}
	d.source.daemon.Store(0)
	d.log.Warn("reading the multicast beside another audit daemon")
	return nil
}

// openSource switches auditing on and starts to receive. Processes born before
// auditing is on are never audited, hence it comes first.
func (d *Daemon) openSource() error {
	if mode := d.cfg.Source.Mode; mode == modeFile || mode == modeStdin {
		return d.openLines(mode)
	}
	if err := NeedRights(d.cfg.Source.Mode); err != nil {
		return err
	}
	var err error
	if d.control, err = kaudit.OpenControl(); err != nil {
		return err
	}
	st, err := d.control.Status()
	if err != nil {
		return err
	}
	d.openFound()
	d.auditingWasOn = st.Enabled != kaudit.Disabled
	if st.Enabled == kaudit.Disabled {
		if err := d.set(rules.Setting{Name: "e", Value: kaudit.Enabled}); err != nil {
			return err
		}
	}
	if d.source, err = d.listen(st); err != nil {
		if st.Enabled == kaudit.Disabled {
			err = errors.Join(err, d.found.PutBack(d.control, rules.ByRun))
		}
		return err
	}
	d.receiver.src = d.source
	d.receiver.forged.listener = d.source.listener
	d.notes.wake = d.source.Wake
	d.grow()
	d.keepSocket()
	return d.ownKernel()
}

// Names of the socket in the service manager's store: what it is, and for which
// process the kernel registered it.
const (
	keptUnicast   = "audit-unicast-"
	keptMulticast = "audit-multicast"

	// keptNew is a socket of the manager's own making (auditshipper.socket): not
	// subscribed to anything, but with a buffer that we have no right to give it.
	keptNew = "audit-new"
)

// listen takes back the socket of an earlier process, or opens one.
func (d *Daemon) listen(st kaudit.Status) (*opened, error) {
	if s, err := d.takeBack(st); s != nil || err != nil {
		return s, err
	}
	l, err := kaudit.Listen(d.manager.take(keptNew), d.landing)
	if err != nil {
		return nil, err
	}
	s, err := d.subscribe(l, st)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

// takeBack returns the socket that the service manager kept, nil if there is
// none or if the kernel does not know it any more.
func (d *Daemon) takeBack(st kaudit.Status) (*opened, error) {
	for name := range d.manager.kept {
		pid, unicast := strings.CutPrefix(name, keptUnicast)
		if !unicast && name != keptMulticast {
			continue
		}
		fd := d.manager.take(name)
		if unicast && pid != strconv.Itoa(int(st.PID)) {
			d.log.Warn("kept socket is not the registered one any more", zap.String("registered_then", pid), zap.Uint32("registered_now", st.PID))
			if err := errors.Join(os.NewFile(uintptr(fd), name).Close(), d.manager.letGo(name)); err != nil {
				return nil, err
			}
			continue
		}
		l, err := kaudit.Listen(fd, d.landing)
		if err != nil {
			return nil, err
		}
		s := newOpened(l, 0)
		if unicast {
			s.daemon.Store(st.PID)
		}
		s.kept, s.took = true, true
		if spare := d.manager.take(keptNew); spare >= 0 {
			unix.Close(spare)
		}
		d.log.Info("socket taken back from the service manager", zap.String("mode", s.mode()))
		return s, nil
	}
	return nil, nil
}

// subscribe makes l receive, as the audit daemon or beside it.
func (d *Daemon) subscribe(l *kaudit.Listener, st kaudit.Status) (*opened, error) {
	mode := d.cfg.Source.Mode
	if mode != modeMulticast && !alive(st.PID) {
		ours, err := d.register(l, d.control)
		if ours || err != nil {
			return newOpened(l, uint32(os.Getpid())), err
		}
	}
	if mode == modeUnicast {
		now, err := d.control.Status()
		return nil, errors.Join(err, &SharedError{PID: now.PID})
	}
	if err := l.Join(); err != nil {
		return nil, err
	}
	return newOpened(l, 0), nil
}

// register reports whether the kernel made us its audit daemon. A daemon that
// died is dropped by the kernel when somebody tries.
func (d *Daemon) register(l *kaudit.Listener, c *kaudit.Control) (bool, error) {
	if err := l.Register(); err != nil {
		return false, err
	}
	st, err := c.Status()
	return int(st.PID) == os.Getpid(), err
}

// alive reports whether a process lives that is registered as the audit
// daemon. Asking the kernel to test it would wake that daemon.
func alive(pid uint32) bool {
	if pid == 0 {
		return false
	}
	_, err := os.Stat("/proc/" + strconv.Itoa(int(pid)))
	return err == nil
}

// A SharedError means that another audit daemon holds the registration.
type SharedError struct{ PID uint32 }

func (e *SharedError) Error() string {
	return fmt.Sprintf("process %d (%s) is registered as the audit daemon", e.PID, commOf(int(e.PID)))
}

// Hint says what can be done about it.
func (e *SharedError) Hint() string {
	return "set source.mode to auto or multicast to work beside it, or stop it"
}

// commOf is the name of a process, "gone" if there is none.
func commOf(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return "gone"
	}
	return strings.TrimSpace(string(text))
}

// grow gives the socket its buffer: what it holds is what we may be late by.
func (d *Daemon) grow() {
	want := int(d.cfg.Source.ReceiveBuffer)
	got, err := d.source.listener.SetBuffer(want)
	d.source.buffer = got
	if err != nil || got < want {
		d.log.Warn("receive buffer is smaller than wanted, CAP_NET_ADMIN allows more",
			zap.Int("bytes", got), zap.Int("wanted", want), zap.Error(err))
	}
}

// keepSocket gives the service manager a copy of the socket, so that the
// kernel goes on queueing into it while no process of ours lives.
func (d *Daemon) keepSocket() {
	if !d.manager.present() || d.source.took {
		return
	}
	if err := d.manager.keep(d.keptName(), d.source.listener.FD()); err != nil {
		d.log.Warn("socket not kept over a restart", zap.Error(err))
		return
	}
	d.source.kept = os.Getenv("FDSTORE") != "" // set since systemd 254; older ones do not tell
}

func (d *Daemon) keptName() string {
	if pid, owns := d.source.owner(); owns {
		return keptUnicast + strconv.Itoa(int(pid))
	}
	return keptMulticast
}

// openFound reads what the kernel was set to before we first ran in this boot.
func (d *Daemon) openFound() {
	var err error
	if d.found, err = rules.ReadFound(d.cfg.StateDir, d.boot); err != nil {
		d.log.Warn("what the kernel was set to before is not known", zap.Error(err))
	}
}

// set changes settings of the kernel that are put back when we let go of it.
func (d *Daemon) set(settings ...rules.Setting) error {
	st, err := d.control.Status()
	if err != nil {
		return err
	}
	if err := d.found.Note(rules.ByRun, st, settings...); err != nil {
		d.log.Warn("what the kernel is set to is not kept for the next start", zap.Error(err))
	}
	var errs []error
	for _, s := range settings {
		errs = append(errs, s.Do(d.control))
	}
	return errors.Join(errs...)
}

// ownKernel sets what only the audit daemon should.
func (d *Daemon) ownKernel() error {
	st, err := d.control.Status()
	if err != nil || !d.source.owns() || st.Enabled == kaudit.Immutable {
		return err
	}
	k := d.cfg.Kernel
	failure := uint32(kaudit.FailPrintk)
	if k.FailureMode == "silent" {
		failure = kaudit.FailSilent
	}
	return d.set(
		rules.Setting{Name: "b", Value: uint32(k.BacklogLimit)},
		rules.Setting{Name: "backlog_wait_time", Value: uint32(k.BacklogWaitTime)},
		rules.Setting{Name: "f", Value: failure})
}

// restoreKernel puts back what we set since we first ran in this boot. The
// registration goes first: the records of the rest would be torn in the middle
// by its end. Another audit daemon runs with the settings as they are now.
func (d *Daemon) restoreKernel() error {
	if d.othersRead() {
		return nil
	}
	var err error
	if d.source.owns() && !d.source.took {
		err = d.source.listener.Unregister()
	}
	return errors.Join(err, d.found.PutBack(d.control, rules.ByRun))
}
