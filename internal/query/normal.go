package query

import (
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A normal is what an event comes to, as libauparse sees it: who did what to
// what, by what means, with what result.
type normal struct {
	kind        string // of the event
	session     place
	subject     place // who was logged in
	acting      place // who it was done as
	subjectKind string
	action      string
	object      place
	second      place
	two         place // a second object
	objectKind  string
	result      place
	how         string
	key         place
	subjects    []place // what else is said of the subject
	objects     []place // and of the object
}

// A normalizer makes normals.
type normalizer struct {
	walk
	n      normal
	labels bool // what else is said is asked for
	worked int  // of the call: 1 or 0; -1: not known
}

// Record types of libaudit that have their own form.
const (
	typeUserLogin     event.Type = 1112
	typeUserDevice    event.Type = 1137
	typeSoftware      event.Type = 1138
	typeSystemBoot    event.Type = 1127
	typeSystemDown    event.Type = 1128
	typeDaemonStart   event.Type = 1200
	typeDaemonAbort   event.Type = 1202
	typeDaemonAccept  event.Type = 1207
	typeFanotify      event.Type = 1331
	typeInjectOffset  event.Type = 1332
	typeAdjustNTP     event.Type = 1333
	typeBPF           event.Type = 1334
	typeSELinuxErr    event.Type = 1401
	typeMACPolicyLoad event.Type = 1403
	typeMACStatus     event.Type = 1404
	typeMACConfig     event.Type = 1405
	typeMACMapAdd     event.Type = 1409
	typeMACMapDel     event.Type = 1410
	typeAnomExec      event.Type = 2112
)

// normalize says what the event of the loaded records comes to, and whether it
// comes to anything.
func (z *normalizer) normalize() bool {
	z.n = normal{
		session: nowhere, subject: nowhere, acting: nowhere, object: nowhere, second: nowhere, two: nowhere,
		result: nowhere, key: nowhere, objectKind: "unknown", subjects: z.n.subjects[:0], objects: z.n.objects[:0],
	}
	z.worked = -1
	z.first()
	if len(z.recs) > 1 || z.typ() == typeSyscall {
		return z.compound()
	}
	return z.simple()
}

// place finds a field, and says that it is in record rec.
func (z *normalizer) place(to *place, name string, rec int) bool {
	if !z.find(name) {
		return false
	}
	*to = place{rec, z.here()}
	return true
}

// placeHere is the same, for a field of any record.
func (z *normalizer) placeHere(to *place, name string) bool {
	if !z.find(name) {
		return false
	}
	*to = place{z.at, z.here()}
	return true
}

// attribute notes a field of the subject or the object.
func (z *normalizer) attribute(to *[]place, name string, rec int) bool {
	if z.find(name) {
		*to = append(*to, place{rec, z.here()})
		return true
	}
	z.record(rec)
	return false
}

// account says what kind of account the field names.
func (z *normalizer) account() {
	uid := int32(-2)
	switch {
	case z.meaning() == asUser:
		uid = z.number()
	case z.name() == "acct":
		id, ok := z.p.Names.User.ID(z.interpreted())
		if !ok {
			z.n.subjectKind = "unknown-acct"
			return
		}
		uid = int32(id)
	default:
		z.n.subjectKind = "unknown-acct"
		return
	}
	switch {
	case uid == 0:
		z.n.subjectKind = "privileged-acct"
	case uid == -1:
		z.n.subjectKind = "unset-acct"
	case uid < 1000:
		z.n.subjectKind = "service-acct"
	case uid < 60000:
		z.n.subjectKind = "user-acct"
	default:
		z.n.subjectKind = "unknown-acct"
	}
}

// actingAs finds who it was done as.
func (z *normalizer) actingAs(rec int) bool {
	if !z.place(&z.n.acting, "uid", rec) {
		return false
	}
	z.account()
	return true
}

func (z *normalizer) inSession(rec int) bool {
	if z.place(&z.n.session, "ses", rec) {
		return true
	}
	z.first()
	return false
}

// by finds by which program; of a script the command counts.
func (z *normalizer) by() bool {
	if !z.find("exe") {
		return false
	}
	z.n.how = z.interpreted()
	if !runsScripts(z.n.how) {
		return true
	}
	if z.before(); z.find("comm") {
		z.n.how = z.interpreted()
	}
	return true
}

// before goes one field back.
func (z *normalizer) before() {
	if at := z.here(); at > 0 {
		z.recs[z.at].at = at - 1
	} else {
		z.first()
	}
}

func runsScripts(exe string) bool {
	for _, prefix := range []string{"/usr/bin/python", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/perl"} {
		if strings.HasPrefix(exe, prefix) {
			return true
		}
	}
	return false
}

// compound is for an event of several records, or a system call.
func (z *normalizer) compound() bool {
	kind := z.typ()
	for z.typ() != typeSyscall {
		if !z.next() {
			return false
		}
	}
	z.n.kind = eventKind(kind)
	rec := z.at
	back := func(found bool) {
		if !found {
			z.record(rec)
		}
	}
	call := ""
	if z.find("syscall") {
		call = z.interpreted()
	}
	if z.place(&z.n.result, "success", rec) {
		z.worked = 1
		if z.raw() == "no" {
			z.worked = 0
		}
	} else {
		back(false)
	}
	back(z.place(&z.n.subject, "auid", rec))
	back(z.actingAs(rec))
	z.callAttributes()
	z.firstField()
	back(z.by())
	if z.find("key") && z.raw() != "(null)" {
		z.n.key = place{rec, z.here()}
	}
	switch kind {
	case typeAnomLink:
		z.n.action = actions[kind]
	case typeConfig:
		z.first()
		if z.find("op") {
			z.n.action = z.interpreted()
			z.n.object = z.simpleObject(typeConfig)
		}
	default:
		z.systemCall(call)
	}
	return true
}

// callAttributes takes what a SYSCALL record says of the subject.
func (z *normalizer) callAttributes() {
	z.first()
	for {
		rec := z.at
		if z.typ() == typeSyscall {
			if !z.labels {
				z.inSession(rec)
				return
			}
			for _, name := range []string{"ppid", "pid", "gid", "euid", "suid", "fsuid", "egid", "sgid", "fsgid", "tty"} {
				z.attribute(&z.n.subjects, name, rec)
			}
			z.inSession(rec)
			z.attribute(&z.n.subjects, "subj", rec)
			return
		}
		if !z.next() {
			return
		}
	}
}

// simple is for an event of one record.
func (z *normalizer) simple() bool {
	t := z.typ()
	z.n.kind = eventKind(t)
	switch {
	case t == typeConfig:
		z.auidFirst()
		z.configChange()
		z.place(&z.n.result, "res", 0)
	case t == typeFeature, t == typeSeccomp, t == typeAbend, t == typePromisc:
		z.auidFirst()
		z.n.action = actions[t]
		z.first()
		z.aboutProcess(t)
	case t == typeLogin:
		z.login()
	case t == typeNetfilter:
		z.firewall()
	case t == typeAVC:
		z.avc()
	case t >= 1200 && t < 1299:
		z.daemon(t)
	case t == typeBPF:
		z.n.subjectKind = "system"
		z.bpf()
	case t == typeListener:
		z.listener()
	case t >= typeUnlblAllow && t <= 1499:
		z.labelled(t)
	default:
		z.userSpace(t)
	}
	return true
}

func (z *normalizer) auidFirst() {
	z.place(&z.n.subject, "auid", 0)
	z.inSession(0)
	z.subjectAttributes()
}

func (z *normalizer) subjectAttributes() {
	if z.labels {
		z.first()
		z.attribute(&z.n.subjects, "pid", 0)
		z.attribute(&z.n.subjects, "subj", 0)
	}
}

func (z *normalizer) configChange() {
	z.firstField()
	op := ""
	if z.find("op") {
		op = strings.TrimPrefix(z.interpreted(), `"`)
	}
	switch {
	case strings.HasPrefix(op, "add_rule"):
		z.n.action = "added-audit-rule"
		z.n.object = z.simpleObject(typeConfig)
	case strings.HasPrefix(op, "remove_rule"):
		z.n.action = "deleted-audit-rule"
		z.n.object = z.simpleObject(typeConfig)
	default:
		z.n.action = actions[typeConfig]
		z.n.object = z.simpleObject(typeConfig)
		z.first()
	}
}

// aboutProcess is for what the kernel says of one process.
func (z *normalizer) aboutProcess(t event.Type) {
	again := func(found bool) {
		if !found {
			z.first()
		}
	}
	switch t {
	case typeFeature:
		z.firstField()
		again(z.actingAs(0))
		if z.find("exe") {
			z.n.how = z.interpreted()
		}
		z.place(&z.n.object, "feature", 0)
		z.n.objectKind = "system"
	case typeSeccomp:
		z.firstField()
		again(z.actingAs(0))
		if z.find("exe") {
			z.n.how = z.interpreted()
		}
		again(z.place(&z.n.object, "syscall", 0))
		z.n.objectKind = "process"
		z.place(&z.n.result, "code", 0)
		return
	case typeAbend:
		z.firstField()
		again(z.actingAs(0))
		again(z.place(&z.n.object, "exe", 0))
		z.n.objectKind = "process"
		if z.find("sig") {
			z.n.how = z.interpreted()
		}
	case typePromisc:
		z.firstField()
		z.place(&z.n.object, "dev", 0)
		z.actingAs(0)
		z.n.objectKind = "socket"
	}
	z.place(&z.n.result, "res", 0)
}

func (z *normalizer) login() {
	again := func(found bool) {
		if !found {
			z.first()
		}
	}
	again(z.actingAs(0))
	z.subjectAttributes()
	again(z.place(&z.n.subject, "old-auid", 0))
	again(z.place(&z.n.object, "auid", 0))
	z.n.objectKind = "user-session"
	z.inSession(0)
	z.place(&z.n.result, "res", 0)
	z.n.action = actions[typeLogin]
}

func (z *normalizer) firewall() {
	z.subjectAttributes()
	if z.find("comm") {
		z.n.how = z.interpreted()
	}
	z.n.action = "loaded-firewall-rule-to"
	z.first()
	z.placeHere(&z.n.object, "table")
	z.n.subjectKind, z.n.objectKind = "system", "firewall"
}

func (z *normalizer) avc() {
	if z.find("comm") {
		z.n.how = z.interpreted()
	} else {
		z.first()
	}
	z.place(&z.n.subject, "scontext", 0)
	z.n.subjectKind = "unknown-acct"
	z.first()
	if z.labels { // else a sentence would tell of labels only
		z.place(&z.n.object, "tcontext", 0)
		z.first()
	}
	z.n.action = actions[typeAVC]
	z.first()
	z.place(&z.n.result, "seresult", 0)
}

func (z *normalizer) daemon(t event.Type) {
	z.place(&z.n.subject, "auid", 0)
	if !z.actingAs(0) {
		z.first()
	}
	if !z.inSession(0) {
		z.first()
	}
	z.subjectAttributes()
	z.n.subjectKind, z.n.objectKind = "auditd", "service"
	z.n.action = actions[t]
	switch {
	case t == typeDaemonStart:
		z.n.how = "init"
	case t < typeDaemonAccept && t != typeDaemonAbort:
		z.n.how = "signal"
	}
	z.place(&z.n.result, "res", 0)
}

func (z *normalizer) bpf() {
	z.first()
	z.n.action = "bpf-program"
	if z.find("op") {
		z.n.action = "unloaded-bpf-program"
		if z.raw() == "LOAD" {
			z.n.action = "loaded-bpf-program"
		}
	}
	z.n.objectKind = "process"
	z.program()
}

func (z *normalizer) listening() {
	z.first()
	z.n.action = "connected"
	if z.find("op") {
		z.n.action = "disconnected-from"
		if z.raw() == "connect" {
			z.n.action = "connected-to"
		}
	}
	z.n.objectKind = "socket"
	z.program()
}

func (z *normalizer) listener() {
	z.place(&z.n.subject, "auid", 0)
	z.first()
	z.actingAs(0)
	z.first()
	z.inSession(0)
	z.subjectAttributes()
	z.listening()
	z.first()
	if z.find("exe") {
		z.n.how = z.interpreted()
	}
	z.first()
	z.place(&z.n.result, "res", 0)
}

// labelled is for the labels of networks.
func (z *normalizer) labelled(t event.Type) {
	z.place(&z.n.subject, "auid", 0)
	z.account()
	z.inSession(0)
	z.attribute(&z.n.subjects, "subj", 0)
	z.n.action = actions[t]
	if t == typeUnlblAllow {
		if z.find("unlbl_accept") {
			z.n.action = "is-disallowing-unlabeled-network-traffic"
			if z.number() == 1 {
				z.n.action = "is-allowing-unlabeled-network-traffic"
			}
		} else {
			z.first()
		}
	}
	if (t == typeMACMapAdd || t == typeMACMapDel) && !z.place(&z.n.object, "nlbl_domain", 0) {
		z.first()
	}
	z.n.objectKind = "mac-config"
	z.place(&z.n.result, "res", 0)
}

// userSpace is for what programs report, and all that has no form of its own.
func (z *normalizer) userSpace(t event.Type) {
	if t == typeUserLogin {
		// Who fails to log in has no auid yet.
		if z.place(&z.n.subject, "id", 0) {
			z.account()
		} else if z.first(); z.place(&z.n.subject, "acct", 0) {
			z.account()
		}
		z.first()
	} else {
		if !z.actingAs(0) {
			z.first()
		}
		z.place(&z.n.subject, "auid", 0)
	}
	z.inSession(0)
	z.subjectAttributes()
	if z.labels && (t >= 1100 && t < 1199 || t >= 2100 && t < 2999) {
		z.attribute(&z.n.subjects, "hostname", 0)
		z.attribute(&z.n.subjects, "addr", 0)
		if t != 1105 && t != 1106 && t != 1109 { // of USER_START, _END and _ERR it is the object
			z.attribute(&z.n.subjects, "terminal", 0)
		}
	}
	if t == typeUserAVC {
		z.first()
		z.place(&z.n.result, "seresult", 0)
		z.first()
		z.place(&z.n.subject, "scontext", 0)
		if z.labels {
			z.first()
			z.place(&z.n.object, "tcontext", 0)
		}
	} else {
		z.place(&z.n.result, "res", 0)
	}
	z.n.action = actions[t]
	if t == typeUserDevice {
		if z.first(); z.find("op") {
			z.n.action = z.raw()
		}
	}
	if t != typeUserAVC {
		z.userObjects(t)
	}
	z.userMeans(t)
}

func (z *normalizer) userObjects(t event.Type) {
	z.first()
	z.n.object = z.simpleObject(t)
	z.n.second = z.simplePlace(map[event.Type]string{2407: "rport", typeSoftware: "sw_type"}[t])
	z.n.two = z.simplePlace(map[event.Type]string{2500: "vm", 2501: "vm", typeSoftware: "root_dir"}[t])
	if !z.labels {
		return
	}
	switch t {
	case typeUserDevice:
		z.attribute(&z.n.objects, "uuid", 0)
	case typeSoftware:
		z.first()
		z.attribute(&z.n.objects, "key_enforce", 0)
		z.attribute(&z.n.objects, "gpg_res", 0)
	}
}

func (z *normalizer) userMeans(t event.Type) {
	field := "exe"
	switch t {
	case typeSystemBoot:
		z.n.objectKind = "system"
	case typeSystemDown:
		z.n.objectKind = "service"
	case typeAnomExec:
		z.first()
		field = "terminal"
	case typeTTY:
		z.first()
		field = "comm"
	default:
		z.first()
		z.by()
		return
	}
	if z.find(field) {
		z.n.how = z.interpreted()
	}
}

// simplePlace finds a field of the only record.
func (z *normalizer) simplePlace(name string) place {
	z.firstField()
	if name == "" || !z.find(name) {
		return nowhere
	}
	return place{0, z.here()}
}

// simpleObject finds what a record is about.
func (z *normalizer) simpleObject(t event.Type) place {
	if t == typeConfig {
		z.n.objectKind = "audit-config"
		z.firstField()
		return z.configObject()
	}
	o, ok := simpleObjects[t]
	if !ok {
		z.firstField()
		return nowhere
	}
	if o.kind != "" {
		z.n.objectKind = o.kind
	}
	at := z.simplePlace(o.field)
	if at == nowhere && o.kind == "account" {
		if z.first(); z.find("acct") {
			at = place{0, z.here()}
		}
	}
	if t == 1111 { // USYS_CONFIG's object is in what was done
		if at != nowhere {
			z.n.action = z.interpreted()
		}
		return nowhere
	}
	return at
}

func (z *normalizer) configObject() place {
	z.first()
	if z.find("key") && z.raw() != "(null)" {
		return place{0, z.here()}
	}
	for _, name := range []string{"audit_enabled", "audit_pid", "audit_backlog_limit", "audit_failure", "actions"} {
		if z.first(); z.find(name) {
			return place{0, z.here()}
		}
	}
	return nowhere
}
