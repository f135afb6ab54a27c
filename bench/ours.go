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
		cmd := e.keeper.command(program, "run", "-c", filepath.Join(e.dir, "auditshipper.yaml"))
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
	return write(e.dir, "auditshipper.yaml", 0o600, fmt.Sprintf(`
rules: {files: []}
source: {mode: unicast}
state_dir: %[1]s/state
socket: %[1]s/control.sock
cloudwatch: {endpoint_url: "%[2]s", region: us-east-1, group: /bench, stream: bench, flush_interval: %[3]s}
`, e.dir, e.endpoint.url, e.flush))
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
