package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// A metadata is the instance's metadata, which know nothing at first.
type metadata struct{ ready atomic.Bool }

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !m.ready.Load():
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
		fmt.Fprint(w, "token")
	case r.URL.Path == "/latest/meta-data/instance-id":
		fmt.Fprint(w, "i-0123456789abcdef0")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestBlocked runs a daemon whose instance id nobody knows: nothing is
// delivered, nor counted as delivered; status and log say what is missing;
// SIGTERM ends it well. When the metadata answer, a second daemon that was
// blocked at first delivers everything, to the right stream.
func TestBlocked(t *testing.T) {
	m := new(metadata)
	imds := httptest.NewServer(m)
	defer imds.Close()
	endpoint := logstest.New(logstest.Options{})
	url, err := endpoint.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer endpoint.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "a.yaml")
	text := fmt.Sprintf(`
source: {mode: stdin}
rules: {files: []}
state_dir: %[1]s/state
socket: %[1]s/c.sock
cloudwatch: {endpoint_url: %[2]q, region: us-east-1, group: /g, flush_interval: 50ms}
`, dir, url)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := program(t)
	start := func() (*exec.Cmd, io.Writer, *strings.Builder) {
		cmd, log := exec.Command(binary, "run", "-c", config), new(strings.Builder)
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
			"AWS_EC2_METADATA_SERVICE_ENDPOINT="+imds.URL, "HTTP_PROXY=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1")
		cmd.Stderr, cmd.Stdout = log, log
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // ended already, if all is well
		return cmd, in, log
	}
	status := func(what string, ok func(daemon.Status) bool) daemon.Status {
		t.Helper()
		var st daemon.Status
		err := until(t.Context(), 30*time.Second, func() (bool, error) {
			var err error
			st, err = askSocket(filepath.Join(dir, "c.sock"))
			return err == nil && ok(st), nil
		})
		if err != nil {
			t.Fatalf("%s: %v: %+v", what, err, st)
		}
		return st
	}
	blocked := func(st daemon.Status) bool { return st.State == "blocked" && st.Delivery.StalledSince != nil }

	cmd, in, log := start()
	fmt.Fprintf(in, "type=USER_LOGIN msg=audit(%d.123:7): pid=1 uid=0 msg='op=login res=success'\n", time.Now().Unix())
	st := status("blocked", blocked)
	if d := st.Delivery; d.Blocked == nil || !strings.Contains(d.Blocked.Reason, "instance id") || d.Blocked.Since.IsZero() || d.LagSeconds == 0 || d.Stream != "" || d.Events != 0 {
		t.Errorf("delivery %+v", d)
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if got := log.String(); !strings.Contains(got, "no instance id") || !strings.Contains(got, "with events left") || strings.Contains(got, "everything delivered") {
		t.Errorf("log:\n%s", got)
	}
	if calls := endpoint.Calls(); len(calls) > 0 {
		t.Errorf("calls to the service: %v", calls)
	}

	cmd, in, log = start()
	fmt.Fprintf(in, "type=USER_LOGIN msg=audit(%d.123:8): pid=1 uid=0 msg='op=login res=success'\n", time.Now().Unix())
	status("blocked again", blocked)
	m.ready.Store(true)
	st = status("all delivered", func(st daemon.Status) bool {
		return st.State == "running" && st.Delivery.Events > 0 && st.Journal.Undelivered == 0
	})
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped with %v:\n%s", err, log)
	}
	var all strings.Builder
	for _, e := range endpoint.Events("/g", "i-0123456789abcdef0") {
		all.WriteString(e.Message)
	}
	for _, want := range []string{`.123:7"`, `.123:8"`} {
		if strings.Count(all.String(), want) != 1 {
			t.Errorf("%s is not once in the stream: %s", want, all.String())
		}
	}
	if st.Delivery.Stream != "i-0123456789abcdef0" || st.Delivery.Blocked != nil {
		t.Errorf("delivery %+v", st.Delivery)
	}
}
