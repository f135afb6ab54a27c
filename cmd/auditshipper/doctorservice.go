package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/safefile"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// patience bounds each look at something that may hang.
const patience = 5 * time.Second

// service looks at CloudWatch Logs: region, credentials, permissions, clock.
func (d *doctor) service(ctx context.Context) {
	if d.c.Output == "stdout" || d.status != nil && d.status.Delivery.Output == "stdout" {
		d.find("service", well, "", "events go to standard output")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if d.status != nil {
		d.awaitDelivery(ctx)
		d.delivery(ctx, d.status.Delivery)
		return
	}
	if isRoot() {
		d.asUnit(unitFiles)
	}
	cw, err := d.connect(ctx)
	switch {
	case errors.Is(err, ship.ErrNoRegion):
		d.find("service", ill, "set cloudwatch.region or AWS_REGION, or let this host reach its metadata at 169.254.169.254", "%v: the daemon keeps events in the journal and looks again", err)
		return
	case errors.Is(err, ship.ErrNoInstance):
		d.find("service", ill, "let this host reach its metadata at 169.254.169.254, or give cloudwatch.stream a name without {instance_id}", "%v: the daemon keeps events in the journal and looks again", err)
		return
	case err != nil:
		d.find("service", ill, "docs/troubleshooting.md", "%v", err)
		return
	}
	endpoint, err := cw.Endpoint(ctx)
	if err != nil {
		d.find("service", ill, "cloudwatch.region, cloudwatch.endpoint_url", "%v", err)
		return
	}
	d.find("service", well, "", "group %s at %s", d.c.CloudWatch.Group, endpoint)
	d.clock(ctx, endpoint)
	if err := cw.Probe(ctx); err == nil {
		d.find("permissions", well, "", "PutLogEvents is answered")
	} else if ship.IsMissing(err) {
		d.find("permissions", when(!d.c.CloudWatch.CreateGroup, ill), "auditshipper aws setup, or cloudwatch.create_group: true", "group or stream is not there yet: it is made with the first event")
	} else {
		d.refusal(err.Error())
	}
}

// awaitDelivery gives a daemon that has just started time for its first batch.
func (d *doctor) awaitDelivery(ctx context.Context) {
	_ = until(ctx, patience, func() (bool, error) { // what is not known by then is told so
		del := d.status.Delivery
		if del.LastSuccess != nil || del.StalledSince != nil || d.now().Sub(d.status.Started) > time.Minute {
			return true, nil
		}
		st, err := daemon.Ask(d.c)
		if err == nil {
			d.status = &st
		}
		return false, err
	})
}

// delivery tells what the running daemon knows of the service. Its unit and its user
// may have a region and credentials that whoever runs doctor has not.
func (d *doctor) delivery(ctx context.Context, del daemon.DeliveryStatus) {
	d.find("service", when(del.Endpoint == "", ill), "set cloudwatch.region or AWS_REGION, or let this host reach its metadata at 169.254.169.254",
		"the daemon delivers to group %s, stream %s at %s", del.Group, or(del.Stream, "(not known yet)"), or(del.Endpoint, "no region yet"))
	if del.Endpoint != "" {
		d.clock(ctx, del.Endpoint)
	}
	stalled := del.StalledSince != nil || del.Blocked != nil
	switch {
	case stalled && del.LastError != "":
		d.refusal(del.LastError)
	case del.LastSuccess != nil:
		d.find("permissions", well, "", "the daemon's last batch was accepted at %s", del.LastSuccess.Format(time.RFC3339))
	default:
		d.find("permissions", unknown, "auditshipper doctor --canary", "the daemon has delivered nothing yet")
	}
	text := fmt.Sprintf("%d events accepted, lag %.1f s", del.Events, del.LagSeconds)
	if del.Blocked != nil {
		text += ", blocked: " + del.Blocked.Reason
	}
	d.find("delivery", when(stalled, ill), "what failed above; it is tried again for ever", "%s %s", text, del.LastError)
}

// refusal tells a service that does not know us from one that does not let us.
func (d *doctor) refusal(text string) {
	switch ship.About(text) {
	case ship.AboutCredentials:
		d.find("credentials", ill, "give the instance a role, or the unit credentials: /etc/credstore/auditshipper.aws or /etc/auditshipper/environment", "%s", text)
	case ship.AboutPermissions:
		d.find("permissions", ill, "the credentials are known and not allowed: auditshipper aws policy writer", "%s", text)
	default:
		d.find("delivery to the service", ill, "docs/troubleshooting.md has the answers one by one", "%s", text)
	}
}

// unitFiles are what the service's unit gives the daemon (auditshipper.service).
var unitFiles = struct{ environment, credentials string }{"/etc/auditshipper/environment", "/etc/credstore/auditshipper.aws"}

// asUnit makes the environment that of the unit, as far as files of root's alone
// say it: what they name may be a program that the SDK runs.
func (d *doctor) asUnit(files struct{ environment, credentials string }) {
	set := func(name, value string) {
		if _, has := os.LookupEnv(name); !has {
			os.Setenv(name, value)
		}
	}
	if ofRoot(files.credentials) {
		set("AWS_SHARED_CREDENTIALS_FILE", files.credentials)
	}
	if !ofRoot(files.environment) {
		return
	}
	text, err := safefile.ReadFile(files.environment)
	if err != nil {
		d.find("unit", unknown, "", "%v", err)
		return
	}
	for line := range strings.Lines(string(text)) { // systemd.exec(5), EnvironmentFile=
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") && !strings.HasPrefix(name, ";") {
			set(name, strings.Trim(value, `"'`))
		}
	}
}

// ofRoot reports whether nobody else than root can have written a file.
func ofRoot(path string) bool {
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm()&0o022 != 0 {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Uid == 0
}

// connect makes the daemon's connection.
func (d *doctor) connect(ctx context.Context) (*ship.CloudWatch, error) {
	w := d.c.CloudWatch
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return ship.NewCloudWatch(ctx, ship.CloudWatchOptions{
		Group: w.Group, Stream: w.Stream, Host: host, Region: w.Region, EndpointURL: w.EndpointURL, RoleARN: w.RoleARN, KMSKeyID: w.KMSKeyID,
		UseFIPS: w.UseFIPS, UseDualstack: w.UseDualstack, Log: zap.NewNop(), UserAgent: "auditshipper",
	})
}

// clock compares with the service's: five minutes and no signature is taken,
// two hours and no event.
func (d *doctor) clock(ctx context.Context, endpoint string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, endpoint, nil)
	if err != nil {
		d.find("clock", unknown, "", "%v", err)
		return
	}
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		d.find("endpoint", ill, "route, DNS, security group, proxy: docs/troubleshooting.md", "%v", err)
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		d.find("endpoint", doubt, "", "%v", err)
	}
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		d.find("clock", unknown, "", "the endpoint does not say the time")
		return
	}
	skew := d.now().Sub(theirs).Round(time.Second)
	d.find("clock", when(skew.Abs() > 4*time.Minute, ill), "let chrony or systemd-timesyncd set it", "%v from the service's", skew)
}

// canaries prove the way for each watch.
func (d *doctor) canaries(ctx context.Context) {
	if d.status == nil {
		d.find("canary", ill, "start the daemon", "nobody would see it")
		return
	}
	for _, w := range d.c.Watches {
		evidence, err := d.canary(ctx, w.Path)
		if err != nil {
			why, cure := d.suspect()
			d.find("canary", ill, cure, "%s: %v%s", w.Path, err, why)
			continue
		}
		d.find("canary", well, "", "%s: %s", w.Path, evidence)
	}
}

// suspect is the failed check that may be why a canary does not arrive, and its cure.
func (d *doctor) suspect() (why, cure string) {
	for _, check := range []string{"excluded records", "never,task", "hidden rules", "rules"} {
		for _, f := range d.findings {
			if f.Check == check && f.Verdict == ill {
				return "; " + f.Evidence, f.Cure
			}
		}
	}
	return "", "the failed checks above; docs/troubleshooting.md"
}

// canary deletes a file and waits for the event, first in the journal, then at
// the service.
func (d *doctor) canary(ctx context.Context, dir string) (string, error) {
	begin := d.now()
	name := filepath.Join(dir, fmt.Sprintf(".auditshipper-canary-%d-%d", os.Getpid(), begin.UnixNano()))
	if err := bounded(func() error { return touchAndDelete(name) }); err != nil {
		return "", err
	}
	found := func() (bool, error) { return d.inJournal(name, begin) }
	if err := until(ctx, 2*patience, found); err != nil {
		return "", fmt.Errorf("the deletion did not come through the kernel: %w", err)
	}
	seen := d.now().Sub(begin).Round(time.Millisecond)
	if d.c.Output == "stdout" || d.status.Delivery.Output == "stdout" {
		return fmt.Sprintf("in the journal after %v", seen), nil
	}
	how := "read back from CloudWatch Logs"
	arrived := func() (bool, error) {
		ok, err := d.atService(ctx, name, begin)
		if err != nil { // no right to read: that of the writer's policy is to write
			how = "accepted by CloudWatch Logs"
			return d.delivered(begin)
		}
		return ok, nil
	}
	if err := until(ctx, 6*patience, arrived); err != nil {
		return "", fmt.Errorf("seen after %v, and not delivered: %w", seen, err)
	}
	return fmt.Sprintf("%s %v after its deletion", how, d.now().Sub(begin).Round(time.Millisecond)), nil
}

func touchAndDelete(name string) error {
	dir, err := safefile.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.OpenFile(filepath.Base(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), dir.Remove(filepath.Base(name)))
}

// bounded runs f, and gives it up where a file server does not answer.
func bounded(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return errors.New("the file system does not answer")
	}
}

// until asks again and again.
func until(ctx context.Context, longest time.Duration, ask func() (bool, error)) error {
	deadline := time.Now().Add(longest)
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v", longest)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (d *doctor) inJournal(name string, begin time.Time) (bool, error) {
	want := query.NewSearch()
	want.File = filepath.Base(name) // which is unique, while its directory may not be told by the records alone
	src, err := query.OpenJournal(filepath.Join(d.c.StateDir, "journal"), query.Options{
		From: begin.Add(-time.Second), Facts: true, Keep: want.Match,
	})
	if err != nil {
		return false, err
	}
	defer src.Close()
	for {
		e, err := src.Next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if want.MatchFacts(e) && e.Facts.Action == "delete" {
			return true, nil
		}
	}
}

// atService looks for the canary in the log group.
func (d *doctor) atService(ctx context.Context, name string, begin time.Time) (bool, error) {
	cw, err := d.connect(ctx)
	if err != nil {
		return false, err
	}
	found := false
	err = cw.Select(ctx, ship.Selection{From: begin.Add(-time.Minute).UnixMilli()}, func(e ship.Stored) error {
		found = found || strings.Contains(e.Message, filepath.Base(name))
		return nil
	})
	if ship.IsMissing(err) {
		return false, nil // not made yet
	}
	return found, err
}

// delivered reports whether the service took what the journal had by then.
func (d *doctor) delivered(begin time.Time) (bool, error) {
	st, err := daemon.Ask(d.c)
	if err != nil {
		return false, err
	}
	return st.Journal.Undelivered == 0 && st.Delivery.LastSuccess != nil && st.Delivery.LastSuccess.After(begin), nil
}
