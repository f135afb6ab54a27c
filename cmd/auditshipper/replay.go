package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
)

func replayCommand() *cobra.Command {
	var r replay
	cmd := &cobra.Command{
		Use:   "replay FILE|-",
		Short: "ship an audit.log into the log group",
		Long: `Replay ships the events of an audit.log (RAW, ENRICHED, compressed, a directory
with rotated ones, or - for standard input) into the configured group and stream,
with the events' own times. What the group has already, by host, id and process, is left
out, so that an interrupted replay is started again as it was.

CloudWatch Logs takes nothing older than 14 days, or than the group's retention:
such events are counted and listed on standard output.

exit status:
  0  the group has everything that it takes
  1  it failed, or events were too old or rejected, or not all of the log was read
  2  an argument or the configuration is wrong`,
		Example: "  auditshipper replay /var/log/audit",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			r.c, r.out, r.log = c, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return r.run(cmd.Context(), args[0])
		},
	}
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "ship nothing, and say what would be")
	cmd.Flags().StringVar(&r.host, "host", "", "whose events these are, where the log does not say it (default: this host)")
	return cmd
}

// tooOld is what the service takes at most (PutLogEvents: "older than 14 days"),
// less the time that the replay may take itself.
const tooOld = 14*24*time.Hour - time.Hour

// A replay ships a log.
type replay struct {
	c      config.Config
	host   string
	dryRun bool
	out    io.Writer
	log    io.Writer

	cw    *ship.CloudWatch
	known map[uint64]bool // sums of host and id in the group
	seed  maphash.Seed

	mu                                   sync.Mutex
	shipped, present, old, rejected, all int
	acked                                uint64
	lacks                                bool // a part of the log was not read
}

func (r *replay) run(ctx context.Context, path string) error {
	if r.c.CloudWatch.Format == "ocsf" {
		return withStatus(exitUsage, hinted{errors.New("replay ships the formats json and raw"), "set cloudwatch.format for this call: AUDITSHIPPER_CLOUDWATCH_FORMAT=json"})
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	src, err := r.open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(r.learn(ctx), r.ship(ctx, src), src.Close()); err != nil {
		return err
	}
	verb := "shipped"
	if r.dryRun {
		verb = "to be shipped"
	}
	fmt.Fprintf(r.log, "%d events: %d %s, %d in the group already, %d too old, %d rejected\n", r.all, r.shipped, verb, r.present, r.old, r.rejected)
	if r.old+r.rejected > 0 || r.lacks {
		return withStatus(exitFailed, quiet{})
	}
	return nil
}

// prepare connects to the service.
func (r *replay) prepare(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	if r.host == "" {
		r.host = host
	}
	r.seed, r.known = maphash.MakeSeed(), map[uint64]bool{}
	w := r.c.CloudWatch
	r.cw, err = ship.NewCloudWatch(ctx, ship.CloudWatchOptions{
		Group: w.Group, Stream: w.Stream, Host: r.host, Region: w.Region, EndpointURL: w.EndpointURL, RoleARN: w.RoleARN,
		CreateGroup: w.CreateGroup, RetentionDays: w.RetentionDays, LogClass: w.LogClass, KMSKeyID: w.KMSKeyID, Tags: w.Tags,
		UseFIPS: w.UseFIPS, UseDualstack: w.UseDualstack, Log: zap.NewNop(), UserAgent: "auditshipper",
	})
	if errors.Is(err, ship.ErrNoRegion) {
		err = withStatus(exitUsage, hinted{err, "set AWS_REGION, or cloudwatch.region in the configuration"})
	}
	if errors.Is(err, ship.ErrNoInstance) {
		err = hinted{err, "give cloudwatch.stream a name without {instance_id}: AUDITSHIPPER_CLOUDWATCH_STREAM=NAME"}
	}
	return err
}

func (r *replay) open(path string) (query.Source, error) {
	o := query.Options{JSON: r.c.CloudWatch.Format == "json", Names: query.ReadNames("/etc/passwd"), Host: r.host, Warn: r.unread}
	if path == "-" {
		return query.OpenReader(os.Stdin, o), nil
	}
	return query.OpenLog(path, o)
}

// unread says what of the log is not shipped.
func (r *replay) unread(left query.Left) {
	warnTo(r.log)(left)
	r.lacks = len(left.Words()) > 0
}

func (r *replay) sum(host, id string) uint64 { return maphash.String(r.seed, host+" "+id) }

// learn asks the group what it has of the last 14 days.
func (r *replay) learn(ctx context.Context) error {
	err := r.cw.Select(ctx, ship.Selection{From: time.Now().Add(-tooOld - time.Hour).UnixMilli()}, func(e ship.Stored) error {
		if host, id, ok := query.IDOf(e.Message, r.host); ok {
			r.known[r.sum(host, id)] = true
		}
		return nil
	})
	if ship.IsMissing(err) {
		return nil
	}
	if err != nil && strings.Contains(err.Error(), "AccessDenied") {
		fmt.Fprintln(r.log, "auditshipper: the group may not be read, so that what it has already is shipped again")
		return nil
	}
	return err
}

// ship reads events and hands them over, in the order of their time.
func (r *replay) ship(ctx context.Context, src query.Source) error {
	s := ship.New(ship.Options{
		Put: r.cw, Flush: r.c.CloudWatch.FlushInterval, Concurrency: r.c.CloudWatch.Concurrency, Log: r.logger(),
		Ack: r.ack, Reject: r.reject,
	})
	var line []byte
	for {
		e, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		r.all++
		line = r.encode(line[:0], e)
		if !r.wants(e, string(line)) {
			continue
		}
		r.shipped++
		if r.dryRun {
			continue
		}
		if err := s.Add(ctx, ship.Item{Millis: e.ID.UnixMilli(), Serial: e.ID.Serial, Line: line, Mark: uint64(r.shipped)}); err != nil {
			return err
		}
		r.progress()
	}
	return s.Drain(ctx)
}

// wants reports whether an event is to be shipped: not one that the service
// would refuse, nor one that it has.
func (r *replay) wants(e *query.Event, text string) bool {
	host, id, _ := query.IDOf(text, r.host) // it is what encode made
	sum := r.sum(host, id)
	switch {
	case time.Since(e.ID.Time()) > tooOld:
		r.old++
		fmt.Fprintf(r.out, "too old: %s of %s\n", e.ID, e.ID.Time().Format(time.RFC3339))
		return false
	case r.known[sum]:
		r.present++
		return false
	}
	if !e.GivenUp { // the rest of one that was given up has the same id
		r.known[sum] = true
	}
	return true
}

func (r *replay) encode(line []byte, e *query.Event) []byte {
	if r.c.CloudWatch.Format == "json" {
		return append(line, e.JSON...)
	}
	for i := range e.Records {
		if i > 0 {
			line = append(line, '\n')
		}
		if r := &e.Records[i]; r.Type.IsForeign() { // its line would pass for one of ours
			line = event.AppendLine(line, r.Type, r.Text, []byte(e.Node))
		} else {
			line = append(line, r.Line...)
		}
	}
	return line
}

func (r *replay) ack(mark uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = mark
}

func (r *replay) reject(it ship.Item, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected++
	fmt.Fprintf(r.out, "rejected: %s: %s\n", reason, it.Line)
}

// progress shows on a terminal how far it is.
func (r *replay) progress() {
	f, ok := r.log.(*os.File)
	if !ok || r.all%1000 != 0 || !term.IsTerminal(int(f.Fd())) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(f, "\r%d events read, %d accepted\x1b[K\r", r.all, r.acked)
}

// logger tells of stalls only.
func (r *replay) logger() *zap.Logger {
	log, _ := newLog(config.Log{Level: "warn", Format: "console"}, r.log)
	return log
}
