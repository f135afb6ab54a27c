package event

import (
	"bytes"
	"strconv"
	"strings"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework that
// AppendOCSF follows.
const ocsfVersion = "1.1.0"

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
func (e *Event) ocsfClass() (class, activity int) {
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
	if e.Path.From != FromNone && e.hasCall {
		return ocsfFile, ocsfOther
	}
	return ocsfBase, ocsfOther
}

// AppendOCSF appends an event as one object of OCSF without a newline.
func (enc *Encoder) AppendOCSF(dst []byte, e *Event) []byte {
	return enc.fit(dst, e, (*Encoder).appendOCSF)
}

func (enc *Encoder) appendOCSF(dst []byte, e *Event) []byte {
	class, activity := e.ocsfClass()
	dst = append(dst, '{')
	dst = ocsfInt(dst, "class_uid", int64(class))
	dst = ocsfInt(dst, "category_uid", int64(class/1000))
	dst = ocsfInt(dst, "activity_id", int64(activity))
	dst = ocsfStr(dst, "activity_name", e.Action)
	dst = ocsfInt(dst, "type_uid", int64(class)*100+int64(activity))
	dst = ocsfInt(dst, "time", e.ID.UnixMilli())
	dst = ocsfInt(dst, "severity_id", e.ocsfSeverity())
	switch e.Success {
	case Yes:
		dst = ocsfInt(dst, "status_id", 1)
	case No:
		dst = ocsfInt(dst, "status_id", 2)
		dst = ocsfStr(dst, "status_detail", e.Errno)
	}
	dst = enc.ocsfMetadata(dst, e)
	dst = append(dst, `"device":{`...)
	dst = ocsfStr(dst, "hostname", enc.Host)
	dst = ocsfInt(dst, "type_id", 0)
	dst = closeObject(dst)

	dst = append(dst, `"actor":{`...)
	dst = enc.ocsfProcess(dst, "process", e)
	if e.AUID != Unset { // who logged in, if that is known, else who it is now
		dst = enc.ocsfUser(dst, e.AUID, &e.LogAUID)
	} else {
		dst = enc.ocsfUser(dst, e.UID, &e.LogUID)
	}
	if e.Ses != Unset {
		dst = append(dst, `"session":{"uid":"`...)
		dst = strconv.AppendUint(dst, uint64(e.Ses), 10)
		dst = append(dst, `"},`...)
	}
	dst = closeObject(dst)

	switch class {
	case ocsfFile:
		dst = enc.ocsfFile(dst, "file", &e.Path, e)
		if e.Dest.event != nil {
			dst = enc.ocsfFile(dst, "file_result", &e.Dest, e)
		}
	case ocsfProcess:
		dst = enc.ocsfProcess(dst, "process", e)
	}
	dst = enc.ocsfUnmapped(dst, e)
	return bytes.TrimSuffix(closeObject(dst), []byte(","))
}

// ocsfSeverity is informational, but for what says that events are missing.
func (e *Event) ocsfSeverity() int64 {
	if e.Action == "gap" || e.Partial {
		return 3
	}
	return 1
}

func (enc *Encoder) ocsfMetadata(dst []byte, e *Event) []byte {
	dst = append(dst, `"metadata":{"version":"`+ocsfVersion+`","product":{"name":"auditshipper","vendor_name":"auditshipper"},"log_name":"audit","uid":"`...)
	dst = e.ID.append(dst)
	return append(dst, `"},`...)
}

func (enc *Encoder) ocsfProcess(dst []byte, key string, e *Event) []byte {
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
	dst = enc.ocsfUser(dst, e.UID, &e.LogUID)
	return closeObject(dst)
}

func (enc *Encoder) ocsfUser(dst []byte, id uint32, log *LogName) []byte {
	if id == Unset {
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

func (enc *Encoder) ocsfFile(dst []byte, key string, n *Name, e *Event) []byte {
	dst = append(dst, '"')
	dst = append(dst, key...)
	dst = append(dst, `":{`...)
	name, path := lastPart(n.Path), n.Path
	if path == nil && n.Dir != nil && n.From != FromUnresolved { // only the directory is known
		dst = ocsfStr(dst, "parent_folder", enc.short(n.Dir))
	}
	dst = append(dst, `"name":"`...) // required, even if nobody knows it
	dst = appendEscaped(dst, enc.short(name))
	dst = append(dst, `",`...)
	if n.From != FromUnresolved {
		dst = ocsfStr(dst, "path", enc.short(path))
	}
	has, ino, mode := n.Has, n.Ino, n.Mode
	if !has && e.Dest.Has && n == &e.Path {
		has, ino, mode = true, e.Dest.Ino, e.Dest.Mode
	}
	if !has {
		return closeObject(ocsfInt(dst, "type_id", 0))
	}
	dst = ocsfInt(dst, "type_id", ocsfFileType(mode))
	dst = append(dst, `"uid":"`...)
	dst = strconv.AppendUint(dst, ino, 10)
	dst = append(dst, `",`...)
	return closeObject(dst)
}

func ocsfFileType(mode uint32) int64 {
	switch fileType(mode) {
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
func (enc *Encoder) ocsfUnmapped(dst []byte, e *Event) []byte {
	dst = append(dst, `"unmapped":{`...)
	dst = ocsfStr(dst, "key", e.Key)
	dst = ocsfStr(dst, "syscall", e.Syscall)
	dst = ocsfStr(dst, "path_from", e.Path.From.String())
	if e.Dest.From != e.Path.From {
		dst = ocsfStr(dst, "dest_from", e.Dest.From.String())
	}
	if e.Path.From == FromUnresolved && e.Path.ParentIno != 0 {
		dst = ocsfStr(dst, "parent_inode", strconv.AppendUint(nil, e.Path.ParentIno, 10))
	}
	if e.Dest.From == FromUnresolved && e.Dest.ParentIno != 0 {
		dst = ocsfStr(dst, "dest_parent_inode", strconv.AppendUint(nil, e.Dest.ParentIno, 10))
	}
	if e.Overwrote != 0 {
		dst = ocsfStr(dst, "overwrote", strconv.AppendUint(nil, e.Overwrote, 10))
	}
	dst = ocsfFlag(dst, "exchange", e.Exchange)
	dst = ocsfStr(dst, "target", enc.short(e.Target))
	dst = ocsfStr(dst, "dev", e.Path.Dev)
	dst = ocsfStr(dst, "tty", e.TTY)
	dst = ocsfStr(dst, "cwd", enc.short(e.Cwd))
	dst = ocsfStr(dst, "container", e.Container)
	dst = ocsfStr(dst, "unit", e.Unit)
	if e.Action == "rules" {
		dst = ocsfStr(dst, "path", e.Path.Path)
	}
	for i := range e.fields {
		f := &e.fields[i]
		if f.kind == fieldText {
			dst = ocsfStr(dst, string(f.key), enc.short(f.val))
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, f.key...)
		dst = append(dst, `":`...)
		dst = append(dst, f.val...)
		dst = append(dst, ',')
	}
	dst = ocsfFlag(dst, "partial", e.Partial)
	dst = ocsfFlag(dst, "truncated", enc.wasCut || e.Truncated || e.titleCut)
	return closeObject(dst)
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
