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
func (d *Daemon) newShipper(ctx context.Context) (*ship.Shipper, error) {
	put, concurrency, err := d.newPutter(ctx, d.cfg)
	if err != nil {
		return nil, err
	}
	rejects := &rejectFile{path: filepath.Join(d.cfg.StateDir, "rejected.jsonl"), notes: d.notes, log: d.log}
	return ship.New(ship.Options{
		Put: put, Flush: d.cfg.CloudWatch.FlushInterval, Concurrency: concurrency, Log: d.log,
		Ack:    func(mark uint64) { d.deliver.cursor.ack(mark) },
		Reject: rejects.add,
	}), nil
}

// newPutter makes the connection to the output that c names. Without a region
// and an endpoint that is standard output: a first try needs no AWS.
func (d *Daemon) newPutter(ctx context.Context, c config.Config) (put ship.Putter, concurrency int, err error) {
	w := &ship.Writer{W: d.Stdout}
	if c.Output == "stdout" {
		d.output = outputStatus{name: "stdout"}
		return w, 1, nil
	}
	o := c.CloudWatch
	stream := ship.StreamName(o.Stream, d.host, func() string { return ship.InstanceID(ctx) })
	cw, err := ship.NewCloudWatch(ctx, ship.CloudWatchOptions{
		Group: o.Group, Stream: stream, Region: o.Region, EndpointURL: o.EndpointURL, RoleARN: o.RoleARN,
		CreateGroup: o.CreateGroup, RetentionDays: o.RetentionDays, LogClass: o.LogClass, KMSKeyID: o.KMSKeyID,
		Tags: o.Tags, UseFIPS: o.UseFIPS, UseDualstack: o.UseDualstack, Log: d.log,
		UserAgent: "auditshipper",
	})
	if errors.Is(err, ship.ErrNoRegion) {
		d.log.Warn("no region and no endpoint for CloudWatch Logs: events go to standard output",
			zap.String("hint", "set cloudwatch.region or AWS_REGION, or output: stdout to silence this"))
		d.output = outputStatus{name: "stdout"}
		return w, 1, nil
	}
	if err != nil {
		return nil, 0, err
	}
	d.output = outputStatus{"cloudwatch", o.Group, stream}
	return cw, o.Concurrency, nil
}

// outputStatus is where events go, for status.
type outputStatus struct{ name, group, stream string }

// reconfigureShipper makes the shipper use what next says from its next call on.
func (d *Daemon) reconfigureShipper(ctx context.Context, next config.Config) error {
	next.Output = d.cfg.Output
	put, _, err := d.newPutter(ctx, next)
	if err != nil {
		return err
	}
	d.shipper.Reconfigure(put, next.CloudWatch.FlushInterval)
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
}

// add appends one item with the reason to the file.
func (r *rejectFile) add(it ship.Item, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.UnixMilli(it.Millis)
	if err := r.write(it, reason); err != nil {
		r.log.Error("rejected event not kept", zap.String("reason", reason), zap.Error(err))
	} else if !r.first {
		r.log.Error("the service rejected an event, which is kept", zap.String("reason", reason), zap.String("file", r.path))
		r.first = true
	}
	r.notes.gap(gap{cause: causeRejected, count: 1, from: at, to: at, detail: reason})
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
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep rejected event: %w", err)
	}
	return nil
}
