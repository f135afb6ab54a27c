package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A MissingCapability is a right without which the daemon cannot do its work.
type MissingCapability struct{ Name, For string }

func (e *MissingCapability) Error() string {
	return fmt.Sprintf("%s is missing, which is needed to %s", e.Name, e.For)
}

// Hint says how to get the capability.
func (e *MissingCapability) Hint() string {
	return "run it as root, or as the service does: AmbientCapabilities=CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"
}

// effective returns this process's effective capabilities as a bit set.
func effective() (uint64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no CapEff")
}

// NeedRights names the first capability that is missing for reading audit
// records in the given source mode.
func NeedRights(mode string) error {
	have, err := effective()
	if err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for _, need := range []struct {
		bit   uint
		name  string
		use   string
		modes string
	}{
		{unix.CAP_AUDIT_CONTROL, "CAP_AUDIT_CONTROL", "change audit rules and register as the audit daemon", "auto unicast multicast"},
		{unix.CAP_AUDIT_READ, "CAP_AUDIT_READ", "read audit records beside another audit daemon", "auto multicast"},
	} {
		if have&(1<<need.bit) == 0 && strings.Contains(need.modes, mode) {
			return &MissingCapability{need.name, need.use}
		}
	}
	return nil
}
