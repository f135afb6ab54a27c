package ship

import (
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/klauspost/compress/gzip"
	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// sample makes n events like those of a busy host: a handful of programs and
// users, files in some hundred directories.
func sample(n int) []Item {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"reports", "archive", "q2 draft", "obj", "src", "data", "tmp", "cache", "2026", "images"}
	comms := []string{"rm", "mv", "python3", "rsync", "java"}
	now := time.Now().UnixMilli() - int64(n)
	items := make([]Item, n)
	for i := range items {
		dir := fmt.Sprintf("/mnt/efs/%s/%s/%d", words[r.IntN(10)], words[r.IntN(10)], r.IntN(100))
		comm, millis := comms[r.IntN(5)], now+int64(i/2)
		items[i] = Item{Millis: millis, Mark: uint64(i + 1), Line: fmt.Appendf(nil,
			`{"v":1,"id":"%d.%03d:%d","time":"%s","host":"ip-10-0-1-23","key":"efs_changes","action":"delete","syscall":"unlinkat","success":true,"path":"%s/f%06d.csv","path_from":"trail","type":"file","inode":"%d","mode":"0644","dev":"00:2a","auid":1000,"auid_name":"ec2-user","uid":1000,"uid_name":"ec2-user","ses":7,"tty":"pts0","pid":%d,"ppid":%d,"comm":"%s","exe":"/usr/bin/%s","cmd":"%s -rf %s","cwd":"%s"}`,
			millis/1000, millis%1000, 48213+i, time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z"), dir, r.IntN(1e6), r.Uint64()>>20, 20000+r.IntN(5000), 20000+r.IntN(50), comm, comm, comm, dir, dir)}
	}
	return items
}

// fullBatch is as much of the sample as one call takes.
func fullBatch() *Batch {
	b := new(Batch)
	for _, it := range sample(MaxBatchEvents) {
		if !b.Add(it) {
			break
		}
	}
	return b
}

// TestAddAllocatesNothing pins the cost of an item: no memory of its own.
func TestAddAllocatesNothing(t *testing.T) {
	k := newSink()
	sh := New(k.options(&Writer{W: io.Discard}))
	defer finish(t, sh)
	items := sample(20_000)
	for range 3 { // until the buffers have their size
		for _, it := range items {
			if err := sh.Add(t.Context(), it); err != nil {
				t.Fatal(err)
			}
		}
	}
	i := 0
	got := testing.AllocsPerRun(len(items)-1, func() {
		if err := sh.Add(t.Context(), items[i]); err != nil {
			t.Fatal(err)
		}
		i++
	})
	if got != 0 {
		t.Errorf("%v allocations an item, want 0", got)
	}
}

// TestBodyAllocatesNothing pins what a call's body takes, compressed or not,
// whatever the number of events.
func TestBodyAllocatesNothing(t *testing.T) {
	k := newBody().(*body)
	b := fullBatch()
	for _, compress := range []bool{true, false} {
		got := testing.AllocsPerRun(10, func() {
			if err := k.make("/auditshipper", "host", b, 0, b.Len(), compress); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%v allocations for a body, compressed: %t, want 0", got, compress)
		}
	}
}

// BenchmarkAdd is what an event costs until it is in a batch.
func BenchmarkAdd(b *testing.B) {
	k := newSink()
	sh := New(k.options(&Writer{W: io.Discard}))
	items := sample(10_000)
	b.SetBytes(int64(len(items[0].Line)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := sh.Add(b.Context(), items[i%len(items)]); err != nil {
			b.Fatal(err)
		}
	}
	finish(b, sh)
}

// BenchmarkBody compares ways to compress a full batch, per event.
func BenchmarkBody(b *testing.B) {
	full := fullBatch()
	type resetter interface {
		io.WriteCloser
		Reset(io.Writer)
	}
	type way struct {
		name string
		make func(io.Writer) resetter
	}
	var ways []way
	for _, level := range []int{gzip.StatelessCompression, gzip.HuffmanOnly, 1, 2, 3, 5, 6} {
		ways = append(ways, way{fmt.Sprint("klauspost ", level), func(w io.Writer) resetter { z, _ := gzip.NewWriterLevel(w, level); return z }})
	}
	for _, level := range []int{1, 6} {
		ways = append(ways, way{fmt.Sprint("std ", level), func(w io.Writer) resetter { z, _ := stdgzip.NewWriterLevel(w, level); return z }})
	}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			var out bytes.Buffer
			var scratch []byte
			z := way.make(&out)
			for b.Loop() {
				out.Reset()
				z.Reset(&out)
				scratch, _ = writeBody(z, scratch, "/g", "s", full, 0, full.Len())
				z.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(full.Len()), "ns/event")
			b.ReportMetric(float64(out.Len())/float64(full.size(0, full.Len())), "ratio")
		})
	}
	b.Run("none", func(b *testing.B) {
		var scratch []byte
		for b.Loop() {
			scratch, _ = writeBody(io.Discard, scratch, "/g", "s", full, 0, full.Len())
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(full.Len()), "ns/event")
	})
}

// BenchmarkDeliver is the whole way, per event: batch, body, gzip, signature,
// HTTP. AUDITSHIPPER_TEST_ENDPOINT names an endpoint in another process, else
// its work is in the figure.
func BenchmarkDeliver(b *testing.B) {
	awsEnvironment(b)
	url := os.Getenv("AUDITSHIPPER_TEST_ENDPOINT")
	if url == "" {
		_, url = endpoint(b, logstest.Options{Discard: true})
	}
	cw, err := NewCloudWatch(context.Background(), CloudWatchOptions{Group: "/bench", Stream: "s", EndpointURL: url, CreateGroup: true, Log: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	k := newSink()
	sh := New(k.options(cw))
	items := sample(10_000)
	now := time.Now().UnixMilli()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		it := items[i%len(items)]
		it.Millis = now
		if err := sh.Add(b.Context(), it); err != nil {
			b.Fatal(err)
		}
	}
	finish(b, sh)
}

// BenchmarkSDK is what the SDK's own request costs, per event, before it is
// compressed: the reason for writeBody.
func BenchmarkSDK(b *testing.B) {
	awsEnvironment(b)
	full := fullBatch()
	c := cloudWatch(b, "http://127.0.0.1:1", nil)
	made := errors.New("made")
	stop := func(o *cloudwatchlogs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("Stop", func(context.Context, middleware.BuildInput, middleware.BuildHandler) (out middleware.BuildOutput, md middleware.Metadata, err error) {
				return out, md, made
			}), middleware.Before)
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &c.o.Group, LogStreamName: &c.o.Stream}
		for i := range full.Len() {
			in.LogEvents = append(in.LogEvents, types.InputLogEvent{Message: aws.String(string(full.line(i))), Timestamp: &full.items[i].millis})
		}
		if _, err := c.client.Load().PutLogEvents(b.Context(), in, stop); !errors.Is(err, made) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(full.Len()), "ns/event")
}
