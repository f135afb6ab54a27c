package kaudit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNoAudit means that the running kernel was built without audit.
var ErrNoAudit = errors.New("the kernel has no audit support (CONFIG_AUDIT)")

// A Control commands the kernel's audit system: its status, features and
// rules. It needs CAP_AUDIT_CONTROL. It is safe for concurrent use.
//
// Errors wrap the kernel's unix.Errno: EEXIST for a rule that is loaded
// already, ENOENT for one that is not, EINVAL for a malformed one, EPERM
// without the capability, in a pid namespace or when rules are immutable, and
// ECONNREFUSED in a user namespace.
type Control struct{ c *conn }

// OpenControl opens a command socket.
func OpenControl() (*Control, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	return &Control{c}, nil
}

// Close closes the socket.
func (c *Control) Close() error { return c.c.close() }

// Values of Status.Enabled.
const (
	Disabled  = 0
	Enabled   = 1
	Immutable = 2 // until reboot
)

// Values of Status.Failure, what the kernel does when it must drop a record.
const (
	FailSilent = 0
	FailPrintk = 1
	FailPanic  = 2
)

// Status is the kernel's struct audit_status (include/uapi/linux/audit.h).
type Status struct {
	Enabled               uint32
	Failure               uint32
	PID                   uint32 // of the registered audit daemon, 0 for none
	RateLimit             uint32 // records a second, 0 for no limit
	BacklogLimit          uint32 // records
	Lost                  uint32 // records dropped since boot or reset
	Backlog               uint32 // records waiting for the daemon
	Features              uint32 // AUDIT_FEATURE_BITMAP_*
	BacklogWaitTime       uint32 // jiffies a process waits for a full backlog
	BacklogWaitTimeActual uint32
}

// Bits of audit_status.mask: which field a set command means.
const (
	maskEnabled               = 0x01
	maskFailure               = 0x02
	maskPID                   = 0x04
	maskRateLimit             = 0x08
	maskBacklogLimit          = 0x10
	maskBacklogWaitTime       = 0x20
	maskLost                  = 0x40
	maskBacklogWaitTimeActual = 0x80
)

const statusLen = 11 * 4

// Status asks for the kernel's audit status.
func (c *Control) Status() (Status, error) {
	var s Status
	var err error
	for range statusTries {
		err = c.c.do(typeGet, nil, false, func(data []byte) { s = parseStatus(data) })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	if err != nil {
		return Status{}, fmt.Errorf("get audit status: %w", err)
	}
	return s, nil
}

// statusTries is how often the status is asked for. On hosts with far more work than
// processors the answer, which a thread of the kernel's sends, was seen to take longer
// than replyTimeout.
const statusTries = 3

// parseStatus reads as many fields as the kernel sent: older ones know fewer.
func parseStatus(data []byte) Status {
	var f [statusLen / 4]uint32
	for i := range f {
		if len(data) < 4*(i+1) {
			break
		}
		f[i] = binary.NativeEndian.Uint32(data[4*i:])
	}
	return Status{f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10]}
}

// set sends an audit_status in which only the field at index (in 32-bit words,
// the mask itself being 0) is meant.
func (c *Control) set(what string, mask uint32, index int, value uint32) error {
	err := c.c.do(typeSet, statusMessage(mask, index, value), false, nil)
	if err != nil {
		return fmt.Errorf("set %s to %d: %w", what, value, err)
	}
	return nil
}

func statusMessage(mask uint32, index int, value uint32) []byte {
	var b [statusLen]byte
	binary.NativeEndian.PutUint32(b[:], mask)
	binary.NativeEndian.PutUint32(b[4*index:], value)
	return b[:]
}

// TestDaemon makes the kernel try the registered daemon's socket, and drop the
// registration if nobody holds it any more. Until something is sent, the
// kernel believes in a daemon that died.
func (c *Control) TestDaemon() error {
	err := c.set("pid", maskPID, 3, 0)
	if errors.Is(err, unix.EACCES) { // alive, and only the daemon itself may unregister
		return nil
	}
	return err
}

// SetEnabled switches auditing off (0), on (1) or on and immutable (2).
func (c *Control) SetEnabled(v uint32) error { return c.set("enabled", maskEnabled, 1, v) }

// SetFailure sets what the kernel does when it must drop a record.
func (c *Control) SetFailure(v uint32) error { return c.set("failure", maskFailure, 2, v) }

// SetRateLimit limits records a second; 0 is no limit.
func (c *Control) SetRateLimit(v uint32) error { return c.set("rate_limit", maskRateLimit, 4, v) }

// SetBacklogLimit limits the records that wait for the daemon; 0 is no limit.
func (c *Control) SetBacklogLimit(v uint32) error {
	return c.set("backlog_limit", maskBacklogLimit, 5, v)
}

// SetBacklogWaitTime sets how many jiffies a process waits while the backlog is
// full; 0 means that the record is dropped and counted at once.
func (c *Control) SetBacklogWaitTime(v uint32) error {
	return c.set("backlog_wait_time", maskBacklogWaitTime, 9, v)
}

// ResetLost sets the count of lost records to zero and returns what it was.
func (c *Control) ResetLost() (uint32, error) {
	return c.reset("lost", maskLost, 6)
}

// ResetBacklogWaitTimeActual sets the time spent waiting to zero and returns
// what it was.
func (c *Control) ResetBacklogWaitTimeActual() (uint32, error) {
	return c.reset("backlog_wait_time_actual", maskBacklogWaitTimeActual, 10)
}

// reset sends a set that the kernel answers with the old value, as the error
// code of its acknowledgement (audit_receive_msg in kernel/audit.c).
func (c *Control) reset(what string, mask uint32, index int) (uint32, error) {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	c.c.seq++
	msg := appendMessage(nil, typeSet, unix.NLM_F_REQUEST|unix.NLM_F_ACK, c.c.seq, statusMessage(mask, index, 0))
	if err := unix.Sendto(c.c.fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("reset %s: %w", what, err)
	}
	for {
		typ, seq, data, err := c.c.receive()
		if err != nil {
			return 0, fmt.Errorf("reset %s: %w", what, err)
		}
		if seq != c.c.seq || typ != unix.NLMSG_ERROR || len(data) < 4 {
			continue
		}
		if v := int32(binary.NativeEndian.Uint32(data)); v < 0 {
			return 0, fmt.Errorf("reset %s: %w", what, unix.Errno(-v))
		} else {
			return uint32(v), nil
		}
	}
}

// FeatureLoginUIDImmutable is AUDIT_FEATURE_LOGINUID_IMMUTABLE as a bit.
const FeatureLoginUIDImmutable = 1 << 1

// SetFeature switches the features in mask on or off as in features, and locks
// those in lock until reboot.
func (c *Control) SetFeature(mask, features, lock uint32) error {
	var b [16]byte // struct audit_features: vers, mask, features, lock
	for i, v := range []uint32{1, mask, features, lock} {
		binary.NativeEndian.PutUint32(b[4*i:], v)
	}
	if err := c.c.do(typeSetFeature, b[:], false, nil); err != nil {
		return fmt.Errorf("set audit feature %#x: %w", mask, err)
	}
	return nil
}

// Features returns which features are on and which are locked.
func (c *Control) Features() (features, lock uint32, err error) {
	err = c.c.do(typeGetFeature, nil, false, func(data []byte) {
		if len(data) >= 16 {
			features = binary.NativeEndian.Uint32(data[8:])
			lock = binary.NativeEndian.Uint32(data[12:])
		}
	})
	if err != nil {
		return 0, 0, fmt.Errorf("get audit features: %w", err)
	}
	return features, lock, nil
}

// ListRules returns the loaded rules, each a struct audit_rule_data, in the
// kernel's order: user, task, exit, exclude, filesystem and io_uring list.
func (c *Control) ListRules() ([][]byte, error) {
	var rules [][]byte
	err := c.c.do(typeListRules, nil, true, func(data []byte) {
		rules = append(rules, append([]byte(nil), data...))
	})
	if err != nil {
		return nil, fmt.Errorf("list audit rules: %w", err)
	}
	return rules, nil
}

// AddRule loads one rule, a struct audit_rule_data.
func (c *Control) AddRule(rule []byte) error {
	if err := c.c.do(typeAddRule, rule, false, nil); err != nil {
		return fmt.Errorf("add audit rule: %w", err)
	}
	return nil
}

// DeleteRule removes the rule with the same bytes. It costs about 12 ms in the
// kernel.
func (c *Control) DeleteRule(rule []byte) error {
	if err := c.c.do(typeDelRule, rule, false, nil); err != nil {
		return fmt.Errorf("delete audit rule: %w", err)
	}
	return nil
}

// Trim makes the kernel drop the subtrees of directory rules that are no longer
// below their directory (auditctl -t).
func (c *Control) Trim() error {
	if err := c.c.do(typeTrim, nil, false, nil); err != nil {
		return fmt.Errorf("trim audit trees: %w", err)
	}
	return nil
}

// MakeEquivalent makes rules on directory from hold for what is mounted at to
// as well (auditctl -q from,to). With both the same it makes a rule effective
// again after a mount changed under it.
func (c *Control) MakeEquivalent(from, to string) error {
	b := binary.NativeEndian.AppendUint32(nil, uint32(len(from)))
	b = binary.NativeEndian.AppendUint32(b, uint32(len(to)))
	b = append(append(b, from...), to...)
	if err := c.c.do(typeMakeEquiv, b, false, nil); err != nil {
		return fmt.Errorf("make %s and %s equivalent: %w", from, to, err)
	}
	return nil
}
