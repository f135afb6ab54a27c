package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/query"
)

func journalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "look into the journal on disk",
		Long: `Journal looks into the journal of the configured state_dir, or of the directory
given, while the daemon runs or not, and changes nothing. The format is in
docs/journal-format.md.`,
		Example: "  sudo auditshipper journal stat",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(journalStatCommand(), journalVerifyCommand(), journalDumpCommand())
	return cmd
}

// journalDir is the directory that a command is about.
func journalDir(cmd *cobra.Command, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	c, err := loadUsable(cmd)
	return filepath.Join(c.StateDir, "journal"), err
}

func journalStatCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "stat [DIRECTORY]",
		Short:   "print how much the journal holds",
		Example: "  sudo auditshipper journal stat --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			dir, err := journalDir(cmd, args)
			if err != nil {
				return err
			}
			v, err := journal.OpenReadOnly(dir)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, v.Close()) }()
			st, err := v.Stat()
			if err != nil {
				return err
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(statJSON(st))
			}
			return tellStat(cmd.OutOrStdout(), dir, st)
		},
	}
	cmd.Flags().Bool("json", false, "print JSON")
	return cmd
}

func statJSON(st journal.Stat) map[string]any {
	out := map[string]any{
		"bytes": st.Bytes, "undelivered_bytes": st.Undelivered, "segments": st.Segments,
		"low": st.Low, "oldest": st.Oldest, "newest": st.Newest,
	}
	for key, t := range map[string]time.Time{"oldest_time": st.OldestTime, "newest_time": st.NewestTime} {
		if !t.IsZero() {
			out[key] = t.UTC()
		}
	}
	return out
}

func tellStat(w io.Writer, dir string, st journal.Stat) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "journal\t%s\n", dir)
	fmt.Fprintf(t, "bytes\t%d in %s\n", st.Bytes, counted(st.Segments, "segment"))
	fmt.Fprintf(t, "records\t%d to %d\n", st.Oldest, st.Newest)
	fmt.Fprintf(t, "appended\t%s to %s\n", stamp(st.OldestTime), stamp(st.NewestTime))
	fmt.Fprintf(t, "to deliver\tfrom record %d on, about %d bytes\n", st.Low, st.Undelivered)
	return t.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format(time.RFC3339)
}

func journalVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [DIRECTORY]",
		Short: "read all of the journal and tell what is damaged",
		Long: `Verify reads every record of the journal and tells each stretch that cannot be
read.

exit status:
  0  every record can be read
  1  some cannot`,
		Example: "  sudo auditshipper journal verify",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := journalDir(cmd, args)
			if err != nil {
				return err
			}
			sum, err := journal.Verify(dir, func(d *journal.Damage) { fmt.Fprintln(cmd.ErrOrStderr(), d) })
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s in %s can be read, %d cannot\n", counted(int(sum.Records), "record"), counted(sum.Segments, "segment"), sum.Missing)
			if sum.Damages > 0 {
				return fmt.Errorf("%s: damaged in %s", dir, counted(sum.Damages, "place"))
			}
			return nil
		},
	}
}

func journalDumpCommand() *cobra.Command {
	var raw, undelivered bool
	var from uint64
	cmd := &cobra.Command{
		Use:   "dump [DIRECTORY]",
		Short: "print the journal's records",
		Long: `Dump prints every record that the journal holds, delivered or not: its sequence,
when it was appended, and the record as a line of audit.log; with --raw the line
only, so that ausearch -if reads it.`,
		Example: "  sudo auditshipper journal dump --raw --undelivered",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			dir, err := journalDir(cmd, args)
			if err != nil {
				return err
			}
			v, err := journal.OpenReadOnly(dir)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, v.Close()) }()
			if undelivered {
				low, _, err := v.Cursor()
				if err != nil {
					return err
				}
				from = max(from, low)
			}
			if err := v.Seek(from); err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			return errors.Join(dump(out, cmd.ErrOrStderr(), v, raw), out.Flush())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&raw, "raw", false, "print lines of audit.log")
	flags.BoolVar(&undelivered, "undelivered", false, "begin with what the service has not yet accepted")
	flags.Uint64Var(&from, "from", 0, "begin with this record")
	return cmd
}

// dump prints records to w, and what cannot be read to complaints.
func dump(w, complaints io.Writer, v *journal.View, raw bool) error {
	var line []byte
	for {
		seq, rec, err := v.Next()
		damage, damaged := errors.AsType[*journal.Damage](err)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case damaged:
			fmt.Fprintln(complaints, damage)
			continue
		case err != nil:
			return err
		}
		line = line[:0]
		if !raw {
			line = fmt.Appendf(line, "%d %s ", seq, v.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		if typ, text, extra, node := event.SplitNode(rec); typ == 0 {
			line = fmt.Appendf(line, "%q", rec)
		} else {
			line = event.AppendExtra(event.AppendLine(line, typ, text, node), extra)
		}
		if !raw {
			line = []byte(query.Safe(string(line)))
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
}
