package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLabels refuses labels that could be taken for what an event says, and those that
// CloudWatch takes for no dimension.
func TestLabels(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"{account: '111122223333', env: prod}":    "",
		"{team: 'a b/c:d'}":                       "",
		"{path: /etc}":                            "labels.path: events have a key",
		"{msg_acct: root}":                        "labels.msg_acct: events have a key",
		"{journal_bytes: x}":                      "labels.journal_bytes: events have a key",
		"{Env: prod}":                             "labels.Env: a label's name is",
		"{env: ' '}":                              "labels.env: must not be empty",
		"{env: \"a\\nb\"}":                        "labels.env: \"a\\nb\" has a character",
		"{env: " + strings.Repeat("x", 129) + "}": "labels.env: longer than 128 bytes",
		eleven():                                  "11 labels are more than 10",
	} {
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, []byte("watches: [{path: /srv}]\nlabels: "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, true, nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func eleven() string {
	var all []string
	for i := range 11 {
		all = append(all, fmt.Sprintf("l%d: x", i))
	}
	return "{" + strings.Join(all, ", ") + "}"
}
