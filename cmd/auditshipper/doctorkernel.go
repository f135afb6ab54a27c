package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

func isRoot() bool { return os.Geteuid() == 0 }

// kernel looks at audit itself: is it there, on, and whose.
func (d *doctor) kernel() {
	k, err := kaudit.OpenControl()
	if err != nil {
		cure := "a kernel with CONFIG_AUDIT and CONFIG_AUDITSYSCALL"
		if refused := (*kaudit.RefusedError)(nil); errors.As(err, &refused) {
			cure = refused.Cure
		}
		d.find("kernel", ill, cure, "%v", err)
		return
	}
	defer k.Close()
	st, err := k.Status()
	if err != nil {
		verdict, cure := ill, "in a container: --pid=host, and CAP_AUDIT_CONTROL"
		if refused := (*kaudit.RefusedError)(nil); errors.As(err, &refused) {
			cure = refused.Cure
		} else if !isRoot() {
			verdict, cure = unknown, "run doctor as root"
		}
		d.find("kernel", verdict, cure, "%v", err)
		return
	}
	switch st.Enabled {
	case kaudit.Disabled:
		d.find("kernel", ill, "auditctl -e 1, or start the daemon. For good, and for what starts at boot: audit=1 on the kernel's command line", "auditing is off")
	case kaudit.Immutable:
		d.find("kernel", doubt, "rules change at the next boot only: auditshipper rules apply --persist, and reboot", "the rules are immutable (enabled 2)")
	default:
		d.find("kernel", well, "", "auditing is on")
	}
	d.find("lost", when(st.Lost > 0, doubt), "kernel.backlog_limit: 16384 or more; docs/sizing.md", "%d records lost since boot, queue %d of %d", st.Lost, st.Backlog, st.BacklogLimit)
	d.limits(st)
	d.registration(st)
	d.rules(k, st.Enabled == kaudit.Immutable)
}

// limits looks at what the kernel does with records that are too many.
func (d *doctor) limits(st kaudit.Status) {
	d.find("rate limit", when(st.RateLimit > 0, ill), "auditctl -r 0", "the kernel drops what is beyond %d records a second; 0 is no limit", st.RateLimit)
	switch {
	case st.Failure == kaudit.FailPanic:
		d.find("failure", doubt, "auditctl -f 1, unless that is wanted", "the kernel panics when it must drop a record")
	case st.Failure == kaudit.FailSilent && d.c.Kernel.FailureMode != "silent":
		d.find("failure", doubt, "auditctl -f 1", "the kernel's own log does not tell of records that the kernel drops")
	default:
		d.find("failure", well, "", "mode %d", st.Failure)
	}
}

// registration looks at who is the kernel's audit daemon.
func (d *doctor) registration(st kaudit.Status) {
	ours := d.status != nil && (int(st.PID) == d.status.PID || d.status.Source.Mode == "unicast")
	switch {
	case st.PID == 0 && d.status == nil:
		d.find("audit daemon", doubt, "start ours", "none is registered: events go to the kernel's log")
	case st.PID == 0, ours:
		d.find("audit daemon", well, "", "registered: %d", st.PID)
	default:
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", st.PID))
		if err != nil {
			comm = []byte("gone")
		}
		d.find("audit daemon", well, "", "%s (%d) is registered; ours reads the multicast beside it", strings.TrimSpace(string(comm)), st.PID)
	}
}

// rules looks at never,task, at what is missing, hidden or waits.
func (d *doctor) rules(k rules.Kernel, locked bool) {
	loaded, err := rules.Loaded(k)
	if err != nil {
		d.find("rules", unknown, "", "%v", err)
		return
	}
	d.neverTask(rules.NeverTask(loaded))
	wanted, err := daemon.WantedRules(d.c, rules.Options{})
	if err != nil {
		d.find("rules", ill, "auditshipper rules check", "%v", err)
		return
	}
	d.find("mounts", when(len(wanted.Waiting) > 0, ill), "mount it: the daemon arms the watch by itself", "%s", or(strings.Join(wanted.Waiting, ", "), "every watch has its file system"))
	has := map[string]int{}
	for i := range loaded {
		has[loaded[i].Sum()] = i + 1
	}
	var missing, hidden []string
	want, late := 0, 0
	for _, s := range wanted.Sources {
		if locked {
			var never []rules.Rule
			s, never = s.WithoutLate(func(r *rules.Rule) bool { return has[r.Sum()] > 0 })
			late += len(never)
		}
		for i := range s.Rules {
			want++
			at := has[s.Rules[i].Sum()]
			if at == 0 {
				missing = append(missing, s.Rules[i].String())
			} else if by := rules.Hider(loaded[:at-1], &s.Rules[i]); by != nil {
				hidden = append(hidden, s.Rules[i].String()+" by "+by.String())
			}
		}
	}
	cure := "auditshipper rules apply"
	if locked {
		cure = "auditshipper rules apply --persist, and reboot"
	}
	if late > 0 {
		d.find("io_uring", doubt, "start the daemon before auditd locks the rules, or kernel.io_uring_disabled=2",
			"%s not loaded: the rules are immutable, and auditctl does not load such", counted(late, "rule"))
	}
	d.find("rules", when(len(missing) > 0, ill), cure, "%d of %d are loaded%s", want-len(missing), want, list("; missing: ", missing))
	for _, h := range rules.Excluded(loaded) {
		d.find("excluded records", ill, deleteCommand(h.By)+", and take the line out of /etc/audit/rules.d", "%s", h)
	}
	if len(hidden) > 0 {
		d.find("hidden rules", ill, "take the never rule out, or load it later: the first rule that matches wins", "%s", strings.Join(hidden, "; "))
	}
}

// deleteCommand is the command that deletes a rule of the exclude list, quoted for a shell.
func deleteCommand(r rules.Rule) string {
	fields := strings.Split(strings.TrimPrefix(r.AddLine(), "-a "), " -F ")
	command := "sudo auditctl -d " + fields[0]
	for _, f := range fields[1:] {
		command += " -F '" + f + "'"
	}
	return command
}

func (d *doctor) neverTask(never []rules.Rule) {
	if len(never) == 0 {
		d.find("never,task", well, "", "is not loaded")
		return
	}
	evidence := "is loaded: processes born since are never audited"
	if all, err := processes(); err == nil {
		var some []string
		for _, p := range all[:min(len(all), 10)] {
			some = append(some, fmt.Sprintf("%d %s", p.PID, p.Name))
		}
		evidence += fmt.Sprintf("; the youngest of %d: %s", len(all), strings.Join(some, ", "))
	}
	d.find("never,task", ill, "auditshipper rules apply --fix-never-task, then restart what it lists", "%s", evidence)
}

func list(prefix string, items []string) string {
	if len(items) == 0 {
		return ""
	}
	return prefix + strings.Join(items, "; ")
}

// journal looks at the journal on disk.
func (d *doctor) journal() {
	dir := filepath.Join(d.c.StateDir, "journal")
	v, err := journal.OpenReadOnly(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		d.find("journal", doubt, "the daemon makes it at its first start", "%s is not there", dir)
		return
	case errors.Is(err, os.ErrPermission):
		d.find("journal", unknown, "run doctor as root", "%v", err)
		return
	case err != nil:
		d.find("journal", ill, "auditshipper journal verify", "%v", err)
		return
	}
	defer v.Close()
	st, err := v.Stat()
	if err != nil {
		d.find("journal", ill, "auditshipper journal verify", "%v", err)
		return
	}
	limit := int64(d.c.Journal.MaxBytes)
	full := st.Undelivered > limit*9/10
	d.find("journal", when(full, ill), "mend delivery, or raise journal.max_bytes: a full journal refuses the newest", "%.1f of %.0f MiB, %.1f MiB to deliver", mib(st.Bytes), mib(limit), mib(st.Undelivered))
	d.disk(limit - st.Bytes)
	if sum, err := journal.Verify(dir, func(*journal.Damage) {}); err == nil && sum.Damages > 0 {
		d.find("damage", ill, "look at the disk; auditshipper journal verify tells where", "%d records cannot be read", sum.Missing)
	}
}

// disk looks for the room that the journal may still take, and needs for one
// segment at least.
func (d *doctor) disk(wanted int64) {
	name, free, err := daemon.Disk(d.c.StateDir)
	if err != nil {
		d.find("disk", unknown, "", "%v", err)
		return
	}
	const segment = 16 << 20
	verdict := when(int64(free) < wanted, doubt)
	if free < segment {
		verdict = ill
	}
	d.find("disk", verdict, "make room there, or lower journal.max_bytes", "%s: %d bytes free, the journal may grow by %.0f MiB", name, free, mib(max(wanted, 0)))
}
