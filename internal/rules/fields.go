package rules

import "strconv"

// Fields (AUDIT_PID and so on in include/uapi/linux/audit.h).
const (
	fieldPID        = 0
	fieldUID        = 1
	fieldEUID       = 2
	fieldSUID       = 3
	fieldFSUID      = 4
	fieldGID        = 5
	fieldEGID       = 6
	fieldSGID       = 7
	fieldFSGID      = 8
	fieldAUID       = 9
	fieldPers       = 10
	fieldArch       = 11
	fieldMsgType    = 12
	fieldSubjUser   = 13
	fieldSubjRole   = 14
	fieldSubjType   = 15
	fieldSubjSen    = 16
	fieldSubjClr    = 17
	fieldPPID       = 18
	fieldObjUser    = 19
	fieldObjRole    = 20
	fieldObjType    = 21
	fieldObjLevLow  = 22
	fieldObjLevHigh = 23
	fieldSessionID  = 25
	fieldFSType     = 26
	fieldDevMajor   = 100
	fieldDevMinor   = 101
	fieldInode      = 102
	fieldExit       = 103
	fieldSuccess    = 104
	fieldPath       = 105
	fieldPerm       = 106
	fieldDir        = 107
	fieldFileType   = 108
	fieldObjUID     = 109
	fieldObjGID     = 110
	fieldCompare    = 111
	fieldExe        = 112
	fieldSaddrFam   = 113
	fieldA0         = 200
	fieldA3         = 203
	fieldKey        = 210
)

var fieldNames = map[uint32]string{
	fieldPID: "pid", fieldUID: "uid", fieldEUID: "euid", fieldSUID: "suid", fieldFSUID: "fsuid",
	fieldGID: "gid", fieldEGID: "egid", fieldSGID: "sgid", fieldFSGID: "fsgid", fieldAUID: "auid",
	fieldPers: "pers", fieldArch: "arch", fieldMsgType: "msgtype", fieldSubjUser: "subj_user",
	fieldSubjRole: "subj_role", fieldSubjType: "subj_type", fieldSubjSen: "subj_sen",
	fieldSubjClr: "subj_clr", fieldPPID: "ppid", fieldObjUser: "obj_user", fieldObjRole: "obj_role",
	fieldObjType: "obj_type", fieldObjLevLow: "obj_lev_low", fieldObjLevHigh: "obj_lev_high",
	fieldSessionID: "sessionid", fieldFSType: "fstype", fieldDevMajor: "devmajor",
	fieldDevMinor: "devminor", fieldInode: "inode", fieldExit: "exit", fieldSuccess: "success",
	fieldPath: "path", fieldPerm: "perm", fieldDir: "dir", fieldFileType: "filetype",
	fieldObjUID: "obj_uid", fieldObjGID: "obj_gid", fieldCompare: "field_compare", fieldExe: "exe",
	fieldSaddrFam: "saddr_fam", fieldA0: "a0", fieldA0 + 1: "a1", fieldA0 + 2: "a2", fieldA3: "a3",
	fieldKey: "key",
}

var fieldIDs = invert(fieldNames)

var listNames = map[List]string{
	User: "user", Task: "task", Exit: "exit", Exclude: "exclude", Filesystem: "filesystem", IOUring: "io_uring",
}

var listIDs = invert(listNames)

var actionNames = map[Action]string{Never: "never", Always: "always"}

var opNames = map[Op]string{
	BitMask: "&", Less: "<", Greater: ">", NotEqual: "!=", Equal: "=",
	BitTest: "&=", LessEqual: "<=", GreaterEqual: ">=",
}

// fileTypes are the S_IFMT bits of stat(2), under auditctl's names.
var fileTypes = map[string]uint32{
	"fifo": 0o010000, "character": 0o020000, "dir": 0o040000, "block": 0o060000,
	"file": 0o100000, "link": 0o120000, "socket": 0o140000,
}

var fileTypeNames = invert(fileTypes)

// fsTypes are the file systems whose noise a filesystem rule may exclude
// (DEBUGFS_MAGIC and TRACEFS_MAGIC in include/uapi/linux/magic.h).
var fsTypes = map[string]uint32{"debugfs": 0x64626720, "tracefs": 0x74726163}

var fsTypeNames = invert(fsTypes)

// comparisons are the pairs that -C can compare (AUDIT_COMPARE_*), under the
// names in the order in which auditctl lists them.
var comparisons = []struct {
	value uint32
	a, b  uint32
}{
	{1, fieldUID, fieldObjUID},
	{2, fieldGID, fieldObjGID},
	{3, fieldEUID, fieldObjUID},
	{4, fieldEGID, fieldObjGID},
	{5, fieldAUID, fieldObjUID},
	{6, fieldSUID, fieldObjUID},
	{7, fieldSGID, fieldObjGID},
	{8, fieldFSUID, fieldObjUID},
	{9, fieldFSGID, fieldObjGID},
	{10, fieldUID, fieldAUID},
	{11, fieldUID, fieldEUID},
	{12, fieldUID, fieldFSUID},
	{13, fieldUID, fieldSUID},
	{14, fieldAUID, fieldFSUID},
	{15, fieldAUID, fieldSUID},
	{16, fieldAUID, fieldEUID},
	{17, fieldEUID, fieldSUID},
	{18, fieldEUID, fieldFSUID},
	{19, fieldSUID, fieldFSUID},
	{20, fieldGID, fieldEGID},
	{21, fieldGID, fieldFSGID},
	{22, fieldGID, fieldSGID},
	{23, fieldEGID, fieldFSGID},
	{24, fieldEGID, fieldSGID},
	{25, fieldSGID, fieldFSGID},
}

// isText reports whether a field's value is a text rather than a number.
func isText(id uint32) bool {
	switch id {
	case fieldPPID:
		return false
	case fieldPath, fieldDir, fieldExe, fieldKey:
		return true
	}
	return id >= fieldSubjUser && id <= fieldObjLevHigh
}

func isUID(id uint32) bool {
	return id >= fieldUID && id <= fieldFSUID || id == fieldAUID || id == fieldObjUID
}

func isGID(id uint32) bool { return id >= fieldGID && id <= fieldFSGID || id == fieldObjGID }

func invert[K, V comparable](m map[K]V) map[V]K {
	inv := make(map[V]K, len(m))
	for k, v := range m {
		inv[v] = k
	}
	return inv
}

// String returns the list's name, or its number.
func (l List) String() string {
	if name, ok := listNames[l]; ok {
		return name
	}
	return strconv.Itoa(int(l))
}
