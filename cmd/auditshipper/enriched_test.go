package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// strangers is an event of another host's log, with what auditd appends to it:
// root is called something else there, and who logged in has no name.
const strangers = "type=SYSCALL msg=audit(1795629708.403:7): arch=c000003e syscall=87 success=yes exit=0 a0=0 a1=0 a2=0 a3=0 items=0 ppid=1 pid=2 auid=1 uid=0 gid=0 ses=1 comm=\"rm\" exe=\"/bin/rm\" key=\"k\"\x1dARCH=x86_64 SYSCALL=unlink AUID=\"unknown(1)\" UID=\"toor\" GID=\"wheel\"\n"

// TestNamesOfLines hands a daemon the lines of an ENRICHED log: users are called
// what the log calls them, in what it ships and in what its journal says later.
func TestNamesOfLines(t *testing.T) {
	for format, want := range map[string]string{
		"json": `"auid":1,"uid":0,"uid_name":"toor",`,
		"ocsf": `"user":{"uid":"0","name":"toor"}`,
		"raw":  strings.Split(strangers, "\x1d")[0] + "\n",
	} {
		t.Run(format, func(t *testing.T) {
			config := linesConfig(t, format)
			run := exec.Command(program(t), "run", "-c", config)
			run.Stdin = strings.NewReader(strangers)
			out, err := run.Output()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v, shipped %s, want %q in it", err, out, want)
			}
			for _, tt := range []struct{ args, want string }{
				{"--format json", `"auid":1,"uid":0,"uid_name":"toor",`},
				{"--raw", strangers},
				{"-i", " uid=toor gid=wheel "},
			} {
				search := exec.Command(program(t), append([]string{"search", "--config", config, "--input-logs", "-a", "7"}, strings.Fields(tt.args)...)...)
				if out, err := search.Output(); err != nil || !strings.Contains(string(out), tt.want) {
					t.Errorf("search %s: %v, got %s, want %q in it", tt.args, err, out, tt.want)
				}
			}
		})
	}
}

// linesConfig is a configuration of a daemon that asks nothing of the kernel and
// ships to its standard output.
func linesConfig(t *testing.T, format string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	text := fmt.Sprintf(`
source: {mode: stdin}
rules: {files: []}
state_dir: %[1]s/state
socket: %[1]s/c.sock
output: stdout
cloudwatch: {format: %[2]s}
`, dir, format)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
