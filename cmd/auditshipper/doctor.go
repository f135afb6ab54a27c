package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/query"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "find what is wrong, each with its cure",
		Long: `Doctor looks at everything that can keep a deletion from arriving: the kernel,
other audit daemons, never,task, mounts, rules, the journal, the daemon, the
service and the clock. With --canary it makes a file in each watched directory,
deletes it, and waits until that has arrived: nothing else proves the way.

It changes nothing else, and does not need the daemon to run. What it may not look
at without root it says.

exit status:
  0  all is well
  2  the configuration cannot be read
  3  a check failed, or the configuration has a fault`,
		Example: "  sudo auditshipper doctor --canary",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, faults := loadConfig(cmd)
			if fault := (*config.Fault)(nil); faults != nil && !errors.As(faults, &fault) {
				return faults
			}
			var err error
			d := &doctor{c: c, faults: joinedErrors(faults), now: time.Now}
			d.examine(cmd.Context())
			if canary, _ := cmd.Flags().GetBool("canary"); canary {
				d.canaries(cmd.Context())
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"checks": d.findings})
			} else {
				err = d.tell(cmd.OutOrStdout())
			}
			if err == nil && d.failed() {
				return withStatus(exitDiffers, quiet{})
			}
			return err
		},
	}
	cmd.Flags().Bool("canary", false, "delete a file in each watched directory and wait for the event")
	cmd.Flags().Bool("json", false, "print JSON")
	return cmd
}

// Verdicts of a check.
const (
	well    = "ok"
	doubt   = "warning" // it works, and could work better
	ill     = "failed"
	unknown = "skipped" // it could not be looked at
)

// A diagnosis is what one check found.
type diagnosis struct {
	Check    string `json:"check"`
	Verdict  string `json:"verdict"`
	Evidence string `json:"evidence"`
	Cure     string `json:"cure,omitempty"`
}

// A doctor looks at one host.
type doctor struct {
	c        config.Config
	now      func() time.Time
	status   *daemon.Status // of the running daemon, nil if none answers
	asked    error          // why not
	faults   []error        // of the configuration itself
	findings []diagnosis
}

func (d *doctor) find(check, verdict, cure, format string, args ...any) {
	if verdict == well {
		cure = ""
	}
	d.findings = append(d.findings, diagnosis{check, verdict, fmt.Sprintf(format, args...), cure})
}

// when is a verdict that is bad if something is so.
func when(bad bool, verdict string) string {
	if bad {
		return verdict
	}
	return well
}

// examine makes all checks but the canary's, in the order of an event's way.
func (d *doctor) examine(ctx context.Context) {
	st, err := daemon.Ask(d.c)
	if d.asked = err; err == nil {
		d.status = &st
	}
	d.configuration()
	d.renames()
	d.kernel()
	d.daemon()
	d.journal()
	d.service(ctx)
}

func (d *doctor) failed() bool {
	for _, f := range d.findings {
		if f.Verdict == ill {
			return true
		}
	}
	return false
}

// tell prints what was found, and the cures.
func (d *doctor) tell(w io.Writer) error {
	for _, f := range d.findings {
		if _, err := fmt.Fprintf(w, "%-8s %-14s %s\n", f.Verdict, f.Check, query.Safe(f.Evidence)); err != nil {
			return err
		}
		if f.Cure != "" {
			fmt.Fprintf(w, "%-8s %-14s cure: %s\n", "", "", query.Safe(f.Cure))
		}
	}
	return nil
}

// configuration looks for what the machine makes wrong in it.
func (d *doctor) configuration() {
	errs := slices.Concat(d.faults, daemon.CheckState(d.c))
	texts, _ := textsOf(errs)
	advice, hints := textsOf(daemon.Advise(d.c))
	switch {
	case len(errs) > len(d.faults) && !isRoot() && len(d.faults) == 0:
		d.find("configuration", unknown, "run doctor with sudo; a member of the group auditshipper sees the daemon's status", "%s", strings.Join(texts, "; "))
	case len(errs) > 0:
		d.find("configuration", ill, "auditshipper config check", "%s", strings.Join(texts, "; "))
	case len(advice) > 0: // as config check has it
		d.find("configuration", doubt, hints[0], "%s", strings.Join(advice, "; "))
	default:
		d.find("configuration", well, "", "%s", counted(len(d.c.Watches), "watch")+strings.Repeat("es", min(1, len(d.c.Watches)-1)))
	}
}

// textsOf returns the texts and the hints of errors.
func textsOf(errs []error) (texts, hints []string) {
	for _, err := range errs {
		texts = append(texts, err.Error())
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			hints = append(hints, h.Hint())
		}
	}
	return texts, hints
}

// renames looks for watches under which directories are renamed unseen.
func (d *doctor) renames() {
	blind := func(w config.Watch) bool {
		return slices.Contains(w.Ops, "delete") && !slices.ContainsFunc(d.c.Watches, func(other config.Watch) bool {
			return slices.Contains(other.Ops, "rename") && (other.Path == w.Path || strings.HasPrefix(w.Path, strings.TrimSuffix(other.Path, "/")+"/"))
		})
	}
	if i := slices.IndexFunc(d.c.Watches, blind); i >= 0 {
		d.find("renames", doubt, "ops: [delete, rename]; docs/troubleshooting.md",
			"%s: directories may be renamed unseen; what is deleted in one just before may have its later path", d.c.Watches[i].Path)
	}
}

// daemon looks at the running daemon.
func (d *doctor) daemon() {
	st := d.status
	switch {
	case errors.Is(d.asked, os.ErrPermission):
		d.find("daemon", unknown, askHint(d.asked), "%v", d.asked)
		return
	case errors.Is(d.asked, daemon.ErrForger):
		d.find("daemon", ill, askHint(d.asked), "%v", d.asked)
		return
	case st == nil:
		d.find("daemon", ill, "systemctl start auditshipper, or auditshipper run", "none answers on %s", d.c.Socket)
		return
	}
	verdict := map[string]string{"running": well, "starting": doubt, "stopping": doubt}[st.State]
	if verdict == "" {
		verdict = ill
	}
	d.find("daemon", verdict, "auditshipper status; docs/troubleshooting.md", "%s", strings.TrimSpace(fmt.Sprintf("%s, pid %d, %s %s", st.State, st.PID, st.Source.Mode, st.Why)))
	var gaps []string
	for cause, n := range st.Gaps {
		gaps = append(gaps, fmt.Sprintf("%d %s", n, cause))
	}
	d.find("gaps", when(len(gaps) > 0, doubt), "auditshipper search -m AUDITSHIPPER_GAP --format text tells when, and docs/troubleshooting.md why",
		"since its start: %s", or(strings.Join(gaps, ", "), "none"))
}

func or(text, none string) string {
	if text == "" {
		return none
	}
	return text
}
