package query

import "fmt"

// What the arguments of system calls mean, by the call's name. ausearch knows
// these, and prints all others in hex.
var arguments = [4]map[string]show{
	0: calls(map[string]show{
		"rt_sigaction": hexSignal, "clock_settime": clockID,
		"personality": numeral(16, personalityValue), "ptrace": oneOf(16, ptraceRequests, "unknown-ptrace(0x%[1]s)"),
		"prctl":     oneOf(16, prctlOptions, "unknown-prctl-option(0x%[1]s)"),
		"getrlimit": resourceLimit, "setrlimit": resourceLimit, "unshare": numeral(16, cloneValue),
		"setuid": hexUser, "setreuid": hexUser, "setresuid": hexUser, "setfsuid": hexUser,
		"setgid": hexGroup, "setregid": hexGroup, "setresgid": hexGroup, "setfsgid": hexGroup,
		"socket": oneOf(16, families, "unknown-family(0x%[1]s)"), "socketcall": ofSigned(16, oneOf(16, socketCalls, "unknown-socketcall(%[1]s)")),
		"exit": exitStatus, "exit_group": exitStatus, "bpf": oneOf(16, bpfCommands, "unknown-bpf-cmd(%[1]s)"),
	}, dirfd, "renameat", "renameat2", "readlinkat", "mkdirat", "mknodat", "fchownat", "futimesat", "fchmodat", "faccessat",
		"faccessat2", "unlinkat", "utimensat", "linkat", "newfstatat", "openat", "openat2", "name_to_handle_at"),
	1: calls(map[string]show{
		"fcntl": fcntlCommand, "fcntl64": fcntlCommand, "chown": hexUser, "chown32": hexUser, "mknod": numeral(16, modeValue),
		"getsockopt": numeral(16, socketLevel), "setsockopt": numeral(16, socketLevel),
		"setreuid": hexUser, "setresuid": hexUser, "setregid": hexGroup, "setresgid": hexGroup,
		"socket": numeral(16, socketType), "setns": numeral(16, cloneValue), "sched_setscheduler": numeral(16, schedulerValue),
		"mq_open": numeral(16, openValue), "open": numeral(16, openValue), "access": numeral(16, accessValue),
		"epoll_ctl": oneOf(16, epollCommands, "unknown-epoll_ctl-operation(%[2]d)"),
		"kill":      hexSignal, "tkill": hexSignal, "prctl": prctlArgument, "umount2": flags(umountFlags),
		"ioctl": oneOf(16, ioctlRequests, "0x%[3]x"),
	}, numeral(16, shortMode), "chmod", "fchmod", "creat", "mkdir"),
	2: calls(map[string]show{
		"fcntl": fcntlArgument, "fcntl64": fcntlArgument, "getsockopt": socketOption, "setsockopt": socketOption,
		"openat": numeral(16, openValue), "open_by_handle_at": numeral(16, openValue), "open": ifCreating, "mq_open": ifCreating,
		"faccessat": numeral(16, accessValue), "faccessat2": numeral(16, accessValue),
		"setresuid": hexUser, "setresgid": hexGroup, "socket": numeral(16, socketProtocol),
		"sendmsg": flags(messageFlags), "recvmsg": flags(messageFlags), "shmget": numeral(16, shmValue),
		"mmap": protection(4), "mprotect": protection(3), "lseek": numeral(16, seekValue),
		"readlinkat": dirfd, "renameat": dirfd, "renameat2": dirfd, "linkat": dirfd,
		"clone": numeral(16, cloneValue), "clone2": numeral(16, cloneValue), "tgkill": hexSignal,
	}, numeral(16, shortMode), "fchmodat", "mkdirat", "mknodat"),
	3: calls(map[string]show{
		"mmap": numeral(16, mapValue), "mount": flags(mountFlags),
	}, flags(messageFlags), "recv", "recvfrom", "recvmmsg", "send", "sendto", "sendmmsg"),
}

// calls adds the calls that share a show.
func calls(m map[string]show, s show, names ...string) map[string]show {
	for _, name := range names {
		m[name] = s
	}
	return m
}

// argument makes the show of a0 to a3.
func argument(i int) show {
	return func(b []byte, v *value) []byte {
		if v.known {
			if s := arguments[i][v.names.call(v.elf, v.nr)]; s != nil {
				return s(b, v)
			}
		}
		return inHex(b, v)
	}
}

var (
	hexUser       = numeral(16, func(b []byte, n uint64, v *value) []byte { return idName(b, v.names.User, n) })
	hexGroup      = numeral(16, func(b []byte, n uint64, v *value) []byte { return idName(b, v.names.Group, n) })
	hexSignal     = signal(16, "unknown-signal(0x%[1]s)")
	hexCapability = oneOf(16, capabilities, "unknown-capability(0x%[1]s)")
	clockID       = oneOf(16, clocks, "unknown-clk_id(0x%[1]s)")
	resourceLimit = oneOf(16, resourceLimits, "unknown-rlimit(0x%[1]s)")
	fcntlCommand  = oneOf(16, fcntlCommands, "unknown-fcntl-command(%[2]d)")
	dirfd         = numeral(16, dirfdValue)
)

func dirfdValue(b []byte, n uint64, v *value) []byte {
	if int32(n) == -100 {
		return append(b, "AT_FDCWD"...)
	}
	return inHex(b, v)
}

func exitStatus(b []byte, v *value) []byte {
	switch string(v.raw) {
	case "0":
		return append(b, "EXIT_SUCCESS"...)
	case "1":
		return append(b, "EXIT_FAILURE"...)
	}
	return append(b, "UNKNOWN"...)
}

func cloneValue(b []byte, n uint64, v *value) []byte {
	b, some := bitNames(b, cloneFlags, n, '|', false)
	if name, ok := v.signalName(int32(n & 0xff)); ok && n&0xff != 0 {
		if some {
			b = append(b, '|')
		}
		b, some = append(b, name...), true
	}
	if !some {
		return fmt.Appendf(b, "0x%x", uint32(n))
	}
	return b
}

func socketType(b []byte, n uint64, v *value) []byte {
	return nameIn(b, socketTypes, int32(n&0xff), v, "unknown-type(%[1]s)")
}

func socketProtocol(b []byte, n uint64, v *value) []byte {
	if v.names.Protocol != nil {
		if name, ok := v.names.Protocol(int(int32(n))); ok {
			return append(b, name...)
		}
	}
	return fmt.Appendf(b, "unknown-proto(%s)", v.raw)
}

func socketLevel(b []byte, n uint64, v *value) []byte {
	if uint32(n) == 1 {
		return append(b, "SOL_SOCKET"...)
	}
	if v.names.Protocol != nil {
		if name, ok := v.names.Protocol(int(int32(n))); ok {
			return append(b, name...)
		}
	}
	return nameIn(b, socketLevels, int32(n), v, "unknown-sockopt-level(0x%[1]s)")
}

// socketOption appends an option of the level that the second argument is.
func socketOption(b []byte, v *value) []byte {
	for _, level := range []struct {
		number  uint64
		options table
		word    string
	}{
		{0, ipOptions, "ipopt"},
		{1, socketOptions, "sockopt"},
		{6, tcpOptions, "tcpopt"},
		{17, udpOptions, "udpopt"},
		{41, ip6Options, "ip6opt"},
		{263, packetOptions, "pktopt"},
	} {
		if v.a1 == level.number {
			return oneOf(16, level.options, "unknown-"+level.word+"-name(0x%[1]s)")(b, v)
		}
	}
	return inHex(b, v)
}

func schedulerValue(b []byte, n uint64, v *value) []byte {
	name, ok := schedulers[int32(n&15)]
	if !ok {
		return fmt.Appendf(b, "unknown-scheduler-policy(0x%s)", v.raw)
	}
	b = append(b, name...)
	if n&0x40000000 != 0 {
		b = append(b, "|SCHED_RESET_ON_FORK"...)
	}
	return b
}

func accessValue(b []byte, n uint64, v *value) []byte {
	if n&15 == 0 {
		return append(b, "F_OK"...)
	}
	return bitsOr(b, accessModes, n, v, false)
}

func prctlArgument(b []byte, v *value) []byte {
	switch v.a0 {
	case 23, 24: // PR_CAPBSET_READ, PR_CAPBSET_DROP
		return hexCapability(b, v)
	case 1: // PR_SET_PDEATHSIG
		return hexSignal(b, v)
	}
	return inHex(b, v)
}

func fcntlArgument(b []byte, v *value) []byte {
	n, ok := cNumber(v.raw, 16)
	switch {
	case ok && v.a1 == 8: // F_SETOWN
		return hexUser(b, v)
	case ok && v.a1 == 2 && int32(n) == 1: // F_SETFD
		return append(b, "FD_CLOEXEC"...)
	case !ok:
		return fmt.Appendf(b, "conversion error(%s)", v.raw)
	}
	return inHex(b, v)
}

// ifCreating appends the mode of a file that is made if it does not exist.
func ifCreating(b []byte, v *value) []byte {
	if v.a1&0o100 != 0 {
		return numeral(16, shortMode)(b, v)
	}
	return inHex(b, v)
}

func shmValue(b []byte, n uint64, v *value) []byte {
	b, some := bitNames(b, ipcFlags, n, '|', false)
	if b, some = bitNames(b, shmFlags, n, '|', some); some {
		b = append(b, '|')
	}
	return shortMode(b, n&0o777, v)
}

func protection(known int) show {
	return numeral(16, func(b []byte, n uint64, v *value) []byte {
		if n&7 == 0 {
			return append(b, "PROT_NONE"...)
		}
		return bitsOr(b, protections[:known], n, v, false)
	})
}

func seekValue(b []byte, n uint64, v *value) []byte {
	return nameIn(b, seekFrom, int32(n&0xff), v, "unknown-whence(%[1]s)")
}
