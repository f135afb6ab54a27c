package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// Places returns what says of a path how this machine has it now, for lint. A
// path on a dead file server counts as existing.
func Places() (func(path string) rules.Place, error) {
	mounts, err1 := host.ReadMounts()
	fstab, err2 := host.Fstab()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return func(path string) rules.Place {
		p := rules.Place{Exists: exists(path) == nil}
		if point, ok := fstabPoint(path, fstab); ok {
			if m, mounted := host.MountOf(mounts, path); !mounted || !host.Below(m.Point, point) {
				p.Mount = point
				return p
			}
		}
		if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSymlink != 0 {
			if p.Link, err = filepath.EvalSymlinks(path); err != nil {
				p.Link = "what it leads to"
			}
		}
		return p
	}, nil
}
