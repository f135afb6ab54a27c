package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGuides(t *testing.T) {
	dir := t.TempDir()
	if err := writeGuides(dir); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string][]string{
		"auditshipper.yaml.5":  {`.TH "AUDITSHIPPER.YAML"`, "receive_buffer", "64MiB"},
		"auditshipper-event.5": {"path_from", "one of absolute, cwd, trail, proc, claimed, unresolved", "kernel"},
		"auditshipper.8":       {"SIGHUP", "control.sock"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.ReplaceAll(string(text), `\`, "")
		for _, w := range want {
			if !strings.Contains(plain, w) {
				t.Errorf("%s lacks %q", page, w)
			}
		}
		for _, bad := range []string{"```", "](", "## "} {
			if strings.Contains(plain, bad) {
				t.Errorf("%s still has %q of Markdown", page, bad)
			}
		}
	}
}
