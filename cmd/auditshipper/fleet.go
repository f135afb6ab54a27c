package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/query"
)

// A fleetCheck is what fleet was told.
type fleetCheck struct {
	sourceWords
	every    time.Duration
	expected []string
	want     string // hash of the configuration
	json     bool

	tagKey, tagValue string // of the instances that are expected
}

func newFleetCheck() *fleetCheck {
	return &fleetCheck{sourceWords: newSourceWords(), every: 5 * time.Minute}
}

func fleetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fleet --log-group GROUP",
		Short: "tell which hosts are silent or deviate",
		Long: `Fleet prints every host of a log group: its last sign of life, version,
configuration, rules in effect, what waits for delivery, and gaps. It reads
heartbeats, starts, stops and gaps of the last 24 hours, and asks no daemon.

states:
  ok         nothing is wrong
  late       a heartbeat is missing
  silent     two or more are missing
  deviating  rules are missing, the configuration is not most hosts' one,
             delivery is behind, or there are gaps that were not planned
  stopped    the daemon said that it stops
  missing    the host is expected, and nothing came from it

` + newFleetCheck().words().usage() + `
exit status:
  0  every host is ok
  1  it failed
  2  a flag is wrong
  3  a host is not ok`,
		Example:            "  auditshipper fleet --log-group /auditshipper --expect hosts.txt",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsHelp(args) {
				return cmd.Help()
			}
			f := newFleetCheck()
			if err := f.words().parse(args); err != nil {
				return usageError(cmd, err)
			}
			if f.group == "" {
				return usageError(cmd, errors.New("--log-group is missing"))
			}
			return f.run(cmd)
		},
	}
}

func (f *fleetCheck) words() words {
	all := words{
		{names: "--log-group", value: "GROUP", help: "log group of CloudWatch Logs, by name or ARN; may be repeated", set: f.addGroup},
		textWord("--config", "FILE", "configuration file", &f.config),
		{names: "--since", value: "AGO", help: "how far back to look (24h): who was silent for longer is not known", set: func(v, _ string) (used int, err error) {
			f.from, err = f.clock.Since(v)
			return 1, err
		}},
		{names: "--every", value: "TIME", help: "interval of heartbeats that do not say it (5m)", set: func(v, _ string) (used int, err error) {
			if f.every, err = time.ParseDuration(v); err != nil || f.every <= 0 {
				return 1, query.Say("--every %s: a time such as 5m is wanted", v)
			}
			return 1, nil
		}},
		{names: "--expect", value: "FILE|tag:KEY=VALUE", help: "what must be there: instance ids or host names, one a line of a file, or the running EC2 instances with a tag", set: f.expect},
		textWord("--config-hash", "HASH", "configuration that every host should have, instead of most hosts' one", &f.want),
		switchWord("--json", "print JSON, a line for each host", &f.json),
	}
	return append(all, f.engineWords.words()...)
}

// expect reads the names of hosts; empty lines and what follows # do not count.
func (f *fleetCheck) expect(file, _ string) (int, error) {
	if tag, ok := strings.CutPrefix(file, "tag:"); ok {
		f.tagKey, f.tagValue, ok = strings.Cut(tag, "=")
		if !ok || f.tagKey == "" {
			return 1, query.Say("--expect %s: tag:KEY=VALUE is wanted", file)
		}
		return 1, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 1, query.Say("--expect: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if name := strings.TrimSpace(line); name != "" {
			f.expected = append(f.expected, name)
		}
	}
	return 1, nil
}

// expectTagged asks EC2 which instances have the tag. None is no answer: then the tag
// is wrong, or nobody would notice that all are missing.
func (f *fleetCheck) expectTagged(cmd *cobra.Command) error {
	if f.tagKey == "" {
		return nil
	}
	cw, err := f.connect(cmd.Context())
	if err != nil {
		return err
	}
	ids, err := cw.Instances(cmd.Context(), f.tagKey, f.tagValue)
	if err == nil && len(ids) == 0 {
		err = fmt.Errorf("no running instance has the tag %s=%s", f.tagKey, f.tagValue)
	}
	f.expected = append(f.expected, ids...)
	return err
}

func (f *fleetCheck) run(cmd *cobra.Command) (err error) {
	if f.from.IsZero() {
		f.from = time.Now().Add(-24 * time.Hour)
	}
	want := query.NewSearch()
	want.Actions = []string{"daemon", "gap"}
	src, raw, err := f.openGroup(cmd, query.Options{Facts: true, From: f.from}, want, false)
	if err != nil {
		return ignoreDry(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if err := f.expectTagged(cmd); err != nil {
		return err
	}
	fleet := query.Fleet{Every: f.every, Config: f.want}
	for {
		e, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if !raw || e.Facts != nil {
			fleet.Take(e)
		}
	}
	return f.print(cmd.OutOrStdout(), fleet.Hosts(time.Now(), f.expected))
}

func (f *fleetCheck) print(w io.Writer, hosts []query.Host) error {
	wrong := 0
	table := tabwriter.NewWriter(forTerminal(w), 0, 8, 2, ' ', 0)
	if !f.json {
		fmt.Fprintln(table, "STATE\tSTREAM\tHOST\tLAST\tVERSION\tCONFIG\tRULES\tUNDELIVERED\tLOST\tGAPS\tWHY")
	}
	for _, h := range hosts {
		if h.State != query.HostOK {
			wrong++
		}
		if f.json {
			if err := printJSON(w, h); err != nil {
				return err
			}
			continue
		}
		last := "-"
		if !h.Last.IsZero() {
			last = h.Last.Local().Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.12s\t%d/%d\t%d\t%d\t%d\t%s\n", h.State, query.SafeWord(h.Stream), query.SafeWord(orDash(h.Name)), last,
			query.SafeWord(orDash(h.Version)), query.SafeWord(orDash(h.Config)), h.Rules, h.Wanted, h.Undelivered, h.Lost, h.Gaps, h.Why)
	}
	if err := table.Flush(); err != nil {
		return brokenPipe(err)
	}
	if len(hosts) == 0 {
		return errors.New("no host has sent a heartbeat")
	}
	if wrong > 0 {
		return withStatus(exitDiffers, quiet{})
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
