package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReportPage writes the page for a browser: nothing in it comes from the
// network, the names of files are no markup, and where Chromium is installed it
// shows, filters and complains of nothing.
func TestReportPage(t *testing.T) {
	dir := t.TempDir()
	evil := filepath.Join(dir, "evil.log")
	// The deleted file is called </script><img src=x onerror=alert(1)>.
	log := `type=SYSCALL msg=audit(1795475828.047:145): arch=c000003e syscall=87 success=yes exit=0 a0=5 a1=1 a2=0 a3=0 items=2 ppid=1 pid=7 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm="rm" exe="/usr/bin/rm" key="efs"
type=CWD msg=audit(1795475828.047:145): cwd="/root"
type=PATH msg=audit(1795475828.047:145): item=0 name="/mnt" inode=81 dev=00:2a mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT
type=PATH msg=audit(1795475828.047:145): item=1 name=2F6D6E742F3C2F7363726970743E3C696D67207372633D78206F6E6572726F723D616C6572742831293E inode=90 dev=00:2a mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=DELETE
`
	if err := os.WriteFile(evil, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ log, hash, count string }{
		{evil, "", "1 of 1 events"},
		{"../../internal/event/testdata/truth/debian12-6.18-ext4.log.gz", "", "939 of 939 events"},
		{"../../internal/event/testdata/truth/debian12-6.18-ext4.log.gz", "#rename", "44 of 939 events"},
	} {
		page := filepath.Join(dir, "page.html")
		if _, err := printed("report", []string{"-if", tt.log, "--html", page}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), "</script") != 1 || bytes.Contains(text, []byte("<img")) {
			t.Error("a file's name is markup in the page")
		}
		if at := regexp.MustCompile(`(src|href)=["']?https?:|@import|url\(`).Find(text); at != nil {
			t.Errorf("the page needs the network: %s", at)
		}
		if dom := browse(t, "file://"+page+tt.hash); dom != "" && !strings.Contains(dom, ">"+tt.count+"<") {
			t.Errorf("%s%s: the browser does not show %q", tt.log, tt.hash, tt.count)
		}
	}
}

// browse returns what Chromium makes of a page, nothing where there is none.
func browse(t *testing.T, url string) string {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Log("chromium is not installed: the page is not opened")
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=3000", "--dump-dom", url)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, &complaints)
	}
	if strings.Contains(complaints.String(), "CONSOLE") {
		t.Errorf("the browser complains:\n%s", &complaints)
	}
	return string(dom)
}
