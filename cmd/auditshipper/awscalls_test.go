package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/logstest"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// TestWriterPolicyIsWhatIsCalled delivers through faults that bring out every
// call there is, and requires that the policy allows just these.
func TestWriterPolicyIsWhatIsCalled(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, tt := range []struct {
		name string
		set  func(*config.CloudWatch)
	}{
		{"group made beforehand", func(c *config.CloudWatch) { c.CreateGroup = false }},
		{"group made by the daemon", func(*config.CloudWatch) {}},
		{"with retention and tags", func(c *config.CloudWatch) { c.RetentionDays, c.Tags = 30, map[string]string{"team": "sre"} }},
		{"with a key", func(c *config.CloudWatch) { c.KMSKeyID = "arn:aws:kms:eu-west-1:111122223333:key/k" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config.Default().CloudWatch
			c.Region, c.Stream = "eu-west-1", "s"
			tt.set(&c)
			called := deliverOnce(t, c)

			p, err := writerPolicy(namesOf(c))
			if err != nil {
				t.Fatal(err)
			}
			var allowed []string
			for _, a := range actions(p) {
				// IAM asks for it when CreateLogGroup brings tags, see its API
				// reference; it is no call of ours.
				if a != "logs:TagResource" {
					allowed = append(allowed, a)
				}
			}
			if !slices.Equal(called, allowed) {
				t.Errorf("called %q, the policy allows %q", called, allowed)
			}
		})
	}
}

// deliverOnce delivers one event to a fresh endpoint as c says, with a refusal
// and a throttling on the way, and returns the calls made as IAM names them.
func deliverOnce(t *testing.T, c config.CloudWatch) []string {
	t.Helper()
	server := logstest.New(logstest.Options{})
	url, err := server.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	log := zap.NewNop()
	if !c.CreateGroup {
		admin := c
		admin.EndpointURL = url
		api, err := logsClient(t.Context(), admin)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := planSetup(t.Context(), api, admin)
		if err != nil {
			t.Fatal(err)
		}
		if err := steps[0].do(t.Context()); err != nil { // the group
			t.Fatal(err)
		}
	}
	before := server.Calls()

	put, err := ship.NewCloudWatch(t.Context(), ship.CloudWatchOptions{
		Group: c.Group, Stream: c.Stream, Region: c.Region, EndpointURL: url, CreateGroup: c.CreateGroup,
		RetentionDays: c.RetentionDays, KMSKeyID: c.KMSKeyID, Tags: c.Tags, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Next(logstest.Denied("PutLogEvents", "no identity-based policy allows it"), logstest.Throttle)
	acked := make(chan uint64, 10)
	s := ship.New(ship.Options{
		Put: put, Flush: 10 * time.Millisecond, Concurrency: 1, Log: log,
		Ack: func(mark uint64) { acked <- mark }, Reject: func(ship.Item, string) { t.Error("an event was rejected") },
	})
	if err := s.Add(t.Context(), ship.Item{Millis: time.Now().UnixMilli(), Line: []byte(`{"action":"delete"}`), Mark: 1}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-acked:
	case <-time.After(30 * time.Second):
		t.Fatal("the event was not accepted")
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	var called []string
	for op, n := range server.Calls() {
		if n > before[op] {
			called = append(called, "logs:"+strings.TrimPrefix(op, "Logs_20140328."))
		}
	}
	slices.Sort(called)
	return called
}
