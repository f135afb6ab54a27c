package query

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A NameFile gives numbers the names that a file in the form of /etc/passwd or
// /etc/group has for them.
type NameFile struct {
	byID   map[uint32]string
	byName map[string]uint32
}

// ReadNames reads such a file. One that cannot be read leaves numbers nameless.
func ReadNames(path string) NameFile {
	n := NameFile{map[uint32]string{}, map[string]uint32{}}
	text, err := os.ReadFile(path)
	if err != nil {
		return n
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		if _, taken := n.byID[uint32(id)]; !taken {
			n.byID[uint32(id)] = f[0]
		}
		if _, taken := n.byName[f[0]]; !taken {
			n.byName[f[0]] = uint32(id)
		}
	}
	return n
}

// UserName implements encode.Names.
func (n NameFile) UserName(id uint32) string { return n.byID[id] }

// FileSystem implements encode.Names: nobody knows what was mounted then.
func (n NameFile) FileSystem(event.Dev) (id, accessPoint string) { return "", "" }

// ID is the number that has a name.
func (n NameFile) ID(name string) (uint32, bool) {
	id, ok := n.byName[name]
	return id, ok
}

// Protocols names protocols as a file in the form of /etc/protocols does, which
// is read when the first is asked for.
func Protocols(path string) func(number int) (string, bool) {
	read := sync.OnceValue(func() map[int]string {
		names := map[int]string{}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // numbers stay nameless
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			n, err := strconv.Atoi(f[1])
			if _, taken := names[n]; err == nil && !taken {
				names[n] = f[0]
			}
		}
		return names
	})
	return func(number int) (string, bool) {
		name, ok := read()[number]
		return name, ok
	}
}
