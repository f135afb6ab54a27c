package ship

import (
	"fmt"
	"testing"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

func TestPut(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.RetentionDays = 30; o.Tags = map[string]string{"team": "sec"} })

	want := []string{`{"a":"b\\c"}`, "tab\tquote\"", "snow ☃ \U0001F600", "control \x01\x7f", "line\nbreak"}
	if _, err := put(t, c, batch(want...)); err != nil {
		t.Fatal(err)
	}
	got := s.Events("/auditshipper", "host")
	if len(got) != len(want) {
		t.Fatalf("%d events arrived, want %d", len(got), len(want))
	}
	for i, e := range got {
		if e.Message != want[i] {
			t.Errorf("event %d = %q, want %q", i, e.Message, want[i])
		}
	}
	if got, want := fmt.Sprint(s.Calls()), "map[CreateLogGroup:1 CreateLogStream:2 PutLogEvents:2 PutRetentionPolicy:1]"; got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}
