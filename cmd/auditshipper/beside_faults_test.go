package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
)

// TestFaultyConfiguration requires that commands which look at what is there go on
// beside a faulty file, and that those which act do not.
func TestFaultyConfiguration(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	text := "state_dir: " + dir + "\nsocket: " + filepath.Join(dir, "c.sock") + "\nbogus: 1\noutput: stdout\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"status"}, exitFailed, "ask the daemon: dial unix " + dir},
		{[]string{"doctor"}, exitDiffers, "bogus: unknown key"},
		{[]string{"journal", "verify"}, 0, "0 records in 0 segments"},
		{[]string{"config", "check"}, exitUsage, "bogus: unknown key"},
		{[]string{"rules", "plan"}, exitUsage, "bogus: unknown key"},
	} {
		var out bytes.Buffer
		if status := execute(t.Context(), append(tt.args, "--config", path), &out, &out); status != tt.status || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: exit status %d, want %d and %q\n%s", tt.args, status, tt.status, tt.want, &out)
		}
	}
}

// TestPriorities requires that lines for the system's journal carry their priority,
// and lines for anything else do not.
func TestPriorities(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]string{fmt.Sprintf("%d:%d", st.Dev, st.Ino): "<6>{<4>{<3>{", "1:1": "{{{"} {
		t.Setenv("JOURNAL_STREAM", stream)
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		log, _ := newLog(config.Log{Level: "info", Format: "auto"}, f)
		for _, level := range []zapcore.Level{zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel} {
			log.Log(level, "text")
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for line := range strings.Lines(strings.Trim(string(text), "\x00")) {
			got += line[:strings.Index(line, "{")+1]
		}
		if got != want {
			t.Errorf("JOURNAL_STREAM=%s: %q, want %q", stream, got, want)
		}
	}
}

// TestErrorPriority requires that a failed command's error reaches the system's
// journal as an error, each of its lines.
func TestErrorPriority(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	config := filepath.Join(t.TempDir(), "faulty.yaml")
	if err := os.WriteFile(config, []byte("bogus: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := execute(t.Context(), []string{"config", "check", "-c", config}, io.Discard, f); got == 0 {
		t.Fatal("a faulty file passes")
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for _, line := range lines {
		if len(lines) < 2 || !strings.HasPrefix(line, "<3>") {
			t.Errorf("line %q of %d has not the priority of an error", line, len(lines))
		}
	}
}
