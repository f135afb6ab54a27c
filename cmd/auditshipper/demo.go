package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/logstest"
	"github.com/auditshipper/auditshipper/internal/safefile"
	"github.com/auditshipper/auditshipper/internal/ship"
)

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the whole way on this machine, in seconds",
		Long: `Demo watches a scratch directory with real audit rules, deletes and renames in
it, delivers the events over HTTP to a built-in CloudWatch Logs endpoint, reads
them back and prints what arrived. The kernel's rules and settings are left
exactly as they were found. It needs root.

exit status:
  0  everything that was done arrived, and the kernel is as before
  1  it did not work; the message says why`,
		Example: "  sudo auditshipper demo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			verbose, _ := cmd.Flags().GetBool("verbose")
			return demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), verbose)
		},
	}
	cmd.Flags().BoolP("verbose", "v", false, "print the daemon's log, too")
	cmd.AddCommand(&cobra.Command{
		Use:    demoDeeds + " DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return doDemo(args[0]) },
	})
	return cmd
}

// demoDeeds is the hidden verb that does what the demo is to see. That takes a
// process born after auditing is on, and there may be no other program: a
// container's image can hold this one alone.
const demoDeeds = "deeds"

// doDemo deletes and renames in dir. For all but the last the kernel is given
// whole paths; RemoveAll works as rm -rf does, by descriptors of directories,
// for which the kernel prints a wrong one.
func doDemo(dir string) error {
	at := func(name string) string { return filepath.Join(dir, name) }
	return errors.Join(
		os.Remove(at("draft.txt")),
		os.Rename(at("q2 report.csv"), at("archive/q2.csv")),
		os.Rename(at("new.csv"), at("archive/q2.csv")),
		os.Remove(at("empty")),
		os.RemoveAll(at("project")),
	)
}

// demoSeeds are made before the watch is armed. A slash at the end makes a
// directory.
var demoSeeds = []string{
	"draft.txt", "q2 report.csv", "new.csv", "archive/", "empty/",
	"project/Makefile", "project/src/main.c", "project/src/lib/util.c", "project/obj/main.o",
}

// demoTruth is what must arrive, relative to the scratch directory.
var demoTruth = []demoEvent{
	{Action: "delete", Path: "draft.txt"},
	{Action: "rename", Path: "q2 report.csv", Dest: "archive/q2.csv"},
	{Action: "rename", Path: "new.csv", Dest: "archive/q2.csv"},
	{Action: "delete", Path: "empty"},
	{Action: "delete", Path: "project/Makefile"},
	{Action: "delete", Path: "project/src/main.c"},
	{Action: "delete", Path: "project/src/lib/util.c"},
	{Action: "delete", Path: "project/src/lib"},
	{Action: "delete", Path: "project/src"},
	{Action: "delete", Path: "project/obj/main.o"},
	{Action: "delete", Path: "project/obj"},
	{Action: "delete", Path: "project"},
}

// A demoEvent is what the demo shows of an event.
type demoEvent struct {
	Action   string `json:"action"`
	Path     string `json:"path"`
	Dest     string `json:"dest"`
	PathFrom string `json:"path_from"`
	User     string `json:"uid_name"`
	UID      int    `json:"uid"`
	Cmd      string `json:"cmd"`
	Comm     string `json:"comm"`
	Key      string `json:"key"`
	Success  bool   `json:"success"`

	took time.Duration // from the system call to the service's acceptance
}

const demoKey = "auditshipper_demo"

func demo(ctx context.Context, out, logOut io.Writer, verbose bool) error {
	kernel, err := kaudit.OpenControl()
	if err != nil {
		return err
	}
	defer kernel.Close()
	before, err := kernelState(kernel)
	if err != nil {
		return needsRoot(fmt.Errorf("audit cannot be used: %w", err))
	}
	if before.status.Enabled == kaudit.Immutable {
		return withStatus(exitImmutable, hinted{errors.New("the audit rules are locked (enabled 2)"), "they can change only after a reboot"})
	}
	if err := safefile.Trusted(os.TempDir()); err != nil {
		return hinted{err, "set TMPDIR to a directory such as /var/tmp"}
	}
	work, err := os.MkdirTemp("", "auditshipper-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	fmt.Fprintf(out, "A scratch directory, audit rules on it, a daemon, and a CloudWatch Logs endpoint, all on this machine.\n\n")
	err = demoRun(ctx, out, logOut, work, verbose)
	after, stateErr := kernelState(kernel)
	if err := errors.Join(err, stateErr); err != nil {
		return err
	}
	if !before.equal(after) {
		return fmt.Errorf("the kernel was not left as it was found: %+v, then %+v", before.status, after.status)
	}
	fmt.Fprintf(out, "The kernel's %d rules and its settings are as they were.\n", len(before.rules))
	return nil
}

// demoRun has the daemon run while it makes and reads back events.
func demoRun(ctx context.Context, out, logOut io.Writer, work string, verbose bool) error {
	endpoint := logstest.New(logstest.Options{})
	url, err := endpoint.Start("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer endpoint.Close()
	scratch := filepath.Join(work, "efs")
	if err := seed(scratch); err != nil {
		return err
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_EC2_METADATA_DISABLED": "true"} {
		os.Setenv(name, value)
	}
	log, level := zap.NewNop(), zap.NewAtomicLevel()
	if verbose {
		log, level = newLog(config.Default().Log, logOut)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	c := demoConfig(work, scratch, url)
	go func() {
		ended <- daemon.Run(ctx, c, daemon.Options{Version: version(), Log: log, Level: level, Stdout: io.Discard, Ready: func() { close(ready) }})
	}()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	events, err := demoWork(ctx, c, scratch)
	stop()
	err = errors.Join(err, <-ended)
	printDemo(out, scratch, events)
	if v := endpoint.Violations(); len(v) > 0 {
		err = errors.Join(err, fmt.Errorf("limits of the service were broken: %s", v[0]))
	}
	return err
}

func demoConfig(work, scratch, url string) config.Config {
	c := config.Default()
	c.Watches = []config.Watch{{Path: scratch, Ops: []string{"delete", "rename"}, Key: demoKey, Failures: "denied", RequireMount: "false"}}
	c.Rules.Files = nil
	c.Rules.OnExit = "remove"
	c.StateDir = filepath.Join(work, "state")
	c.Socket = filepath.Join(work, "control.sock")
	c.CloudWatch.EndpointURL = url
	c.CloudWatch.Region = "us-east-1"
	c.CloudWatch.Group = "/auditshipper/demo"
	c.CloudWatch.Stream = "{hostname}"
	c.CloudWatch.FlushInterval = 100 * time.Millisecond
	c.Journal.MaxBytes = 16 << 20
	return c
}

func seed(dir string) error {
	for _, name := range demoSeeds {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var err error
		if name[len(name)-1] == '/' {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(name+"\n"), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// demoPatience is how long the events may take to arrive.
const demoPatience = 15 * time.Second

// demoWork has a child do the deeds and reads back until all of them are there.
func demoWork(ctx context.Context, c config.Config, scratch string) ([]demoEvent, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "demo", demoDeeds, scratch)
	child.Dir, child.Stdin = "/", os.Stdin // an image may have no /dev/null, which is what nil means
	if text, err := child.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("delete and rename: %w: %s", err, text)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	service, err := ship.NewCloudWatch(ctx, ship.CloudWatchOptions{
		Group: c.CloudWatch.Group, Stream: c.CloudWatch.Stream, Host: host,
		Region: c.CloudWatch.Region, EndpointURL: c.CloudWatch.EndpointURL, Log: zap.NewNop(),
	})
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(demoPatience)
	for {
		events, err := readDemo(ctx, service)
		missing := demoMissing(scratch, events)
		if err == nil && len(missing) == 0 {
			return events, nil
		}
		if time.Now().After(deadline) {
			return events, errors.Join(err, fmt.Errorf("%d of %d events did not arrive, %v the first", len(missing), len(demoTruth), missing))
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return events, ctx.Err()
		}
	}
}

// readDemo returns the events of the demo's key that are at the service.
func readDemo(ctx context.Context, service *ship.CloudWatch) ([]demoEvent, error) {
	var events []demoEvent
	err := service.Read(ctx, func(s ship.Stored) error {
		var e demoEvent
		if err := json.Unmarshal([]byte(s.Message), &e); err != nil {
			return err
		}
		if e.Key == demoKey && (e.Action == "delete" || e.Action == "rename") {
			e.took = time.Duration(s.Ingestion-s.Millis) * time.Millisecond
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// demoMissing returns what of the truth is not among events.
func demoMissing(scratch string, events []demoEvent) (missing []demoEvent) {
	for _, want := range demoTruth {
		found := false
		for _, e := range events {
			same := e.Path == filepath.Join(scratch, want.Path) && e.Action == want.Action && e.Success
			if same && (want.Dest == "" || e.Dest == filepath.Join(scratch, want.Dest)) {
				found = true
			}
		}
		if !found {
			missing = append(missing, want)
		}
	}
	return missing
}

// printDemo prints the events as a table, with paths below the scratch
// directory shortened.
func printDemo(out io.Writer, scratch string, events []demoEvent) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ACTION\tPATH\tKNOWN FROM\tWHO\tBY\tTOOK")
	var worst time.Duration
	for _, e := range events {
		path := shorten(scratch, e.Path)
		if e.Dest != "" {
			path += " -> " + shorten(scratch, e.Dest)
		}
		who := e.User
		if who == "" {
			who = fmt.Sprint("uid ", e.UID)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d ms\n", e.Action, path, e.PathFrom, who, e.Comm, e.took.Milliseconds())
		worst = max(worst, e.took)
	}
	t.Flush()
	fmt.Fprintf(out, "\n%d events, read back from the endpoint with GetLogEvents; … is %s.\nFrom the system call to the endpoint's acceptance they took at most %d ms.\n", len(events), scratch, worst.Milliseconds())
}

func shorten(scratch, path string) string {
	if rel, err := filepath.Rel(scratch, path); err == nil && filepath.IsLocal(rel) {
		return "…/" + rel
	}
	return path
}

// A kernelSnapshot is what the demo must leave as it was.
type kernelSnapshot struct {
	rules  [][]byte
	status kaudit.Status
}

func kernelState(c *kaudit.Control) (kernelSnapshot, error) {
	status, err := c.Status()
	if err != nil {
		return kernelSnapshot{}, err
	}
	rules, err := c.ListRules()
	return kernelSnapshot{rules, status}, err
}

func (s kernelSnapshot) equal(o kernelSnapshot) bool {
	if len(s.rules) != len(o.rules) {
		return false
	}
	for i := range s.rules {
		if !bytes.Equal(s.rules[i], o.rules[i]) {
			return false
		}
	}
	a, b := s.status, o.status
	a.Lost, a.Backlog, a.BacklogWaitTimeActual = b.Lost, b.Backlog, b.BacklogWaitTimeActual // counters
	return a == b
}
