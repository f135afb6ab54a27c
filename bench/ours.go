package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/auditshipper/auditshipper/internal/journal"
)

// ours returns the start of an auditshipper under a service manager that keeps
// its socket, with an endpoint in a process that is not measured and has the
// lowest priority: the real one takes no time of this machine.
func ours(program string) func(*entry) error {
	return func(e *entry) error {
		if e.endpoint == nil {
			if err := e.serve(); err != nil {
				return err
			}
		}
		e.count = func() (tally, error) {
			s, err := e.endpoint.stats()
			return tally{Complete: s.Complete, Bytes: s.Bytes}, err
		}
		log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		args := []string{"run", "-c", filepath.Join(e.dir, "auditshipper.yaml")}
		if e.profile != "" {
			args = append(args, "--profile", e.profile)
		}
		cmd := e.keeper.command(program, args...)
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "AWS_EC2_METADATA_DISABLED=true")
		cmd.Stderr = log
		return e.run(cmd)
	}
}

func (e *entry) serve() error {
	var err error
	if e.endpoint, err = startEndpoint(e.bin("endpoint")); err != nil {
		return err
	}
	if e.keeper, err = newKeeper(filepath.Join(e.dir, "notify")); err != nil {
		return err
	}
	files, keep := "", ""
	if e.full {
		if err := e.fill(); err != nil {
			return err
		}
		files, keep = e.dir+"/many.rules", "journal: {max_bytes: 2GiB, keep_delivered: 1GiB}"
	}
	return write(e.dir, "auditshipper.yaml", 0o600, fmt.Sprintf(`
rules: {files: [%[4]s]}
events: all # the bench loads the rules
source: {mode: unicast}
state_dir: %[1]s/state
socket: %[1]s/control.sock
cloudwatch: {endpoint_url: "%[2]s", region: us-east-1, group: /bench, stream: bench, flush_interval: %[3]s}
%[5]s
`, e.dir, e.endpoint.url, e.flush, files, keep))
}

// fill gives the contestant what has gathered on a host after a while: a
// journal of 1 GB, delivered and kept, and 1,000 rules, of calls that nobody
// makes.
func (e *entry) fill() error {
	const bytes, rules = 1_000_000_000, 1_000
	var text strings.Builder
	for i := range rules {
		fmt.Fprintf(&text, "-a always,exit -F arch=b64 -S acct -F uid=%d -k many\n", 1_000_000+i)
	}
	if err := errors.Join(write(e.dir, "many.rules", 0o600, text.String()), os.Mkdir(filepath.Join(e.dir, "state"), 0o700)); err != nil {
		return err
	}
	j, err := journal.Open(filepath.Join(e.dir, "state", "journal"), journal.Options{MaxBytes: 2 << 30, KeepDelivered: 1 << 30})
	if err != nil {
		return err
	}
	batch := make([][]byte, 256)
	for i := range batch {
		batch[i] = make([]byte, 270) // an average record's
	}
	for j.Stat().Bytes < bytes && err == nil {
		_, err = j.Append(batch)
	}
	return errors.Join(err, j.SetCursor(j.Next(), nil), j.Close())
}

// An endpoint is bench/endpoint, running.
type endpoint struct {
	cmd *exec.Cmd
	url string
}

func startEndpoint(program string) (*endpoint, error) {
	cmd := exec.Command("nice", "-n", "19", program, key)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	return &endpoint{cmd: cmd, url: strings.TrimSpace(url)}, err
}

// endpointStats is what bench/endpoint calls Stats.
type endpointStats struct {
	Complete, Partial, Duplicates, Unresolved, Bytes, Wire int

	P50, P99   float64
	Violations []string
}

func (p *endpoint) stats() (endpointStats, error) {
	var s endpointStats
	answer, err := http.Get(p.url + "/bench")
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	err = json.NewDecoder(answer.Body).Decode(&s)
	if len(s.Violations) > 0 {
		err = errors.Join(err, fmt.Errorf("limits of the service were broken: %s", s.Violations[0]))
	}
	return s, err
}

func (p *endpoint) close() error {
	if p == nil {
		return nil
	}
	return terminate(p.cmd)
}
