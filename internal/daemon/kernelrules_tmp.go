package daemon

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"golang.org/x/sys/unix"
)

// TEMPORARY
type kernelRules struct {
	c    *kaudit.Control
	have [][]byte
}

func newKernelRules(d *Daemon) (ruler, error) { return &kernelRules{c: d.control}, nil }

func rule(arch uint32, nrs []int, dir, key string) []byte {
	b := make([]byte, 1040)
	le := binary.NativeEndian
	le.PutUint32(b[0:], 4) // exit
	le.PutUint32(b[4:], 2) // always
	for _, n := range nrs {
		w := b[12+4*(n/32):]
		le.PutUint32(w, le.Uint32(w)|1<<(n%32))
	}
	f := 0
	add := func(field, val, op uint32) {
		le.PutUint32(b[12+256+4*f:], field)
		le.PutUint32(b[12+256+256+4*f:], val)
		le.PutUint32(b[12+256+512+4*f:], op)
		f++
	}
	const eq = 0x40000000
	add(11, arch, eq)
	add(107, uint32(len(dir)), eq)
	add(104, 1, eq)
	add(210, uint32(len(key)), eq)
	le.PutUint32(b[8:], uint32(f))
	le.PutUint32(b[12+256+768:], uint32(len(dir)+len(key)))
	return append(append(b, dir...), key...)
}

func (k *kernelRules) apply(c config.Config, watches []config.Watch) (added, removed []string, err error) {
	list, err := k.c.ListRules()
	if err != nil {
		return nil, nil, err
	}
	k.have = nil
	for _, w := range watches {
		for _, r := range [][]byte{
			rule(0xc000003e, []int{82, 84, 87, 263, 264, 316}, w.Path, w.Key),
			rule(0x40000003, []int{10, 38, 40, 301, 302, 353}, w.Path, w.Key),
		} {
			k.have = append(k.have, r)
			if slices.ContainsFunc(list, func(l []byte) bool { return string(l) == string(r) }) {
				continue
			}
			if err := k.c.AddRule(r); err != nil && !errors.Is(err, unix.EEXIST) {
				return added, nil, err
			}
			added = append(added, w.Path)
		}
	}
	return added, nil, nil
}
func (k *kernelRules) renew(path string) error { return k.c.MakeEquivalent(path, path) }
func (k *kernelRules) withdraw() error {
	var errs []error
	for _, r := range k.have {
		errs = append(errs, k.c.DeleteRule(r))
	}
	return errors.Join(errs...)
}
func (k *kernelRules) wanted() int { return len(k.have) }
