package query

import "strings"

// systemCall says what a call was about.
func (z *normalizer) systemCall(call string) {
	deed := z.deedOfRecords()
	about := deed
	if about == "" || about == "avc" || about == "fanotify" { // whose objects are the call's
		about = deeds[call]
	}
	z.object(about, call)
	switch deed {
	case "avc":
		z.n.action = "accessed-mac-policy-controlled-object"
	case "fanotify":
		z.n.action = "accessed-policy-controlled-file"
	}
}

// deedOfRecords is what the records beside the call's tell of, if any does. The
// walk stands at that record.
func (z *normalizer) deedOfRecords() string {
	for z.first(); ; {
		if deed := recordDeeds[z.typ()]; deed != "" {
			return deed
		}
		if !z.next() {
			return ""
		}
	}
}

// A fileDeed is something that was done to a file: what it is called, by which
// record the file is looked for, and the kind of object if the record has no
// mode.
type fileDeed struct {
	action string
	record int
	kind   string
}

var fileDeeds = map[string]fileDeed{
	"open":    {"opened-file", 2, "file"},
	"chattr":  {"changed-file-attributes-of", 2, "file"},
	"chmod":   {"changed-file-permissions-of", 2, "file"},
	"chown":   {"changed-file-ownership-of", 2, "file"},
	"mkdir":   {"created-directory", 3, "file"},
	"rename":  {"renamed", 4, "file"},
	"stat":    {"checked-metadata-of", 2, "file"},
	"statfs":  {"checked-filesystem-metadata-of", 2, "file-system"},
	"symlink": {"symlinked", 4, "file"},
	"umount":  {"unmounted", 2, "file-system"},
	"delete":  {"deleted", 2, "file"},
	"utime":   {"changed-timestamp-of", 2, "file"},
	"exec":    {"executed", 3, "file"},
}

var socketDeeds = map[string]string{
	"accept": "accepted-connection-from", "bind": "bound-socket", "connect": "connected-to", "receive": "received-from", "send": "sent-to",
}

// object finds what was done, and to what.
func (z *normalizer) object(deed, call string) {
	if f, ok := fileDeeds[deed]; ok {
		z.onFile(deed, f, call)
		return
	}
	if action, ok := socketDeeds[deed]; ok {
		z.n.action, z.n.objectKind = action, "socket"
		z.record(1)
		z.firstField()
		z.place(&z.n.object, "saddr", 1)
		return
	}
	switch deed {
	case "load":
		z.n.action, z.n.objectKind = "loaded-kernel-module", "file"
		z.record(1)
		z.place(&z.n.object, "name", 1)
	case "unload":
		z.n.action, z.n.objectKind = "unloaded-kernel-module", "file"
	case "mount":
		z.mounted()
	case "kill":
		z.killed()
	case "policy":
		z.n.action, z.n.objectKind = actions[z.typ()], "mac-config"
	case "boolean":
		z.n.action, z.n.objectKind = actions[z.typ()], "mac-config"
		z.placeHere(&z.n.object, "bool")
	case "enforce":
		z.n.action, z.n.objectKind = actions[z.typ()], "mac-config"
		z.placeHere(&z.n.object, "enforcing")
	case "selinux error":
		z.n.action, z.n.objectKind = "caused-mac-policy-error", "system"
	case "firewall":
		z.n.action, z.n.objectKind = "loaded-firewall-rule-to", "firewall"
		z.first()
		z.placeHere(&z.n.object, "table")
	case "promiscuous":
		z.promiscuous()
	case "identity":
		z.n.action, z.n.objectKind = "changed-identity-of", "process"
		z.onProgram(call)
		z.newIdentity(call)
	case "schedule":
		z.n.action, z.n.objectKind = "adjusted-scheduling-policy-of", "process"
		z.onProgram(call)
	case "clock":
		z.n.action, z.n.objectKind = "changed-system-time", "system"
	case "hostname":
		z.n.action, z.n.objectKind = "changed-system-name", "system"
	case "mknod":
		z.madeDevice()
	case "memory":
		z.allocated()
	case "bpf":
		z.bpf()
	case "listen":
		z.listening()
	default:
		z.byRule()
	}
}

func (z *normalizer) onFile(deed string, f fileDeed, call string) {
	z.n.action, z.n.objectKind = f.action, f.kind
	switch deed {
	case "chmod":
		z.secondArgument(call == "fchmodat")
	case "chown":
		if z.secondArgument(call == "fchownat") && z.number() == -1 {
			z.nextField() // the user stays, so it is the group
			z.n.two = place{0, z.here()}
		}
	case "rename":
		z.secondFile(6)
	case "symlink":
		z.secondFile(2)
	}
	rec := f.record
	if call == "fsetxattr" || call == "fchmod" || call == "fchown" { // which have no CWD
		rec--
	}
	z.file(rec)
	if deed == "open" {
		z.n.objectKind = f.kind // of whatever kind it is
	}
	z.fileAttributes()
}

// secondArgument is the mode or the owner that a file got.
func (z *normalizer) secondArgument(at bool) bool {
	name := "a1"
	if at {
		name = "a2"
	}
	z.first()
	return z.place(&z.n.two, name, 0)
}

// secondFile is a file's other name.
func (z *normalizer) secondFile(rec int) {
	z.record(rec)
	z.firstField()
	z.place(&z.n.two, "name", rec)
}

// file finds the first PATH record from rec on that is not a parent's.
func (z *normalizer) file(rec int) {
	z.record(rec)
	z.firstField()
	parent, found := 0, false
	for {
		if found = z.find("nametype"); !found {
			break
		}
		if z.raw() != "PARENT" {
			break
		}
		if parent == 0 {
			parent = z.at
		}
		if !z.next() {
			break
		}
	}
	if rec = z.at; !found {
		if parent == 0 {
			return
		}
		rec = parent // of an open that failed
		z.record(rec)
	}
	if z.typ() != typePath {
		return
	}
	z.firstField()
	z.place(&z.n.object, "name", rec)
	z.place(&z.n.second, "inode", rec)
	if !z.find("mode") {
		return
	}
	if mode, ok := cNumber(z.field().val, 8); ok {
		if kind := objectKinds[uint32(mode)&0o170000]; kind != "" {
			z.n.objectKind = kind
		}
	}
}

var objectKinds = map[uint32]string{
	0o140000: "socket", 0o120000: "symlink", 0o100000: "file", 0o060000: "block-device", 0o040000: "directory",
	0o020000: "character-device", 0o010000: "fifo",
}

// fileAttributes takes what else is said of the file.
func (z *normalizer) fileAttributes() {
	if !z.labels {
		return
	}
	parent := 0
	for z.first(); ; {
		switch z.typ() {
		case typePath:
			if !z.find("nametype") || z.raw() != "PARENT" {
				z.pathAttributes()
				return
			}
			if parent == 0 {
				parent = z.at
			}
		case typeCWD:
			z.attribute(&z.n.objects, "cwd", z.at)
		case typeSockaddr:
			z.attribute(&z.n.objects, "saddr", z.at)
		}
		if !z.next() {
			break
		}
	}
	if parent > 0 {
		z.record(parent)
		z.pathAttributes()
	}
}

func (z *normalizer) pathAttributes() {
	rec := z.at
	z.firstField()
	if !z.attribute(&z.n.objects, "mode", rec) {
		return
	}
	for z.nextField() {
		z.n.objects = append(z.n.objects, place{rec, z.here()})
	}
}

func (z *normalizer) mounted() {
	z.n.action, z.n.objectKind = "mounted", "file-system"
	if z.worked == 1 {
		z.secondFile(2)
	}
	z.file(2 + z.worked)
	z.pathAttributes()
}

func (z *normalizer) killed() {
	z.n.action, z.n.objectKind = "killed-pid", "process"
	if len(z.recs) > 2 {
		z.n.action = "killed-list-of-pids"
	}
	z.record(1)
	z.firstField()
	z.placeHere(&z.n.object, "saddr")
}

func (z *normalizer) promiscuous() {
	z.n.objectKind = "socket"
	z.first()
	z.placeHere(&z.n.object, "dev")
	if z.find("prom") {
		z.n.action = "entered-promiscuous-mode-on-device"
		if z.number() == 0 {
			z.n.action = "left-promiscuous-mode-on-device"
		}
	}
}

// onProgram is for what a program did to itself.
func (z *normalizer) onProgram(call string) {
	z.program()
	if z.n.how != "" {
		z.n.how = call
	}
}

// program finds the program that it is about.
func (z *normalizer) program() {
	z.first()
	switch z.typ() {
	case typeBPF:
		z.placeHere(&z.n.object, "prog-id")
	case typeListener:
		z.placeHere(&z.n.object, "nl-mcgrp")
	default:
		if !z.find("exe") {
			return
		}
		if runsScripts(z.interpreted()) {
			z.before()
			z.find("comm")
		}
		z.n.object = place{z.at, z.here()}
	}
}

// newIdentity finds the first id that a call did change.
func (z *normalizer) newIdentity(call string) {
	var ids int
	switch strings.TrimSuffix(strings.TrimSuffix(call, "uid"), "gid") {
	case "set":
		ids = 1
	case "setre":
		ids = 2
	case "setres":
		ids = 3
	default:
		return
	}
	if z.first(); !z.find("a0") {
		return
	}
	for i := 1; i <= ids && z.interpreted() == "unset"; i++ {
		if i == ids || !z.nextField() {
			return
		}
	}
	z.n.two = place{0, z.here()}
}

func (z *normalizer) madeDevice() {
	z.file(2)
	z.fileAttributes()
	switch z.n.objectKind {
	case "character-device", "block-device":
		z.n.action = "made-" + z.n.objectKind
	default:
		z.n.action = "make-device"
	}
}

func (z *normalizer) allocated() {
	z.n.action, z.n.objectKind = "allocated-memory", "memory"
	if z.worked == 1 {
		z.n.action = "allocated-memory-in"
		z.first()
		z.placeHere(&z.n.object, "comm")
	}
}

// byRule is for a call of which nothing is known but that a rule asked for it.
func (z *normalizer) byRule() {
	z.n.action, z.n.objectKind = "triggered-unknown-audit-rule", "admin-defined-rule"
	z.first()
	if z.find("key") && z.raw() != "(null)" {
		z.n.action = "triggered-audit-rule"
		z.n.object = place{z.at, z.here()}
	}
}
