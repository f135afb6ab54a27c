package daemon

import (
	"errors"
	"fmt"

	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// Places returns what says of a path how this machine has it now, for lint. A
// path on a dead file server counts as existing.
func Places() (func(path string) rules.Place, error) {
	all, err1 := host.ReadMounts()
	fstab, err2 := host.Fstab()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var table host.MountTable
	table.Set(all)
	mounts := host.Trusted(all)
	return func(path string) rules.Place {
		p := rules.Place{Exists: exists(&table, path) == nil}
		if point, ok := fstabPoint(path, fstab); ok {
			if m, mounted := host.MountOf(mounts, path); !mounted || !host.Below(m.Point, point) {
				p.Mount = point
				return p
			}
		}
		if at, err := table.At(path); err == nil && at.Path != path {
			p.Link = at.Path
		}
		return p
	}, nil
}
