package rules

// needed are the record types that make up our events, and CONFIG_CHANGE, which
// tells of changes of the rules.
var needed = []uint32{1300, 1302, 1305, 1307, 1320, 1327, 1336}

// Excludes returns which record types of our events the kernel leaves out for all
// processes because of r, a rule of the exclude list. There the action makes no
// difference: the kernel leaves out what matches.
func (r *Rule) Excludes() (types []uint32) {
	if r.List != Exclude {
		return nil
	}
	for _, typ := range needed {
		if r.excludes(typ) {
			types = append(types, typ)
		}
	}
	return types
}

func (r *Rule) excludes(typ uint32) bool {
	for _, f := range r.Fields {
		switch {
		case f.ID == fieldKey:
		case f.ID != fieldMsgType || !f.Op.compare(typ, f.Value):
			return false // another field chooses among processes
		}
	}
	return true
}

// compare is the kernel's audit_comparator.
func (o Op) compare(left, right uint32) bool {
	switch o {
	case Equal:
		return left == right
	case NotEqual:
		return left != right
	case Less:
		return left < right
	case LessEqual:
		return left <= right
	case Greater:
		return left > right
	case GreaterEqual:
		return left >= right
	case BitMask:
		return left&right != 0
	case BitTest:
		return left&right == right
	}
	return false
}
