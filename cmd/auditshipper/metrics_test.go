//go:build amd64

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// served runs a daemon that asks nothing of the kernel and returns what it
// answers to Prometheus.
func served(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "a.yaml")
	text := fmt.Sprintf(`
source: {mode: stdin}
rules: {files: []}
drop: [{key: nothing}]
state_dir: %[1]s/state
socket: %[1]s/c.sock
output: stdout
metrics: {listen: "%[2]s"}
`, dir, addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "run", "-c", config)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the daemon: %v\n%s", err, cmd.Stderr)
		}
	}()
	for deadline := time.Now().Add(10 * time.Second); ; {
		answer, err := http.Get("http://" + addr + "/metrics")
		if err == nil {
			body, err := io.ReadAll(answer.Body)
			if err := errors.Join(err, answer.Body.Close()); err != nil {
				t.Fatal(err)
			}
			return string(body)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// TestMetricsDocument holds docs/metrics.md to what is really served: names,
// labels, types and help. promtool, where it is installed, has nothing to say.
func TestMetricsDocument(t *testing.T) {
	text := served(t)
	kinds, helps, labels := map[string]string{}, map[string]string{}, map[string]string{}
	var got []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := regexp.MustCompile(`^# (HELP|TYPE) (auditshipper_\w+) (.*)$`).FindStringSubmatch(line); m != nil {
			map[string]map[string]string{"HELP": helps, "TYPE": kinds}[m[1]][m[2]] = m[3]
		}
		if m := regexp.MustCompile(`^(auditshipper_\w+)\{(.*)\}`).FindStringSubmatch(line); m != nil {
			var names []string
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
				names = append(names, l[1])
			}
			slices.Sort(names)
			labels[m[1]] = "{" + strings.Join(names, ",") + "}"
		}
	}
	for name, kind := range kinds {
		got = append(got, fmt.Sprintf("| `%s%s` | %s | %s |", name, labels[name], kind, helps[name]))
	}
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile("(?m)^\\| `auditshipper_.*$").FindAllString(string(doc), -1)
	for _, row := range want {
		if !slices.Contains(got, row) {
			t.Errorf("documented, and not served so:\n%s", row)
		}
	}
	for _, row := range got {
		if !slices.Contains(want, row) {
			t.Errorf("served, and not documented so:\n%s", row)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		return
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
