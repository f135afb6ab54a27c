//go:build amd64

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// deletion is an event as auditd hands it to its plugins, N its serial.
func deletion(n int) string {
	id := fmt.Sprintf("msg=audit(%d.000:%d):", time.Now().Unix(), n)
	return "type=SYSCALL " + id + ` arch=c000003e syscall=87 success=yes exit=0 a0=0 a1=0 a2=0 a3=0 items=1 ppid=1 pid=2 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="rm" exe="/bin/rm" key="k"` + "\n" +
		"type=CWD " + id + ` cwd="/"` + "\n" +
		"type=PATH " + id + ` item=0 name="/f" inode=1 dev=00:2a mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=DELETE` + "\n" +
		"type=EOE " + id + " \n"
}

// TestStatusWhileBlocked asks a daemon whose deliveries hang, and are refused
// then: it answers at once, and says once that it is blocked.
func TestStatusWhileBlocked(t *testing.T) {
	r := newRig(t, "source: {mode: stdin}\n")
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^watches: .*$`).ReplaceAll(text, nil)
	if err := os.WriteFile(r.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r.endpoint.Chance(1, logstest.Fault{Op: "PutLogEvents", Delay: 3 * time.Second, Code: "AccessDeniedException", Message: "no"})
	cmd := exec.Command(program(t), "run", "-c", r.config)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
	cmd.Stderr = new(bytes.Buffer)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed"
	}()
	for n := range 100 {
		if _, err := in.Write([]byte(deletion(n + 1))); err != nil {
			t.Fatal(err)
		}
	}
	var took []time.Duration
	r.eventually(20*time.Second, "the daemon to be blocked", func() bool {
		begin := time.Now()
		st, err := askSocket(filepath.Join(r.dir, "c.sock"))
		if err != nil {
			return false // it starts
		}
		took = append(took, time.Since(begin))
		if st.State != "blocked" || !strings.Contains(st.Why, "PutLogEvents") { // it looks for the service first
			return false
		}
		var out bytes.Buffer
		if err := printStatus(&out, st); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "blocked: PutLogEvents: AccessDeniedException: no") || strings.Count(out.String(), "blocked") != 1 {
			t.Errorf("got\n%s", &out)
		}
		return true
	})
	slices.Sort(took)
	if median := took[len(took)/2]; median > 100*time.Millisecond {
		t.Errorf("an answer took %v, want at most 100 ms", median)
	} else {
		t.Logf("%d answers, median %v, slowest %v", len(took), median, took[len(took)-1])
	}
}
