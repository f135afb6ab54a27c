package encode

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework that
// AppendOCSF follows.
const ocsfVersion = "1.5.0"

// Classes of OCSF: what is about files and programs has one, the rest is a base event.
const (
	ocsfBase    = 0
	ocsfFile    = 1001 // File System Activity
	ocsfProcess = 1007 // Process Activity
)

// Activities of OCSF: of class 1001, and 99 (other) of all.
const (
	ocsfCreate      = 1
	ocsfRead        = 2
	ocsfUpdate      = 3
	ocsfDelete      = 4
	ocsfRename      = 5
	ocsfSetAttrs    = 6
	ocsfSetSecurity = 7
	ocsfMount       = 12
	ocsfUnmount     = 13
	ocsfLaunch      = 1 // of class 1007
	ocsfOther       = 99
)

// ocsfClass is the class and activity an event falls into.
func ocsfClass(e *event.Event) (class, activity int) {
	switch e.Action {
	case "create", "symlink", "link":
		return ocsfFile, ocsfCreate
	case "read":
		return ocsfFile, ocsfRead
	case "write":
		return ocsfFile, ocsfUpdate
	case "delete":
		return ocsfFile, ocsfDelete
	case "rename":
		return ocsfFile, ocsfRename
	case "mount":
		return ocsfFile, ocsfMount
	case "unmount":
		return ocsfFile, ocsfUnmount
	case "exec":
		return ocsfProcess, ocsfLaunch
	case "attr":
		if strings.Contains(e.Syscall, "chmod") || strings.Contains(e.Syscall, "chown") {
			return ocsfFile, ocsfSetSecurity
		}
		return ocsfFile, ocsfSetAttrs
	}
	if e.Path.From != event.FromNone && e.HasCall {
		return ocsfFile, ocsfOther
	}
	return ocsfBase, ocsfOther
}

// AppendOCSF appends an event as one object of OCSF without a newline.
func (enc *Encoder) AppendOCSF(dst []byte, e *event.Event) []byte {
	return enc.fit(dst, e, (*Encoder).appendOCSF)
}

func (enc *Encoder) appendOCSF(dst []byte, e *event.Event) []byte {
	class, activity := ocsfClass(e)
	dst = append(dst, '{')
	dst = ocsfInt(dst, "class_uid", int64(class))
	dst = ocsfInt(dst, "category_uid", int64(class/1000))
	dst = ocsfInt(dst, "activity_id", int64(activity))
	dst = ocsfStr(dst, "activity_name", e.Action)
	dst = ocsfInt(dst, "type_uid", int64(class)*100+int64(activity))
	dst = ocsfInt(dst, "time", e.ID.UnixMilli())
	dst = ocsfInt(dst, "severity_id", ocsfSeverity(e))
	switch e.Success {
	case event.Yes:
		dst = ocsfInt(dst, "status_id", 1)
	case event.No:
		dst = ocsfInt(dst, "status_id", 2)
		dst = ocsfStr(dst, "status_detail", e.Errno)
	}
	dst = enc.ocsfMetadata(dst, e)
	dst = append(dst, `"device":{`...)
	dst = ocsfStr(dst, "hostname", enc.Host)
	dst = ocsfInt(dst, "type_id", 0)
	dst = closeObject(dst)

	actor := len(dst)
	dst = append(dst, `"actor":{`...)
	dst = enc.ocsfProcess(dst, "process", e)
	if e.AUID != event.Unset { // who logged in, if that is known, else who it is now
		dst = enc.ocsfUser(dst, e.AUID, &e.LogAUID)
	} else {
		dst = enc.ocsfUser(dst, e.UID, &e.LogUID)
	}
	if e.Ses != event.Unset {
		dst = append(dst, `"session":{"uid":"`...)
		dst = strconv.AppendUint(dst, uint64(e.Ses), 10)
		dst = append(dst, `"},`...)
	}
	dst = closeFilled(dst, actor)

	switch class {
	case ocsfFile:
		dst = enc.ocsfFile(dst, "file", &e.Path, e)
		if e.HasDest {
			dst = enc.ocsfFile(dst, "file_result", &e.Dest, e)
		}
	case ocsfProcess:
		dst = enc.ocsfProcess(dst, "process", e)
	}
	dst = enc.ocsfUnmapped(dst, e)
	return bytes.TrimSuffix(closeObject(dst), []byte(","))
}

// ocsfSeverity is informational, but for what says that events are missing.
func ocsfSeverity(e *event.Event) int64 {
	if e.Action == "gap" || e.Partial {
		return 3
	}
	return 1
}

func (enc *Encoder) ocsfMetadata(dst []byte, e *event.Event) []byte {
	dst = append(dst, `"metadata":{"version":"`+ocsfVersion+`","product":{"name":"auditshipper","vendor_name":"auditshipper"},"log_name":"audit","profiles":["host"`...)
	if hasLinuxUsers(e) {
		dst = append(dst, `,"linux/linux_users"],"extensions":[{"name":"linux","uid":"1","version":"`+ocsfVersion+`"}`...)
	}
	dst = append(dst, "],"...)
	dst = enc.ocsfLabels(dst)
	dst = append(dst, `"uid":"`...)
	dst = e.ID.Append(dst)
	return append(dst, `"},`...)
}

// hasLinuxUsers says whether a process has attributes of OCSF's profile for the users of
// Linux.
func hasLinuxUsers(e *event.Event) bool {
	return e.AUID != event.Unset || e.EUID != event.Unset || e.EGID != event.Unset
}

func (enc *Encoder) ocsfProcess(dst []byte, key string, e *event.Event) []byte {
	start := len(dst)
	dst = append(dst, '"')
	dst = append(dst, key...)
	dst = append(dst, `":{`...)
	dst = ocsfStr(dst, "name", enc.short(e.Comm))
	if e.PID != 0 {
		dst = ocsfInt(dst, "pid", int64(e.PID))
	}
	if len(e.Title) > 0 {
		enc.scratch = appendShell(enc.scratch[:0], e.Title)
		dst = ocsfStr(dst, "cmd_line", enc.short(enc.scratch))
	}
	if len(e.Exe) > 0 {
		dst = append(dst, `"file":{`...)
		dst = ocsfStr(dst, "name", enc.short(lastPart(e.Exe)))
		dst = ocsfStr(dst, "path", enc.short(e.Exe))
		dst = ocsfInt(dst, "type_id", 1)
		dst = closeObject(dst)
	}
	if e.PPID != 0 {
		dst = append(dst, `"parent_process":{`...)
		dst = ocsfInt(dst, "pid", int64(e.PPID))
		dst = closeObject(dst)
	}
	dst = ocsfNumber(dst, "auid", e.AUID)
	dst = ocsfNumber(dst, "egid", e.EGID)
	dst = ocsfNumber(dst, "euid", e.EUID)
	dst = enc.ocsfUser(dst, e.UID, &e.LogUID)
	return closeFilled(dst, start)
}

func (enc *Encoder) ocsfUser(dst []byte, id uint32, log *event.LogName) []byte {
	if id == event.Unset {
		return dst
	}
	dst = append(dst, `"user":{"uid":"`...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	dst = append(dst, `",`...)
	if log.Known {
		dst = ocsfStr(dst, "name", enc.short(log.Name))
	} else if enc.Names != nil {
		dst = ocsfStr(dst, "name", enc.Names.UserName(id))
	}
	return closeObject(dst)
}

func (enc *Encoder) ocsfFile(dst []byte, key string, n *event.Name, e *event.Event) []byte {
	dst = append(dst, '"')
	dst = append(dst, key...)
	dst = append(dst, `":{`...)
	name, path := lastPart(n.Path), n.Path
	if path == nil && n.Dir != nil && n.From != event.FromUnresolved { // only the directory is known
		dst = ocsfStr(dst, "parent_folder", enc.short(n.Dir))
	}
	dst = append(dst, `"name":"`...) // required, even if nobody knows it
	dst = appendEscaped(dst, enc.short(name))
	dst = append(dst, `",`...)
	if n.From != event.FromUnresolved {
		dst = ocsfStr(dst, "path", enc.short(path))
	}
	of := n
	if !n.Has && n == &e.Path {
		of = &e.Dest
	}
	if !of.Has {
		return closeObject(ocsfInt(dst, "type_id", 0))
	}
	dst = ocsfInt(dst, "type_id", ocsfFileType(of))
	dst = append(dst, `"uid":"`...)
	dst = strconv.AppendUint(dst, of.Ino, 10)
	dst = append(dst, `",`...)
	return closeObject(dst)
}

func ocsfFileType(n *event.Name) int64 {
	switch n.Type() {
	case "file":
		return 1
	case "dir":
		return 2
	case "char":
		return 3
	case "block":
		return 4
	case "socket":
		return 5
	case "fifo":
		return 6
	case "symlink":
		return 7
	}
	return 0
}

// ocsfUnmapped appends what OCSF has no attribute for, under the names that our
// own format has for it.
func (enc *Encoder) ocsfUnmapped(dst []byte, e *event.Event) []byte {
	start := len(dst)
	dst = append(dst, `"unmapped":{`...)
	dst = ocsfStr(dst, "key", e.Key)
	dst = ocsfStr(dst, "syscall", e.Syscall)
	dst = ocsfStr(dst, "path_from", e.Path.From.String())
	if e.Dest.From != e.Path.From {
		dst = ocsfStr(dst, "dest_from", e.Dest.From.String())
	}
	if e.Path.From == event.FromUnresolved && e.Path.ParentIno != 0 {
		dst = ocsfStr(dst, "parent_inode", strconv.AppendUint(nil, e.Path.ParentIno, 10))
	}
	if e.Dest.From == event.FromUnresolved && e.Dest.ParentIno != 0 {
		dst = ocsfStr(dst, "dest_parent_inode", strconv.AppendUint(nil, e.Dest.ParentIno, 10))
	}
	if e.Overwrote != 0 {
		dst = ocsfStr(dst, "overwrote", strconv.AppendUint(nil, e.Overwrote, 10))
	}
	dst = ocsfFlag(dst, "exchange", e.Exchange)
	dst = ocsfStr(dst, "target", enc.short(e.Target))
	dst = ocsfStr(dst, "dev", e.Path.Dev)
	dst = enc.ocsfFileSystem(dst, e)
	dst = ocsfStr(dst, "tty", e.TTY)
	dst = ocsfStr(dst, "cwd", enc.short(e.Cwd))
	dst = ocsfStr(dst, "container", e.Container)
	dst = ocsfStr(dst, "unit", e.Unit)
	dst = ocsfStr(dst, "ssm_session", e.SSMSession)
	dst = ocsfStr(dst, "login_addr", e.LoginAddr)
	dst = ocsfStr(dst, "login_term", e.LoginTerm)
	if e.Action == "rules" {
		dst = ocsfStr(dst, "path", e.Path.Path)
	}
	fields := e.Fields()
	for i := range fields {
		f := &fields[i]
		if !f.Bare {
			dst = ocsfStr(dst, string(f.Key), enc.short(f.Val))
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, f.Key...)
		dst = append(dst, `":`...)
		dst = append(dst, f.Val...)
		dst = append(dst, ',')
	}
	dst = ocsfFlag(dst, "partial", e.Partial)
	dst = ocsfFlag(dst, "truncated", enc.wasCut || e.Truncated || e.TitleCut)
	return closeFilled(dst, start)
}

func (enc *Encoder) ocsfFileSystem(dst []byte, e *event.Event) []byte {
	dev := e.Path.Dev
	if !e.Path.Has && e.Dest.Has {
		dev = e.Dest.Dev
	}
	id, accessPoint := enc.fileSystem(orParents(dev, e))
	return ocsfStr(ocsfStr(dst, "fs_id", id), "access_point", accessPoint)
}

func ocsfFlag(dst []byte, key string, v bool) []byte {
	if !v {
		return dst
	}
	dst = append(dst, '"')
	dst = append(dst, key...)
	return append(dst, `":true,`...)
}

func ocsfInt(dst []byte, key string, v int64) []byte {
	dst = append(dst, '"')
	dst = append(dst, key...)
	dst = append(dst, `":`...)
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, ',')
}

// ocsfNumber appends a user or a group, unless it was never set.
func ocsfNumber(dst []byte, key string, id uint32) []byte {
	if id == event.Unset {
		return dst
	}
	return ocsfInt(dst, key, int64(id))
}

func ocsfStr[T string | []byte](dst []byte, key string, v T) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = append(dst, '"')
	dst = append(dst, key...)
	dst = append(dst, `":"`...)
	dst = appendEscaped(dst, v)
	return append(dst, `",`...)
}

// closeObject ends an object whose members each end in a comma, with a comma.
func closeObject(dst []byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, `},`...)
}

// closeFilled ends an object that began at start, or takes it back if it is empty.
func closeFilled(dst []byte, start int) []byte {
	if dst[len(dst)-1] == '{' {
		return dst[:start]
	}
	return closeObject(dst)
}

// lastPart is a path without the directories before it, and without slashes at its end.
func lastPart(path []byte) []byte {
	path = bytes.TrimRight(path, "/")
	return path[bytes.LastIndexByte(path, '/')+1:]
}
