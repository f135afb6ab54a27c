package ship

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

func TestBatchAdd(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	day := MaxBatchSpan.Milliseconds()
	tests := []struct {
		name  string
		items []Item
		fit   int // how many of items are accepted, in order
	}{
		{"one byte", []Item{{Line: text(1)}}, 1},
		{"almost full", []Item{{Line: text(MaxLineBytes - 1)}}, 1},
		{"exactly full", []Item{{Line: text(MaxLineBytes)}}, 1},
		{"one byte too many", []Item{{Line: text(MaxLineBytes + 1)}}, 0},
		{"overhead counts", []Item{{Line: text(MaxBatchBytes / 2)}, {Line: text(MaxBatchBytes/2 - EventOverhead)}}, 1},
		{"exactly full of two", []Item{{Line: text(MaxBatchBytes / 2)}, {Line: text(MaxBatchBytes/2 - 2*EventOverhead)}}, 2},
		{"one byte too many of two", []Item{{Line: text(MaxBatchBytes / 2)}, {Line: text(MaxBatchBytes/2 - 2*EventOverhead + 1)}}, 1},
		{"just under a day", []Item{{Millis: 0, Line: text(1)}, {Millis: day - 1, Line: text(1)}}, 2},
		{"a day apart", []Item{{Millis: 0, Line: text(1)}, {Millis: day, Line: text(1)}}, 1},
		{"a day apart, late first", []Item{{Millis: day, Line: text(1)}, {Millis: 0, Line: text(1)}}, 1},
		{"one below as many as go", slices.Repeat([]Item{{Line: text(1)}}, MaxBatchEvents-1), MaxBatchEvents - 1},
		{"as many as go", slices.Repeat([]Item{{Line: text(1)}}, MaxBatchEvents), MaxBatchEvents},
		{"too many", slices.Repeat([]Item{{Line: text(1)}}, MaxBatchEvents+1), MaxBatchEvents},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, fit := new(Batch), 0
			for fit < len(tt.items) && b.Add(tt.items[fit]) {
				fit++
			}
			if fit != tt.fit {
				t.Errorf("%d items fit, want %d", fit, tt.fit)
			}
		})
	}
}

// TestBatchIsAccepted fills batches at random, to their limits, and requires
// that a strict endpoint takes every one of them.
func TestBatchIsAccepted(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{Discard: true})
	c := cloudWatch(t, url, nil)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for range 30 {
		b := randomBatch(r)
		total += b.Len()
		if res, err := put(t, c, b); err != nil || len(res.Rejected) > 0 {
			t.Fatalf("seed %d: batch of %d events, %d bytes: %v, rejected %v", seed, b.Len(), b.Bytes(), err, res.Rejected)
		}
	}
	if n, _ := s.Accepted(); n != uint64(total) {
		t.Errorf("seed %d: %d accepted, want %d", seed, n, total)
	}
}

// randomBatch fills a batch with lines of some length at times of some spread
// until one does not fit.
func randomBatch(r *rand.Rand) *Batch {
	b := new(Batch)
	size := []int{1, 30, 100, 1000, 100_000, MaxLineBytes}[r.IntN(6)]
	spread := []time.Duration{time.Millisecond, time.Second, MaxBatchSpan, 2 * MaxBatchSpan}[r.IntN(4)]
	runes := []string{"x", "\"", "\\", "é", "☃", "\U0001F600", "\x00", "\x1f"}
	now := time.Now()
	for {
		text := strings.Repeat(runes[r.IntN(len(runes))], 1+r.IntN(size))
		for len(text) > MaxLineBytes || !utf8.ValidString(text) {
			text = text[:min(len(text)-1, MaxLineBytes)]
		}
		if !b.Add(Item{Millis: now.Add(-time.Duration(r.Int64N(int64(spread)))).UnixMilli(), Line: []byte(text)}) {
			b.sort()
			return b
		}
	}
}

// TestBatchSort: by time, those of one moment in the order of their serials,
// and of adding where those are equal too.
func TestBatchSort(t *testing.T) {
	b := new(Batch)
	for i, it := range []Item{{Millis: 3}, {Millis: 1, Serial: 2}, {Millis: 2}, {Millis: 1, Serial: 1}, {Millis: 2}, {Millis: 3}} {
		it.Line = fmt.Append(nil, i)
		b.Add(it)
	}
	b.sort()
	got := ""
	for i := range b.Len() {
		got += string(b.Item(i).Line)
	}
	if want := "312405"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

// FuzzBody: what is written is what JSON reads, for every text that is UTF-8.
func FuzzBody(f *testing.F) {
	f.Add("plain", int64(1))
	f.Add("quo\"te \\ \x00\x1f\x7f\u2028 é \U0001F600\n", int64(0))
	f.Fuzz(func(t *testing.T, text string, millis int64) {
		if !utf8.ValidString(text) {
			return
		}
		b := new(Batch)
		b.items = []packed{{millis: millis, end: uint32(len(text))}, {millis: millis}}
		b.text = []byte(text)
		var out bytes.Buffer
		if _, err := writeBody(&out, nil, text, "s", b, 0, 2); err != nil {
			t.Fatal(err)
		}
		var in struct {
			LogGroupName, LogStreamName string
			LogEvents                   []struct {
				Timestamp int64
				Message   string
			}
		}
		if err := json.Unmarshal(out.Bytes(), &in); err != nil {
			t.Fatalf("%v in %q", err, out.Bytes())
		}
		if len(in.LogEvents) != 2 || in.LogGroupName != text || in.LogEvents[0].Message != text || in.LogEvents[0].Timestamp != millis || in.LogEvents[1].Message != "" {
			t.Errorf("read back %+v of %q at %d", in, text, millis)
		}
	})
}

func TestStreamName(t *testing.T) {
	tests := []struct{ template, id, want string }{
		{"{instance_id}", "i-0abc", "i-0abc"},
		{"{instance_id}", "", "host.example"},
		{"{hostname}/{instance_id}", "i-0abc", "host.example/i-0abc"},
		{"a:b*c", "", "a_b_c"},
		{"bad \xff", "", "bad _"},
		{strings.Repeat("é", 513), "", strings.Repeat("é", 512)},
	}
	for _, tt := range tests {
		if got := StreamName(tt.template, Identity{"host.example", tt.id}); got != tt.want {
			t.Errorf("StreamName(%q) with id %q = %q, want %q", tt.template, tt.id, got, tt.want)
		}
	}
}
