package query

import (
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// actions are what happened, by the type of the record that tells it.
var actions = map[event.Type]string{
	1005: "sent-message", typeLogin: "changed-login-id-to", 1100: "authenticated", 1101: "was-authorized",
	1102: "modified-user-account", 1103: "acquired-credentials", 1104: "disposed-credentials", 1105: "started-session",
	1106: "ended-session", typeUserAVC: "accessed-mac-policy-controlled-object", 1108: "changed-password",
	1109: "caused-account-error", 1110: "refreshed-credentials", 1111: "changed-configuration", typeUserLogin: "logged-in",
	1113: "logged-out", 1114: "added-user-account", 1115: "deleted-user-account", typeGroupAdd: "added-group-account-to",
	typeGroupDel: "deleted-group-account-from", 1118: "access-result", 1119: "changed-group", 1120: "sent-test",
	typeTrustedApp: "unknown", 1122: "access-error", 1123: "ran-command", typeUserTTY: "typed", 1125: "changed-user-id",
	1126: "authenticated-to-group", typeSystemBoot: "booted-system", typeSystemDown: "shutdown-system",
	1129: "changed-to-runlevel", 1130: "started-service", 1131: "stopped-service", typeGroupMgmt: "modified-group-account",
	1133: "changed-group-password", 1134: "mac-permission", 1135: "locked-account", 1136: "unlocked-account",
	typeUserDevice: "configured-device", typeSoftware: "installed-software",
	typeDaemonStart: "started-audit", 1201: "shutdown-audit", typeDaemonAbort: "aborted-auditd-startup",
	1203: "changed-auditd-configuration", 1204: "reconfigured-auditd", 1205: "rotated-audit-logs", 1206: "resumed-audit-logging",
	typeDaemonAccept: "remote-audit-connected", 1208: "remote-audit-disconnected", 1209: "audit-error",
	typeConfig: "changed-audit-configuration", typeTTY: "typed", typeSeccomp: "called-seccomp-controlled-syscall",
	typeFeature: "changed-audit-feature", typeKernModule: "loaded-kernel-module", typeFanotify: "accessed-policy-controlled-file",
	typeAVC: "accessed-mac-policy-controlled-object", typeMACPolicyLoad: "loaded-selinux-policy",
	typeMACStatus: "changed-selinux-enforcement-to", typeMACConfig: "changed-selinux-boolean",
	typeMACMapAdd: "added-mac-network-domain-mapping-to", typeMACMapDel: "deleted-mac-network-domain-mapping-from",
	typePromisc: "changed-socket-promiscuous-mode", typeAbend: "crashed-program", typeAnomLink: "used-suspcious-link",
	1703: "created-suspicious-file", typeKernel: "initialized-audit-subsystem", 2100: "failed-log-in-too-many-times-to",
	2101: "attempted-log-in-during-unusual-hour-to", 2102: "opened-too-many-sessions-to",
	2104: "attempted-log-in-from-unusual-place-to", 2109: "tested-file-system-integrity-of",
	typeAnomExec: "attempted-execution-of-forbidden-program", 2300: "changed-role-to", 2301: "assigned-user-role-to",
	2302: "removed-use-role-from", 2303: "overrode-label-of", 2304: "modified-level-of", 2309: "relabeled-filesystem",
	2310: "loaded-mac-policy", 2311: "modified-role", 2312: "changed-mac-configuration", 2313: "changed-selinux-enforcement-to",
	2402: "crypto-officer-logged-in", 2403: "crypto-officer-logged-out", typeCryptoKey: "negotiated-crypto-key",
	2407: "started-crypto-session", 2500: "issued-vm-control", 2501: "assigned-vm-resource", 2502: "assigned-vm-id",
	2503: "checked-integrity-of", 2504: "created-vm-image", 2505: "deleted-vm-image", 2506: "migrated-vm-from", 2507: "migrated-vm-to",
}

// A simpleObject is the field that a record of one type is about, and its kind.
type simpleObject struct{ field, kind string }

var simpleObjects = func() map[event.Type]simpleObject {
	m := map[event.Type]simpleObject{
		1130: {"unit", "service"}, 1131: {"unit", "service"}, 1129: {"new-level", "system"}, 2300: {"selected-context", "user-session"},
		typeAnomExec: {"cmd", "process"}, 1123: {"cmd", "process"}, typeUserTTY: {"data", "keystrokes"}, typeTTY: {"data", "keystrokes"},
		typeUserDevice: {"device", "keystrokes"}, typeSoftware: {"sw", "software"}, 2500: {"op", "virtual-machine"},
		2501: {"resrc", "virtual-machine"}, 2502: {"vm", "virtual-machine"}, 2304: {"printer", "printer"},
		typeMACConfig: {"bool", "mac-config"}, typeMACStatus: {"enforcing", "mac-config"}, 1005: {"addr", ""},
		1111: {"op", "system"}, typeCryptoKey: {"fp", "user-session"}, 2407: {"addr", "user-session"}, 2109: {"hostname", "file-system"},
	}
	for o, types := range map[simpleObject][]event.Type{
		{"id", "account"}:            {2301, 2302, 1102, 1135, 1136, 1114, 1115, typeGroupAdd, typeGroupDel, typeGroupMgmt},
		{"terminal", "user-session"}: {1105, 1106, 1109, typeUserLogin, 1113},
		{"acct", "user-session"}:     {1100, 1101, 1103, 1110, 1104, 1108, 1133, 2100, 2101, 2102, 2104},
		{"", "mac-config"}:           {typeMACPolicyLoad, 2303, 2307, 2308, 2309, 2310, 2311, 2312},
	} {
		for _, t := range types {
			m[t] = o
		}
	}
	return m
}()

// eventKind is ausearch's word for what a record's type is about.
func eventKind(t event.Type) string {
	for _, k := range eventKinds {
		if t >= k.first && t <= k.last {
			return k.kind
		}
	}
	return "unknown"
}

var eventKinds = []struct {
	first, last event.Type
	kind        string
}{
	{typeLogin, typeLogin, "user-login"},
	{1100, 1101, "user-login"},
	{1103, 1106, "user-login"},
	{1108, 1110, "user-login"},
	{typeUserLogin, 1113, "user-login"},
	{1126, 1126, "group-change"},
	{1119, 1119, "group-change"},
	{1102, 1102, "user-account"},
	{1114, typeGroupDel, "user-account"},
	{typeGroupMgmt, 1133, "user-account"},
	{1135, 1136, "user-account"},
	{typeKernel, typeKernel, "system-services"},
	{typeSystemBoot, 1131, "system-services"},
	{1111, 1111, "configuration"},
	{typeConfig, typeConfig, "configuration"},
	{typeNetfilter, typeNetfilter, "configuration"},
	{typeFeature, typeFeature, "configuration"},
	{typeInjectOffset, typeAdjustNTP, "configuration"},
	{typeUserDevice, typeSoftware, "configuration"},
	{typeSeccomp, typeSeccomp, "dac-decision"},
	{1120, typeTrustedApp, "user-space"},
	{1123, 1123, "user-space"},
	{1125, 1125, "user-space"},
	{typeUserTTY, typeUserTTY, "TTY"},
	{typeTTY, typeTTY, "TTY"},
	{typeListener, typeListener, "audit-daemon"},
	{1200, 1299, "audit-daemon"},
	{1122, 1122, "mac-decision"},
	{typeUserAVC, typeUserAVC, "mac-decision"},
	{1502, 1503, "mac-decision"},
	{1506, 1506, "mac-decision"},
	{typeAVC, typeAVCPath, "mac-decision"},
	{1800, 1899, "integrity"},
	{2109, 2109, "integrity"},
	{1700, 1799, "anomaly"},
	{2100, 2108, "anomaly"},
	{2110, 2199, "anomaly"},
	{2200, 2299, "anomaly-response"},
	{typeMACPolicyLoad, 1501, "mac"},
	{1504, 1505, "mac"},
	{2300, 2399, "mac"},
	{1600, 1699, "crypto"},
	{2400, 2499, "crypto"},
	{2500, 2599, "virt"},
	{typeSyscall, 1304, "audit-rule"},
	{typeSockaddr, 1315, "audit-rule"},
	{1317, typeObjPID, "audit-rule"},
	{1321, typePacket, "audit-rule"},
	{typeFanotify, typeFanotify, "av-decision"},
	{typeBPF, typeBPF, "bpf-program"},
}

// recordDeeds are what records beside a call's say that was done.
var recordDeeds = map[event.Type]string{
	typeAVC: "avc", typeSELinuxErr: "selinux error", typeNetfilter: "firewall", typePromisc: "promiscuous",
	typeKernModule: "load", typeMACPolicyLoad: "policy", typeMACStatus: "enforce", typeMACConfig: "boolean",
	typeFanotify: "fanotify", typeInjectOffset: "clock", typeAdjustNTP: "clock", typeBPF: "bpf", typeListener: "listen",
}

// deeds are what calls do.
var deeds = func() map[string]string {
	m := map[string]string{}
	for deed, calls := range map[string]string{
		"stat":     "access faccessat faccessat2 newfstatat stat fstat lstat stat64 statx",
		"chmod":    "chmod fchmod fchmodat",
		"chown":    "chown fchown fchownat lchown",
		"load":     "finit_module init_module",
		"unload":   "delete_module",
		"chattr":   "setxattr fsetxattr lsetxattr removexattr fremovexattr lremovexattr",
		"mkdir":    "mkdir mkdirat",
		"mount":    "mount move_mount fsmount fspick",
		"statfs":   "statfs fstatfs",
		"open":     "creat fallocate truncate ftruncate memfd_create open openat openat2 readlink readlinkat",
		"rename":   "rename renameat renameat2",
		"delete":   "rmdir unlink unlinkat",
		"symlink":  "symlink symlinkat",
		"umount":   "umount umount2",
		"utime":    "utime utimes futimesat utimensat",
		"exec":     "execve execveat",
		"accept":   "accept accept4",
		"bind":     "bind",
		"connect":  "connect",
		"receive":  "recvfrom recvmsg",
		"send":     "sendmsg sendto",
		"kill":     "kill tkill tgkill",
		"identity": "setuid seteuid setfsuid setreuid setresuid setgid setegid setfsgid setregid setresgid",
		"clock":    "settimeofday clock_settime stime adjtimex",
		"mknod":    "mknod mknodat",
		"hostname": "sethostname setdomainname",
		"memory":   "mmap brk",
		"schedule": "sched_setparam sched_setscheduler sched_setattr",
	} {
		for call := range strings.FieldsSeq(calls) {
			m[call] = deed
		}
	}
	return m
}()
