package rules

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/go-libaudit/v2/auparse"
	"golang.org/x/sys/unix"
)

// A machine is an architecture as audit knows it.
type machine struct {
	name string // the table's name in auparse
	elf  uint32 // AUDIT_ARCH_*
	b32  string // name of the machine whose calls its kernel runs as b32, if any
	only uint32 // bits of the machine's own calls, 64 or 32; 0 where b32 and b64 mean the same
}

// machines are those that auditctl 3.0.9 of Debian was built for.
var machines = []machine{
	{name: "i386", elf: uint32(auparse.AUDIT_ARCH_I386), only: 32},
	{name: "x86_64", elf: uint32(auparse.AUDIT_ARCH_X86_64), b32: "i386"},
	{name: "ppc64", elf: uint32(auparse.AUDIT_ARCH_PPC64), b32: "ppc"},
	{name: "ppc", elf: uint32(auparse.AUDIT_ARCH_PPC), only: 32},
	{name: "s390x", elf: uint32(auparse.AUDIT_ARCH_S390X), b32: "s390"},
	{name: "s390", elf: uint32(auparse.AUDIT_ARCH_S390), only: 32},
	{name: "arm", elf: uint32(auparse.AUDIT_ARCH_ARM), only: 32},
	{name: "aarch64", elf: uint32(auparse.AUDIT_ARCH_AARCH64), b32: "arm"},
	{name: "ppc64le", elf: uint32(auparse.AUDIT_ARCH_PPC64LE)},
}

// machineAliases are the other names that uname and auditctl use.
var machineAliases = map[string]string{
	"i486": "i386", "i586": "i386", "i686": "i386",
	"armeb": "arm", "armv5tejl": "arm", "armv5tel": "arm", "armv6l": "arm", "armv7l": "arm",
	"armv8l": "aarch64",
}

// arch64 is __AUDIT_ARCH_64BIT.
const arch64 = 0x80000000

func machineNamed(name string) (machine, bool) {
	name = strings.ToLower(name)
	if alias, ok := machineAliases[name]; ok {
		name = alias
	}
	i := slices.IndexFunc(machines, func(m machine) bool { return m.name == name })
	if i < 0 {
		return machine{}, false
	}
	return machines[i], true
}

func machineOf(elf uint32) (machine, bool) {
	i := slices.IndexFunc(machines, func(m machine) bool { return m.elf == elf })
	if i < 0 {
		return machine{}, false
	}
	return machines[i], true
}

// Arches returns the names of the architectures that can be given as Options.Arch.
func Arches() []string {
	var names []string
	for _, m := range machines {
		names = append(names, m.name)
	}
	return names
}

// HostArch returns the running machine's architecture, as uname -m prints it.
func HostArch() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "x86_64"
	}
	return unix.ByteSliceToString(u.Machine[:])
}

// newest is the highest system call that auditctl 3.0.9 knows by name, on every
// architecture: set_mempolicy_home_node.
const newest = 450

// lateCalls are system calls that came after go-libaudit's tables, with the
// same number everywhere (scripts/syscall.tbl of Linux 6.17).
var lateCalls = map[int]string{
	463: "setxattrat", 464: "getxattrat", 465: "listxattrat", 466: "removexattrat",
	467: "open_tree_attr", 468: "file_getattr", 469: "file_setattr",
}

// callAliases are names that auditctl takes besides those it prints.
var callAliases = map[string]map[string]int{"i386": {"madvise": 219}}

var callNumbers = func() map[string]map[string]int {
	all := map[string]map[string]int{}
	for _, m := range machines {
		calls := invert(auparse.AuditSyscalls[m.name])
		maps.Copy(calls, invert(lateCalls))
		maps.Copy(calls, callAliases[m.name])
		all[m.name] = calls
	}
	return all
}()

// call returns the number of a system call on the machine.
func (m machine) call(name string) (nr int, ok bool) {
	nr, ok = callNumbers[m.name][strings.ToLower(name)]
	return nr, ok
}

// callName returns what auditctl calls a system call, or its number.
func (m machine) callName(nr int) string {
	if name, ok := auparse.AuditSyscalls[m.name][nr]; ok && nr <= newest {
		if m.name == "i386" && name == "madvise1" {
			return "madvise"
		}
		return name
	}
	return strconv.Itoa(nr)
}

// knownAnywhere reports whether a system call of this name exists on some
// architecture.
func knownAnywhere(name string) bool {
	for _, m := range machines {
		if nr, ok := m.call(name); ok && nr <= newest {
			return true
		}
	}
	return false
}

// ArchNumber returns the kernel's number (AUDIT_ARCH_*) of an architecture:
// b64 and b32 are the running machine's.
func ArchNumber(name string) (uint32, bool) {
	host, ok := machineNamed(HostArch())
	switch {
	case name == "b64" && ok:
		return host.elf, host.only != 32
	case name == "b32" && ok && host.b32 != "":
		host, ok = machineNamed(host.b32)
		return host.elf, ok
	case name == "b32" && ok:
		return host.elf, host.only == 32
	}
	m, ok := machineNamed(name)
	return m.elf, ok
}

// CallNumber returns the number of a system call on an architecture.
func CallNumber(arch uint32, name string) (int, bool) {
	m, ok := machineOf(arch)
	if !ok {
		return 0, false
	}
	return m.call(name)
}

// CallName returns the name of a system call on an architecture.
func CallName(arch uint32, nr int) (string, bool) {
	m, ok := machineOf(arch)
	if !ok {
		return "", false
	}
	name := m.callName(nr)
	return name, !startsWithDigit(name)
}
