package query

import (
	"iter"
	"slices"
	"testing"
)

// TestMessagesSkipFigures puts the daemon's figures before and between events,
// in either format.
func TestMessagesSkipFigures(t *testing.T) {
	const emf = `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"host":"h","gaps":0}`
	tests := []struct {
		name     string
		messages []string
		raw      bool
		want     []string
	}{
		{
			"json",
			[]string{emf, `{"v":1,"id":"1.000:1","host":"h","action":"delete","path":"/a"}`, emf, `{"v":1,"id":"1.000:2","host":"h","action":"delete","path":"/b"}`},
			false,
			[]string{"1.000:1 delete /a ", "1.000:2 delete /b "},
		},
		{
			"raw",
			[]string{emf, "type=LOGIN msg=audit(1.000:1): pid=1\n", emf, "type=LOGIN msg=audit(1.000:2): pid=1\n"},
			true,
			[]string{"1.000:1", "1.000:2"},
		},
		{"nothing else", []string{emf, emf}, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var messages iter.Seq2[Message, error] = func(yield func(Message, error) bool) {
				for _, m := range tt.messages {
					if !yield(Message{Stream: "h", Text: m}, nil) {
						return
					}
				}
			}
			s, raw, err := OpenMessages(messages, Options{}, nil)
			if err != nil || raw != tt.raw {
				t.Fatalf("raw %v, %v", raw, err)
			}
			defer s.Close()
			if got := all(t, s); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
