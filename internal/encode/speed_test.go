package encode

import (
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// formats are the forms in which an event may leave, by name.
var formats = []struct {
	name   string
	encode func(*Encoder, []byte, *event.Event) []byte
}{{"json", (*Encoder).AppendJSON}, {"raw", (*Encoder).AppendRaw}, {"ocsf", (*Encoder).AppendOCSF}}

// TestEncodingAllocatesNothing pins what the text of a workload's events costs.
func TestEncodingAllocatesNothing(t *testing.T) {
	events := workload(t)
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			enc, dst := &Encoder{Host: "ip-10-0-1-23", Names: someUsers{}}, make([]byte, 0, 1<<16)
			all := func() {
				for _, e := range events {
					dst = f.encode(enc, dst[:0], e)
				}
			}
			if n := testing.AllocsPerRun(5, all); n != 0 {
				t.Errorf("%v allocations for %d events, want 0", n, len(events))
			}
		})
	}
}

// BenchmarkEncode is what an event's text costs in each format.
func BenchmarkEncode(b *testing.B) {
	events := workload(b)
	for _, f := range formats {
		b.Run(f.name, func(b *testing.B) {
			enc, dst := &Encoder{Host: "ip-10-0-1-23", Names: someUsers{}}, make([]byte, 0, 1<<16)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				dst = f.encode(enc, dst[:0], events[i%len(events)])
			}
		})
	}
}

// workload returns the events of a capture.
func workload(t testing.TB) []*event.Event {
	t.Helper()
	return eventsOf(t, readLogs(t, "../event/testdata/truth/debian12-6.18-loadgen.log.gz")[0])
}
