package daemon

import (
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
)

// A disk is the file system that the journal lies on.
type disk struct {
	name string // its device and mount point
	free uint64 // bytes that we may use
}

// diskOf returns the file system that dir lies on.
func diskOf(dir string, mounts []host.Mount) (disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return disk{}, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	d := disk{name: dir, free: st.Bavail * uint64(st.Bsize)}
	if m, ok := host.MountOf(mounts, dir); ok {
		d.name = m.Source + " on " + m.Point
	}
	return d, nil
}

func (d disk) String() string { return fmt.Sprintf("%s has %d bytes free", d.name, d.free) }

// Disk names the file system that a state directory lies on, and the bytes that
// are free there.
func Disk(stateDir string) (name string, free uint64, err error) {
	mounts, err := host.ReadMounts()
	if err != nil {
		return "", 0, err
	}
	on, err := diskOf(stateDir, mounts)
	return on.name, on.free, err
}

// refusal says in words why the journal takes no records.
func refusal(st journal.Stat, dir string, mounts []host.Mount) string {
	if st.FullWhy == nil {
		return fmt.Sprintf("the journal is full: %d of %d MiB, and nothing of it is delivered", st.Bytes>>20, st.MaxBytes>>20)
	}
	text := "the journal cannot grow: " + st.FullWhy.Error()
	if d, err := diskOf(dir, mounts); err == nil {
		text += "; " + d.String()
	}
	return text
}

// A roomWatch says in the log when the journal begins to refuse records and when
// that is over. No next record is needed for it to end.
type roomWatch struct{ full bool }

func (w *roomWatch) look(d *Daemon) {
	st := d.journal.Stat()
	full := !st.FullSince.IsZero()
	if full {
		d.source.Wake() // to try again
	}
	switch {
	case full && !w.full:
		d.log.Error("the journal refuses records, which are counted", zap.String("why", refusal(st, d.cfg.StateDir, d.mounts.Mounts())))
	case !full && w.full:
		d.log.Info("the journal takes records again")
	}
	w.full = full
}
