//go:build amd64

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// A rig is the built program with an endpoint and a directory of its own.
type rig struct {
	t        *testing.T
	dir      string // of everything
	watched  string
	endpoint *logstest.Server
	url      string
	config   string
	log      *logText
	binary   string
	manager  *serviceManager // nil for none
	cmd      *exec.Cmd
}

// A logText is what a daemon has logged up to now.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// program is the built binary, made once.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auditshipper")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// newRig makes a rig whose configuration is extra on top of what it needs.
func newRig(t *testing.T, extra string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), endpoint: logstest.New(logstest.Options{})}
	var err error
	if r.url, err = r.endpoint.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.endpoint.Close() })
	r.watched = filepath.Join(r.dir, "efs")
	if err := os.Mkdir(r.watched, 0o755); err != nil {
		t.Fatal(err)
	}
	r.config = filepath.Join(r.dir, "a.yaml")
	r.configure(extra)
	return r
}

// configure writes the configuration.
func (r *rig) configure(extra string) {
	r.t.Helper()
	text := fmt.Sprintf(`
watches: [{path: %s, key: efs_changes}]
rules: {files: [], persist_dir: %s}
state_dir: %s
socket: %s
cloudwatch: {endpoint_url: "%s", region: us-east-1, group: /g, stream: s, include_raw: true}
%s`, r.watched, filepath.Join(r.dir, "rules.d"), filepath.Join(r.dir, "state"), r.socket(), r.url, extra)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// watchAnswers puts answers between the daemon and the endpoint.
func (r *rig) watchAnswers() *answers {
	a := &answers{endpoint: r.endpoint}
	front := httptest.NewServer(a)
	r.t.Cleanup(front.Close)
	r.url = front.URL
	r.configure("")
	return a
}

func (r *rig) socket() string { return filepath.Join(r.dir, "c.sock") }

// start runs the daemon until it is ready.
func (r *rig) start() {
	r.t.Helper()
	r.launch()
	r.eventually(20*time.Second, "the daemon to be ready", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.State != "starting"
	})
}

// launch runs the daemon and does not wait.
func (r *rig) launch() {
	r.t.Helper()
	if r.log == nil {
		r.log, r.binary = new(logText), program(r.t)
		r.t.Cleanup(r.end)
	}
	r.cmd = exec.Command(r.binary, "run", "-c", r.config)
	r.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
	r.cmd.Stderr = r.log
	if r.manager != nil {
		r.manager.adopt(r.cmd)
	}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// end sees to it that no daemon is left, and shows its log after a failure.
func (r *rig) end() {
	if r.cmd.ProcessState == nil && r.t.Failed() {
		_ = r.cmd.Process.Signal(unix.SIGQUIT) // what it is at goes to the log
		_ = r.cmd.Wait()                       // "exit status 2"
	} else if r.cmd.ProcessState == nil {
		r.kill()
	}
	if r.t.Failed() {
		r.t.Logf("the daemon's log:\n%s", r.log)
	}
}

// kill ends the daemon with SIGKILL.
func (r *rig) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait() // "signal: killed"
}

// stop ends the daemon with SIGTERM and returns how long that took.
func (r *rig) stop() time.Duration {
	r.t.Helper()
	begin := time.Now()
	if err := r.cmd.Process.Signal(unix.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Fatalf("the daemon: %v", err)
	}
	return time.Since(begin)
}

// eventually waits for a condition.
func (r *rig) eventually(patience time.Duration, what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v for %s", patience, what)
		}
		wait := time.NewTimer(10 * time.Millisecond)
		<-wait.C
	}
}

// A shipped is an event as it arrived.
type shipped struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Key      string    `json:"key"`
	Action   string    `json:"action"`
	Syscall  string    `json:"syscall"`
	Success  bool      `json:"success"`
	Path     string    `json:"path"`
	Dest     string    `json:"dest"`
	PathFrom string    `json:"path_from"`
	DestFrom string    `json:"dest_from"`
	UID      *int      `json:"uid"`
	PID      int       `json:"pid"`
	Comm     string    `json:"comm"`
	Exe      string    `json:"exe"`
	Cause    string    `json:"cause"`
	Count    uint64    `json:"count"`
	AtLeast  bool      `json:"count_at_least"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Partial  bool      `json:"partial"`
	Op       string    `json:"op"`

	Backfilled uint64 `json:"backfilled"`
	Raw        string `json:"raw"`
	SSMSession string `json:"ssm_session"`
	LoginAddr  string `json:"login_addr"`
	LoginTerm  string `json:"login_term"`

	took time.Duration
}

// arrived returns the events at the endpoint.
func (r *rig) arrived() []shipped {
	r.t.Helper()
	var events []shipped
	for _, e := range r.endpoint.Events("/g", "s") {
		var s shipped
		if err := json.Unmarshal([]byte(e.Message), &s); err != nil {
			r.t.Fatalf("event %s: %v", e.Message, err)
		}
		s.took = time.Duration(e.Ingested-e.Millis) * time.Millisecond
		events = append(events, s)
	}
	return events
}

// ours returns the events with the rig's key about files.
func (r *rig) ours() []shipped {
	return slices.DeleteFunc(r.arrived(), func(s shipped) bool {
		return s.Key != "efs_changes" || s.Action != "delete" && s.Action != "rename"
	})
}

// work runs the workload as a process of its own and returns what it did.
func (r *rig) work(s spec) (pid int, deeds []deed) {
	r.t.Helper()
	return r.begin(s)()
}

// begin starts the workload, in a directory below the watched one, and returns what waits for its end.
func (r *rig) begin(s spec) func() (pid int, deeds []deed) {
	r.t.Helper()
	s.Dir, s.Truth = filepath.Join(r.watched, s.Dir), filepath.Join(r.dir, "truth")
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		r.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "AUDITSHIPPER_TEST_WORKLOAD="+string(text))
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return func() (int, []deed) {
		if err := cmd.Wait(); err != nil {
			r.t.Fatalf("workload: %v\n%s", err, cmd.Stderr)
		}
		return cmd.Process.Pid, r.truth(s.Truth)
	}
}

// truth reads what the workload did.
func (r *rig) truth(path string) (deeds []deed) {
	r.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var d deed
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			r.t.Fatal(err)
		}
		deeds = append(deeds, d)
	}
	return deeds
}

// check requires that deeds arrived, each once and as it was, and nothing else.
func (r *rig) check(pid int, deeds []deed) {
	r.t.Helper()
	if n := r.compare(pid, deeds, func(id string) { r.t.Errorf("event %s arrived twice", id) }); n > 0 {
		r.t.Errorf("%d of %d unresolved", n, len(deeds))
	}
}

// checkAtLeastOnce is check for daemons that were killed: what was in flight
// may arrive twice, and a name of which a daemon that is behind by seconds learns
// nothing any more may lack its directory, at most so many in a thousand.
func (r *rig) checkAtLeastOnce(pid int, deeds []deed, nameless int) {
	r.t.Helper()
	twice := 0
	unresolved := r.compare(pid, deeds, func(string) { twice++ })
	r.t.Logf("%d of %d arrived twice, %d unresolved", twice, len(deeds), unresolved)
	if unresolved*1000 > len(deeds)*nameless {
		r.t.Errorf("%d of %d unresolved, want at most %d in a thousand", unresolved, len(deeds), nameless)
	}
}

// compare requires that deeds arrived as they were, and nothing else. It returns how
// many did without their directories; the names, each given once, are there.
func (r *rig) compare(pid int, deeds []deed, twice func(id string)) (unresolved int) {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	comm := filepath.Base(self)
	comm = comm[:min(len(comm), 15)] // TASK_COMM_LEN
	left, named := map[deed]int{}, map[string]deed{}
	for _, d := range deeds {
		d.Millis = 0
		left[d]++
		named[filepath.Base(d.Path)] = d
	}
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			r.t.Errorf(format, args...)
		}
	}
	seen := map[string]bool{}
	for _, e := range r.ours() {
		if seen[e.ID] {
			twice(e.ID)
			continue
		}
		d := deed{Syscall: e.Syscall, Action: e.Action, Path: e.Path, Dest: e.Dest}
		if e.PathFrom == "unresolved" {
			unresolved++
			d.Path = named[e.Path].Path
			if e.Dest != "" && e.Dest == filepath.Base(named[e.Path].Dest) {
				d.Dest = named[e.Path].Dest
			}
		}
		switch {
		case left[d] == 0:
			complain("arrived but never done: %+v\n%s", e, e.Raw)
		case !e.Success || e.PID != pid || e.UID == nil || *e.UID != os.Getuid() || e.Comm != comm || e.Exe != self || e.Partial:
			complain("wrong about who: %+v", e)
		}
		seen[e.ID] = true
		left[d]--
	}
	for d, n := range left {
		if n > 0 {
			complain("done and never arrived: %+v", d)
		}
	}
	if wrong > 0 {
		r.t.Errorf("%d of %d wrong in all", wrong, len(deeds))
	}
	if v := r.endpoint.Violations(); len(v) > 0 {
		r.t.Errorf("%d limits broken: %s", len(v), v[0])
	}
	return unresolved
}

// TestKernelMainJob does 10,000 operations at 1,000 a second and requires that
// each arrives once and true, that others' rules are untouched, and that the
// kernel is left as it was.
func TestKernelMainJob(t *testing.T) {
	c := kerneltest.Need(t)
	foreign := t.TempDir()
	for i := range 3 {
		auditctl(t, "-w", filepath.Join(foreign, fmt.Sprint(i)), "-p", "wa", "-k", fmt.Sprint("foreign", i))
	}
	rules, err := c.ListRules()
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}

	r := newRig(t, "")
	r.start()
	pid, deeds := r.work(spec{Count: 10_000, Rate: 1000, Seed: 1})
	r.eventually(20*time.Second, "all events", func() bool { return len(r.ours()) >= len(deeds) })
	st, err := askSocket(r.socket())
	if err != nil {
		t.Fatal(err)
	}
	if took := r.stop(); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	r.check(pid, deeds)

	after, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	if lost := after.Lost - before.Lost; lost != 0 || len(st.Gaps) != 0 {
		t.Errorf("the kernel lost %d, gaps %v", lost, st.Gaps)
	}
	before.Lost, after.Lost = 0, 0
	before.Backlog, after.Backlog = 0, 0
	if before != after {
		t.Errorf("the kernel's status was %+v and is %+v", before, after)
	}
	now, err := c.ListRules()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(rules, now, bytes.Equal) {
		t.Errorf("%d rules of others are %d now, or in another order", len(rules), len(now))
	}
}

// TestKernelTree removes a tree five levels deep from another directory, for
// which the kernel prints the wrong parent of every file.
func TestKernelTree(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	var want []string
	dir := filepath.Join(r.watched, "tree")
	for _, sub := range []string{"", "b", "c", "d", "e"} {
		dir = filepath.Join(dir, sub)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		want = append(want, dir)
		for i := range 3 {
			path := filepath.Join(dir, fmt.Sprint("file", i))
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			want = append(want, path)
		}
	}
	r.start()
	cmd := exec.Command("rm", "-rf", filepath.Join(r.watched, "tree"))
	cmd.Dir = "/usr"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.eventually(10*time.Second, "all events", func() bool { return len(r.ours()) >= len(want) })
	r.stop()
	var got []string
	for _, e := range r.ours() {
		got = append(got, e.Path)
		from := "trail"
		if e.Path == filepath.Join(r.watched, "tree") {
			from = "absolute"
		}
		if e.PathFrom != from {
			t.Errorf("%s is known from %s, want %s", e.Path, e.PathFrom, from)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestKernelTreeInFlood removes a tree as fast as rm can, which takes longer than any
// event waits for the name of its directory. Delivery lets the flood pass, and then
// nobody is left to ask: somebody must have looked meanwhile.
func TestKernelTreeInFlood(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "source: {resolve_wait: 50ms}\n")
	top := filepath.Join(r.watched, "tree")
	want := map[string]bool{top: true}
	for g := range 40 {
		group := filepath.Join(top, fmt.Sprint("g", g))
		want[group] = true
		for d := range 80 {
			dir := filepath.Join(group, fmt.Sprint("d", d))
			file := filepath.Join(dir, "file")
			want[dir], want[file] = true, true
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.start()
	cmd := exec.Command("rm", "-rf", top)
	cmd.Dir = "/usr"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.eventually(20*time.Second, "all events", func() bool { return len(r.ours()) >= len(want) })
	r.stop()
	unresolved, wrong := 0, 0
	for _, e := range r.ours() {
		switch {
		case e.PathFrom == "unresolved":
			unresolved++
			if unresolved < 5 {
				t.Logf("unresolved: %+v", e)
			}
		case !want[e.Path]:
			t.Errorf("%s (%s) was not there", e.Path, e.PathFrom)
			wrong++
		}
		delete(want, e.Path)
		if wrong > 10 {
			t.FailNow()
		}
	}
	if unresolved > 0 || len(want) > 0 {
		t.Errorf("%d unresolved, %d missing", unresolved, len(want))
	}
}

// TestKernelDelay requires a median delay below 1.5 s from the system call to
// acceptance, at 10 events a second and with the default flush interval.
func TestKernelDelay(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	_, deeds := r.work(spec{Count: 50, Rate: 10, Seed: 2})
	r.eventually(10*time.Second, "all events", func() bool { return len(r.ours()) >= len(deeds) })
	r.stop()
	var took []time.Duration
	for _, e := range r.ours() {
		took = append(took, e.took)
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median >= 1500*time.Millisecond {
		t.Errorf("median %v, want below 1.5 s", median)
	} else {
		t.Logf("median %v, highest %v", median, took[len(took)-1])
	}
}

func auditctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("auditctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("auditctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRunWithoutRights requires that somebody who is not root is told which
// capability is missing.
func TestRunWithoutRights(t *testing.T) {
	dir := t.TempDir()
	for at := dir; at != os.TempDir(); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "a.yaml")
	text := fmt.Sprintf("state_dir: %s/state\nsocket: %s/c.sock\noutput: stdout\n", dir, dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := program(t)
	if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run", "-c", config)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("got %v, want exit status 1", err)
	}
	want := `auditshipper: CAP_AUDIT_CONTROL is missing, which is needed to change audit rules and register as the audit daemon
hint: run it as root, or as the service does: AmbientCapabilities=CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
`
	if string(out) != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

// askSocket asks the daemon of this test, which runs as our user.
func askSocket(path string) (daemon.Status, error) {
	c := config.Default()
	c.Socket = path
	return daemon.Ask(c)
}
