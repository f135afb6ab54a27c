package rules

import (
	"slices"
	"strings"
)

// check finds what the kernel would refuse with EINVAL (audit_data_to_entry and
// audit_field_valid in kernel/auditfilter.c).
func (r *Rule) check() *ParseError {
	once := map[uint32]bool{}
	for _, f := range r.Fields {
		if err := r.checkField(f); err != nil {
			return err
		}
		group := f.ID
		switch f.ID {
		case fieldPath, fieldDir, fieldInode:
			group = fieldPath
		case fieldKey, fieldExe:
		default:
			continue
		}
		if once[group] {
			return faultf("the kernel takes only one %s in a rule", fieldNames[f.ID])
		}
		once[group] = true
	}
	return nil
}

func (r *Rule) checkField(f Field) *ParseError {
	name := fieldNames[f.ID]
	if r.List == Filesystem && f.ID != fieldFSType && f.ID != fieldKey {
		return faultf("the filesystem list takes only fstype and keys, not %s", name)
	}
	if r.List == IOUring && f.ID == fieldPerm {
		return faultf("the io_uring list takes no permissions").hint("name the operations: -S unlinkat,renameat")
	}
	if err := checkOp(f); err != nil {
		return err
	}
	switch {
	case (isUID(f.ID) && f.ID != fieldAUID || isGID(f.ID)) && f.Value == ^uint32(0):
		return faultf("%s cannot be unset", name).hint("only auid can")
	case f.ID == fieldAUID && f.Value == ^uint32(0) && f.Op != Equal && f.Op != NotEqual:
		return faultf("auid takes only = and != with unset")
	case f.ID == fieldSaddrFam && f.Value >= maxFamily:
		return faultf("saddr_fam %d: there are %d address families", f.Value, maxFamily)
	case f.ID == fieldCompare && (f.Value > uint32(len(comparisons))):
		return faultf("unknown comparison %d", f.Value)
	case f.ID == fieldPath, f.ID == fieldDir, f.ID == fieldExe:
		return r.checkPath(f)
	case isText(f.ID) && f.Text == "":
		return faultf("%s is empty", name)
	}
	return nil
}

// maxFamily is AF_MAX.
const maxFamily = 46

func checkOp(f Field) *ParseError {
	name := fieldNames[f.ID]
	switch f.ID {
	case fieldA0, fieldA0 + 1, fieldA0 + 2, fieldA3, fieldPers, fieldDevMinor:
		return nil
	case fieldSubjUser, fieldSubjRole, fieldSubjType, fieldObjUser, fieldObjRole, fieldObjType, fieldPath, fieldDir,
		fieldKey, fieldArch, fieldFSType, fieldPerm, fieldFileType, fieldCompare, fieldExe:
		if f.Op != Equal && f.Op != NotEqual {
			return faultf("%s takes only = and !=", name)
		}
	default:
		if f.Op == BitMask || f.Op == BitTest {
			return faultf("%s takes no bit operators", name).hint("& and &= are for a0 to a3, pers and devminor")
		}
	}
	return nil
}

func (r *Rule) checkPath(f Field) *ParseError {
	name := fieldNames[f.ID]
	switch {
	case !strings.HasPrefix(f.Text, "/"):
		return faultf("%s %q is not absolute", name, f.Text).hint("a path starts with /")
	case f.ID != fieldDir && strings.HasSuffix(f.Text, "/"):
		return faultf("%s %q ends with a slash", name, f.Text).hint("-F dir= is for directories")
	case f.Op != Equal && f.ID != fieldExe:
		return faultf("%s takes only =", name)
	case f.ID != fieldExe && !slices.Contains([]List{Exit, IOUring}, r.List):
		return faultf("the field %s is not for the %s list", name, listNames[r.List])
	}
	return nil
}
