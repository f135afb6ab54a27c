package ship

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestEndpoint runs the checks of delivery against our own strict endpoint.
func TestEndpoint(t *testing.T) {
	awsEnvironment(t)
	_, url := endpoint(t, logstest.Options{})
	checkDelivery(t, url)
}

// TestEndpointNamed runs the same against what AUDITSHIPPER_TEST_ENDPOINT
// names: LocalStack (deploy/localstack), or the real service.
func TestEndpointNamed(t *testing.T) {
	url := os.Getenv("AUDITSHIPPER_TEST_ENDPOINT")
	if url == "" {
		t.Skip("AUDITSHIPPER_TEST_ENDPOINT is not set")
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"} {
		if os.Getenv(name) == "" {
			t.Setenv(name, value)
		}
	}
	checkDelivery(t, url)
}

// checkDelivery delivers to a group of its own, which it removes again, and
// reads back.
func checkDelivery(t *testing.T, url string) {
	o := CloudWatchOptions{
		Group: fmt.Sprintf("/auditshipper-test/%d", time.Now().UnixNano()), Stream: "host [1]/{x}", EndpointURL: url,
		CreateGroup: true, RetentionDays: 1, Tags: map[string]string{"purpose": "test"}, Log: zap.NewNop(),
	}
	c, err := NewCloudWatch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, c) })

	t.Run("every event once and in order", func(t *testing.T) { checkAll(t, c) })
	t.Run("characters", func(t *testing.T) { checkCharacters(t, c) })
	t.Run("a stream that was deleted", func(t *testing.T) { checkDeleted(t, c) })
	t.Run("a second client", func(t *testing.T) {
		again, err := NewCloudWatch(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(t, again, batch("second")); err != nil {
			t.Fatal(err)
		}
	})
}

func remove(t *testing.T, c *CloudWatch) {
	client := c.client.Load()
	in := &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &c.o.Group}
	if _, err := client.DeleteLogGroup(context.Background(), in); err != nil {
		t.Errorf("remove the test's group: %v", err)
	}
}

// checkAll sends more events than one call takes, some times out of order.
func checkAll(t *testing.T, c *CloudWatch) {
	const n = MaxBatchEvents + 500
	k := newSink()
	sh := New(k.options(c))
	now := time.Now().UnixMilli()
	for i := range n {
		jitter := int64(i%3) * 5
		if err := sh.Add(t.Context(), Item{Millis: now - n + int64(i) - jitter, Line: []byte(line(i)), Mark: uint64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, sh)
	if k.last() != n || len(k.rejected) > 0 {
		t.Fatalf("acknowledged %d of %d, rejected %d, %v", k.last(), n, len(k.rejected), sh.State())
	}
	count, last := map[string]int{}, int64(0)
	eventually(t, func() bool {
		clear(count)
		for _, e := range stored(t, c) {
			if e.Millis < last {
				t.Errorf("read %d after %d", e.Millis, last)
			}
			count[e.Message]++
			last = e.Millis
		}
		last = 0
		return len(count) >= n
	})
	for i := range n {
		if count[line(i)] != 1 {
			t.Fatalf("%s arrived %d times", line(i), count[line(i)])
		}
	}
}

func stored(t *testing.T, c *CloudWatch) (all []Stored) {
	t.Helper()
	if err := c.Read(t.Context(), func(s Stored) error { all = append(all, s); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// eventually waits until the service shows what it accepted: the real one takes
// some seconds.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline, look := time.After(30*time.Second), time.NewTicker(500*time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatal("not there after 30s")
		}
	}
}

func checkCharacters(t *testing.T, c *CloudWatch) {
	want := []string{
		`{"path":"/mnt/efs/q2 \"draft\".csv","cmd":"mv 'a\\b' c"}`, "tab\tand\nline", "é ☃ \U0001F600 \u2028 \uFFFD", "control \x01 \x7f",
		strings.Repeat("long ", 40_000),
	}
	if _, err := put(t, c, batch(want...)); err != nil {
		t.Fatal(err)
	}
	has := func(text string) func() bool {
		return func() bool {
			for _, e := range stored(t, c) {
				if e.Message == text {
					return true
				}
			}
			return false
		}
	}
	for _, text := range want {
		eventually(t, has(text))
	}
}

func checkDeleted(t *testing.T, c *CloudWatch) {
	client := c.client.Load()
	in := &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: &c.o.Group, LogStreamName: &c.o.Stream}
	if _, err := client.DeleteLogStream(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, c, batch("after")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { all := stored(t, c); return len(all) == 1 && all[0].Message == "after" })
}
