package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// goAudit returns the start of slackhq's go-audit as its example configures it,
// with a file as output. It flushes the kernel's rules and loads its own.
func goAudit(program string) func(*entry) error {
	return func(e *entry) error {
		out := filepath.Join(e.dir, "events.json")
		e.count = newFollow(out, countJSON(`"type":1302`, " items=")).tally
		err := write(e.dir, "go-audit.yaml", 0o600, fmt.Sprintf(`
socket_buffer: {receive: 4194304}
events: {min: 1300, max: 1399}
message_tracking: {enabled: true, log_out_of_order: false, max_out_of_order: 500}
output: {file: {enabled: true, attempts: 2, path: %s, mode: 0600, user: root, group: root}}
log: {flags: 0}
rules: ["%s"]
`, out, strings.Join(rule(e.watched), " ")))
		if err != nil {
			return err
		}
		return e.run(exec.Command(program, "-config", filepath.Join(e.dir, "go-audit.yaml")))
	}
}

// auditbeat returns the start of Elastic's auditbeat with its audit module and
// a file as output. It flushes the kernel's rules and loads its own.
func auditbeat(program string) func(*entry) error {
	return func(e *entry) error {
		e.count = newFollow(filepath.Join(e.dir, "events"), countJSON(`"nametype":`, `"items":"`)).tally
		err := write(e.dir, "auditbeat.yml", 0o600, fmt.Sprintf(`
auditbeat.modules:
- module: auditd
  socket_type: unicast
  backlog_limit: 8192
  failure_mode: silent
  audit_rules: |
    %s
output.file: {path: %s, filename: events, rotate_every_kb: 8000000}
`, strings.Join(rule(e.watched), " "), e.dir))
		if err != nil {
			return err
		}
		return e.run(exec.Command(program, "--strict.perms=false", "-e", "-c", filepath.Join(e.dir, "auditbeat.yml"), "--path.data", filepath.Join(e.dir, "data")))
	}
}
