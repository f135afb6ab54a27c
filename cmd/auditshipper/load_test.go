//go:build amd64

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

// TestKernelForeignLoad has auditctl load a file with ours among others' rules
// while the daemon runs, as each start of auditd does. All of them are loaded each
// time, and what the file lacks of ours is put back.
func TestKernelForeignLoad(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	r.run("rules", "apply", "-c", r.config, "--persist")
	ours, err := os.ReadFile(filepath.Join(r.dir, "rules.d", "60-auditshipper.rules"))
	if err != nil {
		t.Fatal(err)
	}
	var before, after strings.Builder
	for i := range 25 {
		fmt.Fprintf(&before, "-a always,exit -F arch=b64 -S mount -F uid=%d -k others\n", 70000+i)
		fmt.Fprintf(&after, "-a always,exit -F arch=b64 -S mount -F uid=%d -k others\n", 80000+i)
	}
	file := filepath.Join(r.dir, "audit.rules")
	if err := os.WriteFile(file, []byte("-D\n"+before.String()+string(ours)+after.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := 0
	const loads = 3
	for range loads {
		out, err := exec.Command("auditctl", "-R", file).CombinedOutput()
		n := strings.Count(auditctl(t, "-l"), "key=others")
		if err == nil && n == 50 {
			whole++
		} else {
			t.Logf("%v: %d of 50 rules\n%s", err, n, out)
		}
	}
	if whole != loads {
		t.Errorf("%d of %d loads are whole", whole, loads)
	}
	r.eventually(10*time.Second, "all rules of ours", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.Rules.InEffect == st.Rules.Wanted
	})
	r.sees(r.watched, "the loads")
	auditctl(t, "-D")
	r.sees(r.watched, "a removal of all rules")
	r.stop()
}
