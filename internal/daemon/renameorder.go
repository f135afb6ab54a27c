package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/rules"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// A rename between two directories has a PARENT record for each. The kernel's compiler
// decides which comes first, and a rename by descriptors does not tell it. So a child of
// the daemon renames a file of its own at the start, by absolute paths, under a rule that
// matches our children only: the names in those records tell the order for this boot. It
// takes a child, since the kernel never audits the audit daemon itself.

const (
	// orderKey is the key of that rule.
	orderKey = "auditshipper_order"

	// childTime is how long the child may take.
	childTime = 5 * time.Second
)

// showOrder makes the kernel print a rename whose names tell the order of PARENT records.
// Without it the order is known later: from the first rename whose names tell it.
func (d *Daemon) showOrder(ctx context.Context) {
	if d.ChildRename == nil {
		return
	}
	if err := d.renameUnderRule(ctx); err != nil {
		d.log.Warn("renames by descriptors stay unresolved until another rename shows the order of the kernel's records", zap.Error(err))
	}
}

func (d *Daemon) renameUnderRule(ctx context.Context) (err error) {
	words := fmt.Sprintf("-a always,exit -F arch=b64 -S renameat,renameat2 -F ppid=%d -k %s", os.Getpid(), orderKey)
	line, err := rules.ParseArgs(strings.Fields(words), rules.Options{})
	if err != nil {
		return err
	}
	rule := line.Add.Encode()
	if err := d.control.AddRule(rule); err != nil {
		return fmt.Errorf("add a rule with key %s: %w", orderKey, err)
	}
	defer func() {
		if e := d.control.DeleteRule(rule); e != nil {
			err = errors.Join(err, fmt.Errorf("delete the rule with key %s: %w", orderKey, e))
		}
	}()
	old, now, err := d.orderFile()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, childTime)
	defer cancel()
	return d.ChildRename(ctx, old, now)
}

// orderFile returns where the file to be renamed is, and where it goes. Its two directories
// stay for good: the inodes of directories that were seen and removed would be given to others.
func (d *Daemon) orderFile() (from, to string, err error) {
	one, err := safefile.Make(filepath.Join(d.cfg.StateDir, "order", "one"))
	if err != nil {
		return "", "", err
	}
	defer one.Close()
	other, err := safefile.Make(filepath.Join(d.cfg.StateDir, "order", "other"))
	if err != nil {
		return "", "", err
	}
	defer other.Close()
	from, to = filepath.Join(one.Path(), "file"), filepath.Join(other.Path(), "file")
	if _, err := other.Mode("file"); err == nil {
		return to, from, nil
	}
	f, err := one.OpenFile("file", os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return "", "", err
	}
	return from, to, f.Close()
}
