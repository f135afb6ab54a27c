package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// newShipper makes what delivers events, as the configuration says.
func (d *Daemon) newShipper(ctx context.Context) *ship.Shipper {
	concurrency := d.cfg.CloudWatch.Concurrency
	var put ship.Putter
	if d.toStdout(ctx) {
		put, concurrency = &ship.Writer{W: d.Stdout}, 1
	} else {
		cw := ship.NewLazyCloudWatch(d.cloudWatchOptions(d.cfg))
		d.cloudWatch.Store(cw)
		put = cw
	}
	rejects := &rejectFile{path: filepath.Join(d.cfg.StateDir, "rejected.jsonl"), notes: d.notes, log: d.log}
	return ship.New(ship.Options{
		Put: put, Flush: d.cfg.CloudWatch.FlushInterval, Concurrency: concurrency, Log: d.log,
		Ack:    func(mark uint64) { d.deliver.cursor.ack(mark) },
		Reject: rejects.add,
	})
}

// toStdout reports whether events go to standard output, where they count as
// delivered. With output: auto that is a person's first try only.
func (d *Daemon) toStdout(ctx context.Context) bool {
	if d.cfg.Output != "auto" {
		return d.cfg.Output == "stdout"
	}
	if !d.Terminal || d.manager.present() || ship.HasRegion(ctx, d.cloudWatchOptions(d.cfg)) || ship.OnEC2(ctx) {
		return false
	}
	d.log.Warn("no region and no endpoint for CloudWatch Logs: events go to this terminal and count as delivered",
		zap.String("hint", "set cloudwatch.region or AWS_REGION, or output: stdout to silence this"))
	return true
}

func (d *Daemon) cloudWatchOptions(c config.Config) ship.CloudWatchOptions {
	o := c.CloudWatch
	return ship.CloudWatchOptions{
		Group: o.Group, Stream: o.Stream, Host: d.host, Region: o.Region, EndpointURL: o.EndpointURL, RoleARN: o.RoleARN,
		CreateGroup: o.CreateGroup, RetentionDays: o.RetentionDays, LogClass: o.LogClass, KMSKeyID: o.KMSKeyID,
		Tags: o.Tags, UseFIPS: o.UseFIPS, UseDualstack: o.UseDualstack, Log: d.log,
		UserAgent: "auditshipper", Learn: d.identities.learn,
	}
}

// reconfigureShipper makes the shipper use what next says from its next call on.
// What is not known yet is looked for until it is found; what cannot work is
// refused.
func (d *Daemon) reconfigureShipper(ctx context.Context, next config.Config) error {
	cw := d.cloudWatch.Load()
	if cw == nil {
		d.shipper.Reconfigure(&ship.Writer{W: d.Stdout}, next.CloudWatch.FlushInterval)
		return nil
	}
	o := d.cloudWatchOptions(next)
	if err := ship.CheckCloudWatch(ctx, o); err != nil {
		return err
	}
	cw = ship.NewLazyCloudWatch(o)
	d.cloudWatch.Store(cw)
	d.shipper.Reconfigure(cw, next.CloudWatch.FlushInterval)
	return nil
}

// A rejectFile keeps the events that the service will never take, so that they
// are not lost, and makes gaps of them, so that it shows.
type rejectFile struct {
	path  string
	notes *notes
	log   *zap.Logger

	mu    sync.Mutex
	first bool
	full  bool // was said
}

// maxRejected bounds the file. The earliest events stay; whoever reads it may move it away.
const maxRejected = 16 << 20

var errRejectedFull = fmt.Errorf("rejected.jsonl holds %d MiB, and takes no more until it is moved away", maxRejected>>20)

// add appends one item with the reason to the file. That there is no room for it, the
// gap says.
func (r *rejectFile) add(it ship.Item, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, detail := time.UnixMilli(it.Millis), reason
	err := r.write(it, reason)
	if err != nil {
		detail += "; not kept: " + err.Error()
	}
	switch full := errors.Is(err, errRejectedFull); {
	case err != nil && !(full && r.full):
		r.log.Error("rejected event not kept", zap.String("reason", reason), zap.Error(err))
		r.full = full
	case err == nil && !r.first:
		r.log.Error("the service rejected an event, which is kept", zap.String("reason", reason), zap.String("file", r.path))
		r.first, r.full = true, false
	}
	r.notes.gap(gap{cause: causeRejected, count: 1, from: at, to: at, detail: detail})
}

func (r *rejectFile) write(it ship.Item, reason string) error {
	line, err := json.Marshal(map[string]any{"time": time.UnixMilli(it.Millis).UTC(), "reason": reason, "message": string(it.Line)})
	if err != nil {
		return err
	}
	f, err := openState(r.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size()+int64(len(line)) >= maxRejected:
		err = errRejectedFull
	default:
		_, err = f.Write(append(line, '\n'))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep rejected event: %w", err)
	}
	return nil
}
