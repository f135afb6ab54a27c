package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelSession deletes in a shell of what looks like Session Manager's worker, in sudo's
// place a process of its own, and in one that outlives its shell; and outside of the session.
func TestKernelSession(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	const session = "alice-0123456789abcdef0"
	sh, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	worker := filepath.Join(r.dir, "ssm-session-worker")
	if err := os.WriteFile(worker, sh, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tree := range []string{"shell", "outlives", "others"} {
		for i := range 20 {
			name := filepath.Join(r.watched, tree, fmt.Sprint(i), "file")
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The second rm is met while its shell lives, and goes on when that has ended.
	script := fmt.Sprintf(`cd %[1]s
sh -c 'setpriv --reuid 0 sh -c "rm -rf shell; sleep 1"'
sh -c 'sh -c "rm -rf outlives/1; sleep 1; rm -rf outlives/?; sleep 1; rm -rf outlives" & sleep 0.5'
sleep 3
`, r.watched)
	if err := os.WriteFile(filepath.Join(r.dir, session), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(worker, session)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("rm", "-rf", filepath.Join(r.watched, "others")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = 3 * 41
	deleted := map[string]string{}
	r.eventually(20*time.Second, "all deletions", func() bool {
		for _, s := range r.ours() {
			deleted[s.Path] = s.SSMSession
		}
		return len(deleted) >= want
	})
	for path, got := range deleted {
		want := session
		if strings.HasPrefix(path, filepath.Join(r.watched, "others")) {
			want = ""
		}
		if got != want {
			t.Errorf("%s: session %q, want %q", path, got, want)
		}
	}
	r.stop()
}
