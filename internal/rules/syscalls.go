package rules

import (
	"slices"
	"strings"
)

// syscalls takes -S, of names or numbers with commas between them.
func (p *parser) syscalls(value string) *ParseError {
	switch {
	case p.inList(IOUring):
		return p.operations(value)
	case p.inList(Task), p.inList(User), p.inList(Filesystem), p.inList(Exclude):
		list, _ := p.list()
		return faultf("the %s list takes no system calls", listNames[list])
	}
	if p.elf == 0 {
		m, ok := machineNamed(p.o.Arch)
		if !ok {
			return faultf("no system calls are known for the machine %s", p.o.Arch)
		}
		p.elf, p.anyArch = m.elf, true
	}
	m, ok := machineOf(p.elf)
	if !ok {
		return faultf("no system calls are known for the architecture %#x", p.elf)
	}
	for name := range strings.SplitSeq(value, ",") {
		if name == "" && strings.Contains(value, ",") {
			continue
		}
		if err := p.syscall(m, name); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) syscall(m machine, name string) *ParseError {
	if name == "all" {
		p.rule.all()
		p.calls = true
		return nil
	}
	nr, ok := m.call(name)
	if ok && nr > newest && !p.o.Newer {
		return faultf("unknown system call %q on %s", name, m.name).
			hint("auditctl 3.0.9 does not know it by name; -S %d is the same and taken everywhere", nr)
	}
	if !ok && startsWithDigit(name) {
		nr, ok = int(int32(cNumber(name, false))), true
	}
	if !ok && knownAnywhere(name) && !p.o.Strict {
		p.unknown = append(p.unknown, name)
		return nil
	}
	if !ok {
		return unknownCall(m, name)
	}
	if !p.rule.set(nr) {
		return faultf("system call %s is out of range", name).hint("at most %d", 32*(maskWords-1)-1)
	}
	p.calls = true
	return nil
}

func unknownCall(m machine, name string) *ParseError {
	err := faultf("unknown system call %q on %s", name, m.name)
	if knownAnywhere(name) {
		return err.hint("it exists on other architectures only")
	}
	if near := nearest(strings.ToLower(name), slices.Sorted(keysOf(callNumbers[m.name]))); near != "" {
		return err.hint("did you mean %s?", near)
	}
	return err
}

// noneExists is the fault of a rule whose system calls are all of other
// architectures.
func (p *parser) noneExists() *ParseError {
	m, _ := machineOf(p.elf)
	return faultf("unknown system call %q on %s", p.unknown[0], m.name).hint("it exists on other architectures only")
}
