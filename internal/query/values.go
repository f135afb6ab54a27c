package query

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// An Interpreter knows names for numbers.
type Interpreter struct {
	User, Group NameFile
	Arch        func(elf uint32) string
	Call        func(elf uint32, nr int) (string, bool)
	Errno       func(errno int) (name, text string) // no name: nobody knows it
	Protocol    func(number int) (string, bool)     // of /etc/protocols
	Native      uint32                              // this machine's architecture
}

func (in *Interpreter) call(elf uint32, nr int) string {
	if in.Call == nil || nr < 0 {
		return ""
	}
	name, ok := in.Call(elf, nr)
	if !ok {
		return ""
	}
	return name
}

// A meaning says what a field's value means.
type meaning uint8

const (
	asIs meaning = iota
	asLabel
	asUser
	asGroup
	asCall
	asArch
	asExit
	asText
	asFile
	asKey
	asTitle
	asPerm
	asMode
	asShortMode
	asSockaddr
	asLookup
	asPromisc
	asCapability
	asCapabilities
	asSuccess
	asA0
	asA1
	asA2
	asA3
	asSignal
	asList
	asKeystrokes
	asSession
	asNetfilterProtocol
	asIcmpType
	asProtocol
	asAddress
	asPersonality
	asSeccomp
	asOpen
	asMap
	asHook
	asNetfilterAction
	asEthernet
	asIoctl
	asAnswer
	asMulticast
	asResolve
)

// meanings are what fields mean by their name alone.
var meanings = func() map[string]meaning {
	m := map[string]meaning{
		"syscall": asCall, "arch": asArch, "exit": asExit, "name": asFile, "key": asKey, "proctitle": asTitle,
		"perm": asPerm, "perm_mask": asPerm, "mode": asMode, "saddr": asSockaddr, "prom": asPromisc, "old_prom": asPromisc,
		"capability": asCapability, "res": asSuccess, "result": asSuccess, "a0": asA0, "a1": asA1, "a2": asA2, "a3": asA3,
		"sig": asSignal, "sigev_signo": asSignal, "list": asList, "data": asKeystrokes, "ses": asSession,
		"family": asNetfilterProtocol, "icmptype": asIcmpType, "proto": asProtocol, "addr": asAddress, "per": asPersonality,
		"code": asSeccomp, "oflag": asOpen, "flags": asMap, "hook": asHook, "action": asNetfilterAction, "macproto": asEthernet,
		"ioctlcmd": asIoctl, "resp": asAnswer, "nl-mcgrp": asMulticast, "resolve": asResolve,
	}
	for k, names := range map[meaning][]string{
		asUser:  {"auid", "uid", "euid", "suid", "fsuid", "ouid", "oauid", "old-auid", "iuid", "id", "inode_uid", "sauid", "obj_uid"},
		asGroup: {"obj_gid", "gid", "egid", "sgid", "fsgid", "ogid", "igid", "inode_gid", "new_gid"},
		asText: {
			"path", "comm", "exe", "file", "watch", "cwd", "cmd", "dir", "vm", "device", "cgroup", "ocomm", "grp", "new_group",
			"invalid_context", "sw", "root_dir", "old-chardev", "new-chardev", "old-disk", "new-disk", "old-fs", "new-fs",
			"old-net", "new-net", "old-rng", "new-rng", "apparmor", "operation", "denied_mask", "info", "profile", "requested_mask",
		},
		asCapabilities: {
			"cap_pi", "cap_pe", "cap_pp", "cap_pa", "cap_fi", "cap_fp", "fp", "fi", "old_pp", "old_pi", "old_pe", "old_pa",
			"new_pp", "new_pi", "new_pe", "pp", "pi", "pe", "pa",
		},
		asLabel: {"subj", "obj", "scontext", "tcontext", "vm-ctx", "img-ctx"},
	} {
		for _, name := range names {
			m[name] = k
		}
	}
	return m
}()

// Record types in which a field's name means something else.
const (
	typeTrustedApp event.Type = 1121
	typeUserTTY    event.Type = 1124
	typeExecve     event.Type = 1309
	typeMQOpen     event.Type = 1312
	typeKernModule event.Type = 1330
	typeCryptoKey  event.Type = 2404
)

// meaningOf is what a field of a record means.
func meaningOf(t event.Type, name string, val []byte) meaning {
	switch {
	case t == typeExecve && strings.HasPrefix(name, "a") && name != "argc" && !bytes.Contains([]byte(name), []byte("_len")),
		t == typeUserTTY && name == "msg",
		t == typeKernModule && name == "name":
		return asText
	case t == typeAVC && name == "saddr", t == typeCryptoKey && name == "fp":
		return asIs
	case t == typePacket && name == "saddr":
		return asAddress
	case name == "acct":
		return quotedOrHex(val)
	case t == typePath && name == "flags":
		return asLookup
	case t == typeMQOpen && name == "mode":
		return asShortMode
	case name == "id" && (t == typeGroupAdd || t == typeGroupDel || t == typeGroupMgmt):
		return asGroup
	case t == typeTrustedApp && !isDigits(val):
		return quotedOrHex(val)
	case t == typeTrustedApp:
		return asIs
	}
	return meanings[name]
}

func quotedOrHex(val []byte) meaning {
	if len(val) > 0 && val[0] == '"' {
		return asText
	}
	for _, c := range val {
		if !isHex(c) {
			return asIs
		}
	}
	return asText
}

func isDigits(val []byte) bool {
	for _, c := range val {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// A value is a field's, with what is known of the record that it stands in.
type value struct {
	names  *Interpreter
	compat bool
	raw    []byte

	elf    uint32 // the architecture, if known is set
	known  bool
	nr     int // number of the system call
	a0, a1 uint64
	cwd    []byte // if it is known, names of files are made absolute with it
}

// A show appends what a value means.
type show func(b []byte, v *value) []byte

// shows are the meanings'; asIs has none.
var shows = [...]show{
	asLabel:             plainValue,
	asUser:              numeral(10, func(b []byte, n uint64, v *value) []byte { return idName(b, v.names.User, n) }),
	asGroup:             numeral(10, func(b []byte, n uint64, v *value) []byte { return idName(b, v.names.Group, n) }),
	asCall:              callValue,
	asArch:              archValue,
	asExit:              exitValue,
	asText:              textValue,
	asFile:              fileValue,
	asKey:               textValue,
	asTitle:             titleValue,
	asPerm:              ofSigned(10, numeral(10, permValue)),
	asMode:              numeral(8, modeValue),
	asShortMode:         numeral(8, shortMode),
	asSockaddr:          sockaddrValue,
	asLookup:            numeral(16, lookupValue),
	asPromisc:           ofSigned(10, numeral(10, promiscValue)),
	asCapability:        oneOf(10, capabilities, "unknown-capability(%[1]s)"),
	asCapabilities:      numeral(16, capabilitiesValue),
	asSuccess:           successValue,
	asA0:                argument(0),
	asA1:                argument(1),
	asA2:                argument(2),
	asA3:                argument(3),
	asSignal:            signal(10, "unknown-signal(%[1]s)"),
	asList:              oneOf(10, ruleLists, "unknown-list(%[1]s)"),
	asKeystrokes:        keystrokesValue,
	asSession:           sessionValue,
	asNetfilterProtocol: oneOf(10, netfilterProtocols, "unknown-netfilter-protocol(%[1]s)"),
	asIcmpType:          oneOf(10, icmpTypes, "unknown-icmp-type(%[1]s)"),
	asProtocol:          numeral(10, protocolValue),
	asAddress:           plainValue,
	asPersonality:       numeral(16, personalityValue),
	asSeccomp:           numeral(16, seccompValue),
	asOpen:              numeral(16, openValue),
	asMap:               numeral(16, mapValue),
	asHook:              oneOf(16, netfilterHooks, "unknown-hook(%[1]s)"),
	asNetfilterAction:   oneOf(16, netfilterActions, "unknown-action(%[1]s)"),
	asEthernet:          numeral(16, ethernetValue),
	asIoctl:             oneOf(16, ioctlRequests, "0x%[3]x"),
	asAnswer:            answerValue,
	asMulticast:         numeral(16, multicastValue),
	asResolve:           numeral(16, resolveValue),
}

// append appends what the value means as k.
func (v *value) append(b []byte, k meaning) []byte {
	if k == asIs {
		return append(b, v.raw...)
	}
	return shows[k](b, v)
}

// cNumber reads a number as C's strtoul does: as much as there is of one. It
// returns false for one that is too large.
func cNumber(b []byte, base int) (uint64, bool) {
	b = bytes.TrimLeft(b, " \t\n\v\f\r")
	minus := len(b) > 0 && b[0] == '-'
	if len(b) > 0 && (minus || b[0] == '+') {
		b = b[1:]
	}
	if base == 16 && len(b) > 2 && b[0] == '0' && b[1]|0x20 == 'x' && isHex(b[2]) {
		b = b[2:]
	}
	end := 0
	for end < len(b) && isHex(b[end]) && int(digit(b[end])) < base {
		end++
	}
	if end == 0 {
		return 0, true
	}
	n, err := strconv.ParseUint(string(b[:end]), base, 64)
	if minus {
		n = -n
	}
	return n, err == nil
}

// numeral makes a show for numbers.
func numeral(base int, with func(b []byte, n uint64, v *value) []byte) show {
	return func(b []byte, v *value) []byte {
		n, ok := cNumber(v.raw, base)
		if !ok {
			return fmt.Appendf(b, "conversion error(%s)", v.raw)
		}
		return with(b, n, v)
	}
}

// ofSigned makes a show of numbers one that takes none above half of 64 bits.
func ofSigned(base int, with show) show {
	return func(b []byte, v *value) []byte {
		if n, ok := cNumber(v.raw, base); !ok || n > math.MaxInt64 && v.raw[0] != '-' {
			return fmt.Appendf(b, "conversion error(%s)", v.raw)
		}
		return with(b, v)
	}
}

// oneOf makes a show for numbers that have names. What others are called is
// made of the text, which may have the value as %[1]s and the number as %[2]d,
// or %[3]x.
func oneOf(base int, t table, other string) show {
	return numeral(base, func(b []byte, n uint64, v *value) []byte {
		return nameIn(b, t, int32(n), v, other)
	})
}

func nameIn(b []byte, t table, n int32, v *value, other string) []byte {
	if name, ok := t[n]; ok {
		return append(b, name...)
	}
	return fmt.Appendf(b, other, v.raw, n, uint32(n))
}

// bitNames appends the names of the flags that are set, and returns whether
// there are any, or were any before.
func bitNames(b []byte, flags []flag, n uint64, sep byte, some bool) ([]byte, bool) {
	for _, f := range flags {
		if uint32(n)&f.bits != 0 {
			if some {
				b = append(b, sep)
			}
			b, some = append(b, f.name...), true
		}
	}
	return b, some
}

// bitsOr appends the names of the flags that are set, after those already
// there, and the value in hex if there is nothing.
func bitsOr(b []byte, flags []flag, n uint64, v *value, some bool) []byte {
	b, some = bitNames(b, flags, n, '|', some)
	if !some {
		return inHex(b, v)
	}
	return b
}

func flags(names []flag) show {
	return numeral(16, func(b []byte, n uint64, v *value) []byte { return bitsOr(b, names, n, v, false) })
}

func plainValue(b []byte, v *value) []byte { return append(b, v.raw...) }

func inHex(b []byte, v *value) []byte { return append(append(b, "0x"...), v.raw...) }

func idName(b []byte, names NameFile, n uint64) []byte {
	switch id := uint32(n); {
	case id == math.MaxUint32:
		return append(b, "unset"...)
	case id == 0:
		return append(b, "root"...)
	default:
		if name := names.UserName(id); name != "" {
			return append(b, name...)
		}
		return fmt.Appendf(b, "unknown(%d)", int32(id))
	}
}

func callValue(b []byte, v *value) []byte {
	elf := v.elf
	if !v.known {
		elf = v.names.Native
	}
	name := v.names.call(elf, v.nr)
	if name == "" {
		return fmt.Appendf(b, "unknown-syscall(%d)", v.nr)
	}
	b = append(b, name...)
	sub := ""
	if a0 := int32(v.a0); uint64(int64(a0)) == v.a0 {
		switch name {
		case "socketcall":
			sub = socketCalls[a0]
		case "ipc":
			sub = ipcCalls[a0]
		}
	}
	if sub != "" {
		b = append(append(append(b, '('), sub...), ')')
	}
	return b
}

func archValue(b []byte, v *value) []byte {
	n, ok := cNumber(v.raw, 16)
	if name, known := machines[uint32(n)]; ok && known {
		return append(b, name...)
	}
	return fmt.Appendf(b, "unknown-elf-type(%s)", v.raw)
}

func exitValue(b []byte, v *value) []byte {
	n := signed(v.raw)
	if n >= 0 || v.names.Errno == nil {
		return append(b, v.raw...)
	}
	errno := int32(-n)
	name, text := v.names.Errno(int(errno))
	switch {
	case errno == 0: // of a number too large
		name, text = "(null)", "Success"
	case name == "":
		name, text = "(null)", fmt.Sprintf("Unknown error %d", errno)
	}
	return fmt.Appendf(b, "%s(%s)", name, text)
}

// textValue appends a name that is quoted, or hex.
func textValue(b []byte, v *value) []byte { return append(b, unquote(v.raw)...) }

func unquote(val []byte) []byte {
	hex := val
	switch {
	case len(val) > 0 && val[0] == '"':
		i := bytes.IndexByte(val[1:], '"')
		if i < 0 {
			return []byte(" ")
		}
		return val[1 : 1+i]
	case bytes.HasPrefix(val, []byte("00")): // an abstract socket's
		hex = val[2:]
	}
	if text := unescape(hex); text != nil {
		return text
	}
	return val
}

// fileValue appends a file's name, made absolute where that is known how. It
// resolves .. by the text alone.
func fileValue(b []byte, v *value) []byte {
	name := unquote(v.raw)
	switch {
	case v.cwd == nil, len(name) > 0 && name[0] == '/' && !bytes.Contains(name, []byte("..")):
		return append(b, name...)
	case len(name) == 0 || name[0] != '/':
		name = append(append(append([]byte(nil), unquote(v.cwd)...), '/'), name...)
		if name[0] == '.' {
			return append(b, name...)
		}
	}
	return appendCleaned(b, name)
}

// appendCleaned appends a path without its //, /./ and .. .
func appendCleaned(b, path []byte) []byte {
	start := len(b)
	end := start // .. at the end takes nothing away, as ausearch has it
	for part := range bytes.SplitSeq(bytes.TrimRight(path, "/"), []byte("/")) {
		switch string(part) {
		case "", ".":
		case "..":
			b = b[:max(start, start+bytes.LastIndexByte(b[start:], '/'))]
		default:
			b = append(append(b, '/'), part...)
			end = len(b)
		}
	}
	return b[:end]
}

// titleValue appends a command line, whose arguments NULs keep apart.
func titleValue(b []byte, v *value) []byte {
	if len(v.raw) == 0 || !isHex(v.raw[0]) || len(v.raw) < 4 {
		return textValue(b, v)
	}
	text := decodeHex(v.raw)
	if text == nil {
		return textValue(b, v)
	}
	return append(b, bytes.ReplaceAll(text, []byte{0}, []byte{' '})...)
}

func permValue(b []byte, n uint64, _ *value) []byte {
	if uint32(n) == 0 { // the kernel takes nothing for everything
		n = 15
	}
	b, _ = bitNames(b, permissions, n, ',', false)
	return b
}

func modeValue(b []byte, n uint64, _ *value) []byte {
	mode := uint32(n)
	if name, ok := fileTypes[mode&0o170000]; ok {
		b = append(b, name...)
	} else {
		b = fmt.Appendf(b, "%03o", mode>>12&15)
	}
	b, _ = bitNames(b, specialModes, n, ',', true)
	return fmt.Appendf(b, ",%03o", mode&0o777)
}

var specialModes = []flag{{0o4000, "suid"}, {0o2000, "sgid"}, {0o1000, "sticky"}}

func shortMode(b []byte, n uint64, _ *value) []byte {
	b, some := bitNames(b, specialModes, n, ',', false)
	if some {
		b = append(b, ',')
	}
	return fmt.Appendf(b, "0%03o", n&0o777)
}

func lookupValue(b []byte, n uint64, v *value) []byte {
	if uint32(n) == 0 {
		return append(b, "none"...)
	}
	b, some := bitNames(b, lookupFlags, n, ',', false)
	if !some {
		return inHex(b, v)
	}
	return b
}

func promiscValue(b []byte, n uint64, _ *value) []byte {
	if uint32(n) == 0 {
		return append(b, "no"...)
	}
	return append(b, "yes"...)
}

func capabilitiesValue(b []byte, n uint64, _ *value) []byte {
	some := false
	for i := range int32(len(capabilities)) {
		if n>>i&1 != 0 {
			if some {
				b = append(b, ',')
			}
			b, some = append(b, capabilities[i]...), true
		}
	}
	if !some {
		return append(b, "none"...)
	}
	return b
}

func successValue(b []byte, v *value) []byte {
	if len(v.raw) == 0 || v.raw[0]-'0' > 9 {
		return append(b, v.raw...)
	}
	return numeral(10, func(b []byte, n uint64, _ *value) []byte {
		switch uint32(n) {
		case 0:
			return append(b, "no"...)
		case 1:
			return append(b, "yes"...)
		}
		return append(b, "unset"...)
	})(b, v)
}

func answerValue(b []byte, v *value) []byte {
	if len(v.raw) == 0 || v.raw[0]-'0' > 9 {
		return append(b, v.raw...)
	}
	return oneOf(10, answers, "unknown%.0[1]s")(b, v)
}

func signal(base int, other string) show {
	return numeral(base, func(b []byte, n uint64, v *value) []byte {
		if name, ok := v.signalName(int32(n)); ok {
			return append(b, name...)
		}
		return fmt.Appendf(b, other, v.raw)
	})
}

func (v *value) signalName(n int32) (string, bool) {
	if v.compat && n == 30 {
		return "IGPWR", true // so it stands in ausearch's table
	}
	name, ok := signals[n]
	return name, ok
}

func sessionValue(b []byte, v *value) []byte {
	if string(v.raw) == "4294967295" {
		return append(b, "unset"...)
	}
	return append(b, v.raw...)
}

func protocolValue(b []byte, n uint64, v *value) []byte {
	if v.names.Protocol != nil {
		if name, ok := v.names.Protocol(int(int32(n))); ok {
			return append(b, name...)
		}
	}
	return append(b, "undefined protocol"...)
}

func personalityValue(b []byte, n uint64, v *value) []byte {
	name, ok := personalities[int32(n&0xff)]
	if !ok {
		return fmt.Appendf(b, "unknown-personality(0x%s)", v.raw)
	}
	b = append(b, name...)
	if n&0x40000 != 0 {
		b = append(b, "|~ADDR_NO_RANDOMIZE"...)
	}
	return b
}

func seccompValue(b []byte, n uint64, v *value) []byte {
	return nameIn(b, seccompActions, int32(n&0x7fff0000), v, "unknown-seccomp-code(%[1]s)")
}

func openValue(b []byte, n uint64, v *value) []byte {
	readOnly := n&3 == 0
	if readOnly {
		b = append(b, "O_RDONLY"...)
	}
	return bitsOr(b, openFlags, n, v, readOnly)
}

func mapValue(b []byte, n uint64, v *value) []byte {
	file := n&15 == 0
	if file {
		b = append(b, "MAP_FILE"...)
	}
	return bitsOr(b, mapFlags, n, v, file)
}

func ethernetValue(b []byte, n uint64, _ *value) []byte {
	switch uint32(n) {
	case 0x0800:
		return append(b, "IP"...)
	case 0x0806:
		return append(b, "ARP"...)
	}
	return append(b, "UNKNOWN"...)
}

func multicastValue(b []byte, n uint64, _ *value) []byte {
	if n == 1 {
		return append(b, "audit-netlink-multicast"...)
	}
	return append(b, "audit-none"...)
}

func resolveValue(b []byte, n uint64, v *value) []byte { return bitsOr(b, resolveFlags, n, v, false) }

// sockaddrValue appends an address as the kernel's struct sockaddr has it.
func sockaddrValue(b []byte, v *value) []byte {
	size := len(v.raw) / 2
	addr := decodeHex(v.raw)
	if len(v.raw) > 0 && v.raw[0] == '(' {
		addr = unescape(v.raw)
	}
	if addr == nil {
		return fmt.Appendf(b, "malformed-host(%s)", v.raw)
	}
	addr = append(addr, make([]byte, 128)...) // what is missing is zero
	family := binary.LittleEndian.Uint16(addr)
	name, ok := families[int32(family)]
	if !ok {
		return fmt.Appendf(b, "unknown-family(%d)", family)
	}
	b = append(append(b, "{ saddr_fam="...), name...)
	switch name {
	case "local":
		if size < 4 {
			return append(b, " sockaddr len too short }"...)
		}
		path := addr[2:]
		if path[0] == 0 {
			path = path[1:]
		}
		path = cString(path)
		return fmt.Appendf(b, " path=%s }", path[:min(len(path), 108)])
	case "inet":
		if size < 16 {
			return append(b, " sockaddr len too short }"...)
		}
		return fmt.Appendf(b, " laddr=%s lport=%d }", netip.AddrFrom4([4]byte(addr[4:])), binary.BigEndian.Uint16(addr[2:]))
	case "inet6":
		if size < 28 {
			return append(b, " sockaddr6 len too short }"...)
		}
		return fmt.Appendf(b, " laddr=%s lport=%d }", inet6(addr), binary.BigEndian.Uint16(addr[2:]))
	case "ax25":
		call := cString(addr[2:9])
		if b = fmt.Appendf(b, " call=%s", call); len(call) == 7 {
			b = append(b, " }"...)
		}
		return b
	case "atmpvc":
		return fmt.Appendf(b, " int=%d }", int16(binary.LittleEndian.Uint16(addr[4:])))
	case "x25":
		return fmt.Appendf(b, " laddr=%s }", cString(addr[2:17]))
	case "netlink":
		if size < 12 {
			return append(b, " len too short }"...)
		}
		return fmt.Appendf(b, " nlnk-fam=%d nlnk-pid=%d }", family, binary.LittleEndian.Uint32(addr[4:]))
	}
	return append(b, " (unsupported) }"...)
}

// inet6 is the address in a struct sockaddr_in6, as libc writes it: with the
// name of its link where it has one here.
func inet6(addr []byte) string {
	ip := netip.AddrFrom16([16]byte(addr[8:]))
	text := ip.String()
	if old := addr[8:24]; bytes.Count(old[:12], []byte{0}) == 12 && (old[12] != 0 || old[13] != 0) {
		text = "::" + netip.AddrFrom4([4]byte(old[12:])).String()
	}
	scope := int(binary.LittleEndian.Uint32(addr[24:]))
	if scope == 0 {
		return text
	}
	if ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() {
		if link, err := net.InterfaceByIndex(scope); err == nil {
			return text + "%" + link.Name
		}
	}
	return fmt.Sprintf("%s%%%d", text, scope)
}

// cString is what stands in front of the first NUL.
func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
