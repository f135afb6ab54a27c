package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/query"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "ask the running daemon how it does",
		Long: `Status asks the daemon over its unix socket and prints what it says: where
records come from, which rules are in effect, what is on disk, how far delivery
has got, and what was lost. The daemon answers even while delivery hangs.

exit status:
  0  the daemon runs, and delivers
  1  no daemon answers
  3  it is degraded or blocked`,
		Example: "  auditshipper status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadUsable(cmd)
			if err != nil {
				return err
			}
			st, err := daemon.Ask(c)
			if err != nil {
				return hinted{err, askHint(err)}
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				err = printJSON(cmd.OutOrStdout(), st)
			} else {
				err = printStatus(cmd.OutOrStdout(), st)
			}
			if err == nil && (st.State == "degraded" || st.State == "blocked") {
				return withStatus(exitDiffers, quiet{})
			}
			return err
		},
	}
	cmd.Flags().Bool("json", false, "print JSON")
	return cmd
}

// askHint says what to do about a daemon that does not answer.
func askHint(err error) string {
	switch {
	case errors.Is(err, daemon.ErrForger):
		return "see who it is, as root: ss -xlp"
	case errors.Is(err, os.ErrPermission):
		return "ask with sudo, or as a member of the group auditshipper"
	}
	return "is it running? systemctl status auditshipper"
}

// printStatus writes st for a person.
func printStatus(w io.Writer, st daemon.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, query.Safe(fmt.Sprintf(format, args...)))
	}
	state := st.State
	if st.Why != "" {
		state += ": " + st.Why
	}
	row("state", "%s", state)
	row("daemon", "%s on %s, pid %d, up %s", st.Version, st.Host, st.PID, max(0, time.Since(st.Started)).Round(time.Second))
	s := st.Source
	row("source", "%s, registered pid %d, %d records, receive buffer %d MiB", s.Mode, s.RegisteredPID, s.Records, s.ReceiveBuffer>>20)
	row("kernel", "lost %d, backlog %d of %d, overruns %d", s.Lost, s.Backlog, s.BacklogLimit, s.Overruns)
	if s.Forged > 0 {
		row("forged", "%d records that a process sent in the kernel's place, dropped", s.Forged)
	}
	row("rules", "%d of %d in effect, %d repairs", st.Rules.InEffect, st.Rules.Wanted, st.Rules.Repairs)
	if len(st.Rules.Waiting) > 0 {
		row("waiting", "%s", strings.Join(st.Rules.Waiting, ", "))
	}
	if n := len(st.Rules.Late); n > 0 {
		row("not loaded", "%s of io_uring: the rules are immutable, and auditctl does not load such", counted(n, "rule"))
	}
	if st.Rules.Error != "" {
		row("rules error", "%s", st.Rules.Error)
	}
	if l := st.Looks; l.Late > 0 {
		row("looks", "%d hang, %d took too long, %d were not made", l.Hung, l.Late, l.Refused)
	}
	j := st.Journal
	row("journal", "%.1f of %.0f MiB, %.1f MiB to deliver", mib(j.Bytes), mib(j.MaxBytes), mib(j.Undelivered))
	if j.Disk != "" {
		row("disk", "%s, %d bytes free", j.Disk, j.DiskFree)
	}
	if j.Flooded > 0 {
		row("flooded", "%d events counted instead of kept", j.Flooded)
	}
	d := st.Delivery
	row("delivery", "%s, %d events in %d batches, %d retries, %d rejected, lag %.1f s", strings.TrimSpace(d.Output+" "+d.Group+" "+d.Stream), d.Events, d.Batches, d.Retries, d.Rejected, d.LagSeconds)
	if d.LastSuccess != nil {
		row("last success", "%s", d.LastSuccess.Format(time.RFC3339))
	}
	switch {
	case d.Blocked != nil:
		row("since", "%s", d.Blocked.Since.Format(time.RFC3339))
	case d.StalledSince != nil:
		row("stalled since", "%s: %s", d.StalledSince.Format(time.RFC3339), d.LastError)
	}
	for _, cause := range slices.Sorted(maps.Keys(st.Gaps)) {
		row("gaps", "%d %s", st.Gaps[cause], cause)
	}
	if d.Others > 0 {
		row("others'", "%d events that none of our rules asked for (events: ours)", d.Others)
	}
	for _, f := range st.Dropped {
		row("dropped", "%d by %s", f.Events, f.Filter)
	}
	return t.Flush()
}

// printJSON writes a value as one line of JSON that is safe for a terminal.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(query.SafeJSON(text), '\n'))
	return err
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
