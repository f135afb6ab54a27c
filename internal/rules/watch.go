package rules

import (
	"path"
	"strings"
)

// Permissions (AUDIT_PERM_*).
const (
	permExec  = 1
	permWrite = 2
	permRead  = 4
	permAttr  = 8
)

var permLetters = []struct {
	letter byte
	bit    uint32
}{{'r', permRead}, {'w', permWrite}, {'x', permExec}, {'a', permAttr}}

// watch takes -w PATH and -W PATH.
func (p *parser) watch(opt option) *ParseError {
	if opt.name == "w" && (p.add != nil || p.del != nil) {
		return faultf("-w cannot be combined with -a, -A or -d").hint("write -F path=%s -F perm=... in a rule", opt.value)
	}
	list, action := Exit, Always
	if opt.name == "w" {
		p.add = &list
	} else {
		p.del = &list
	}
	p.action = &action
	name, err := watchPath(opt.value)
	if err != nil {
		return err
	}
	if len(p.rule.Fields) > 0 {
		return faultf("-%s behind other fields of a rule", opt.name)
	}
	p.rule.all()
	p.rule.Watch = true
	p.calls, p.perm = true, true
	id := uint32(fieldPath)
	if p.o.IsDir(name) {
		id = fieldDir
	}
	p.rule.addText(id, Equal, name)
	p.rule.add(fieldPerm, Equal, permRead|permWrite|permExec|permAttr)
	return nil
}

// watchPath checks the path of a watch, and takes slashes off its end.
func watchPath(name string) (string, *ParseError) {
	switch {
	case len(name) >= pathMax:
		return "", faultf("path of %d bytes: at most %d", len(name), pathMax-1)
	case !strings.HasPrefix(name, "/"):
		return "", faultf("path %q is not absolute", name).hint("a path starts with /")
	case len(path.Base(name)) > 255:
		return "", faultf("last part of the path has %d bytes: at most 255", len(path.Base(name)))
	}
	if len(name) > 2 {
		for len(name) > 1 && strings.HasSuffix(name, "/") {
			name = name[:len(name)-1]
		}
	}
	return name, nil
}

// permissions takes -p.
func (p *parser) permissions(letters string) *ParseError {
	if p.add == nil && p.del == nil {
		return faultf("-p needs a watch before it").hint("-w PATH -p %s", letters)
	}
	val, err := permBits(letters)
	if err != nil {
		return err
	}
	if len(p.rule.Fields) == 0 {
		return faultf("-p needs a path before it")
	}
	p.perm = true
	found := false
	for i := range p.rule.Fields {
		if p.rule.Fields[i].ID == fieldPerm {
			p.rule.Fields[i].Value, found = val, true
		}
	}
	if !found {
		p.rule.add(fieldPerm, Equal, val)
	}
	return nil
}

func permBits(letters string) (uint32, *ParseError) {
	if len(letters) > 4 {
		return 0, faultf("permissions %q: more than four letters", letters)
	}
	var val uint32
next:
	for _, c := range []byte(strings.ToLower(letters)) {
		for _, l := range permLetters {
			if c == l.letter {
				val |= l.bit
				continue next
			}
		}
		return 0, faultf("unknown permission %q", c).hint("r (read), w (write), x (execute) and a (attributes)")
	}
	return val, nil
}
