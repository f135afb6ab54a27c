package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// heeded is what events of some records say of where their session came from, after the
// records before them were heeded.
func heeded(t *testing.T, l *logins, typ event.Type, text string) (addr, term string) {
	t.Helper()
	s := newNodeStreams(paths.NewStream(paths.Options{ResolveWait: -1}))
	s.Push(1, typ, []byte(text))
	s.Flush()
	e, ok := s.Next()
	if !ok {
		t.Fatalf("no event of %s", text)
	}
	l.heed(e)
	l.tell(e)
	return e.LoginAddr, e.LoginTerm
}

// TestLogins takes addresses from root's login records only, and keeps them for their session
// and boot.
func TestLogins(t *testing.T) {
	const said = `op=login acct="bob" exe="/usr/sbin/sshd" hostname=192.0.2.7 addr=%s terminal=%s res=%s'`
	serial := 0
	words := func(uid, ses, addr, term, res string) string {
		serial++
		return fmt.Sprintf("audit(1000.000:%d): pid=9 uid=%s auid=1000 ses=%s msg='"+said, serial, uid, ses, addr, term, res)
	}
	asked := func(ses string) string { return words("0", ses, "?", "?", "success") }
	for _, c := range []struct {
		name string
		typ  event.Type
		text string
		addr string
		term string
	}{
		{"a login", typeUserLogin, words("0", "3", "192.0.2.7", "/dev/pts/0", "success"), "192.0.2.7", "/dev/pts/0"},
		{"PAM's word", typeUserStart, words("0", "3", "192.0.2.7", "ssh", "success"), "192.0.2.7", "ssh"},
		{"a login that failed", typeUserLogin, words("0", "3", "192.0.2.7", "ssh", "failed"), "", ""},
		{"a user's", typeUserLogin, words("1000", "3", "192.0.2.7", "ssh", "success"), "", ""},
		{"another session's", typeUserLogin, words("0", "4", "192.0.2.7", "ssh", "success"), "", ""},
		{"no session's", typeUserLogin, words("0", "4294967295", "192.0.2.7", "ssh", "success"), "", ""},
		{"a name in place of an address", typeUserLogin, words("0", "3", "host.example", "ssh", "success"), "", ""},
		{"sudo's", typeUserStart, words("0", "3", "?", "/dev/pts/0", "success"), "", ""},
		{"a control character", typeUserLogin, words("0", "3", "2001:db8::1%eth0", "a\x1bb", "success"), "2001:db8::1", ""},
	} {
		l := openLogins(t.TempDir(), zap.NewNop())
		heeded(t, l, c.typ, c.text)
		if addr, term := heeded(t, l, typeUserStart, asked("3")); addr != c.addr || term != c.term {
			t.Errorf("%s: from %q on %q, want %q, %q", c.name, addr, term, c.addr, c.term)
		}
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}

	dir := t.TempDir()
	l := openLogins(dir, zap.NewNop())
	heeded(t, l, event.TypeDaemon, "audit(1000.000:0): op=start boot_id=b1")
	for ses := range maxLogins + 10 {
		heeded(t, l, typeUserLogin, words("0", fmt.Sprint(ses), "192.0.2.7", "ssh", "success"))
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	l = openLogins(dir, zap.NewNop())
	for ses, want := range map[string]string{"9": "", "10": "192.0.2.7", "4000": "192.0.2.7"} {
		if addr, _ := heeded(t, l, typeUserStart, asked(ses)); addr != want {
			t.Errorf("session %s after a restart: from %q, want %q", ses, addr, want)
		}
	}
	if len(l.known.Sessions) != maxLogins {
		t.Errorf("%d sessions known, want %d", len(l.known.Sessions), maxLogins)
	}
	heeded(t, l, event.TypeDaemon, "audit(1000.000:0): op=start boot_id=b2")
	if addr, _ := heeded(t, l, typeUserStart, asked("4000")); addr != "" {
		t.Errorf("a session of another boot: from %q", addr)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

// TestLoginsSpoilt says so where the file cannot be read, and begins anew.
func TestLoginsSpoilt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "logins"), []byte(`{"boot": "b1", "sess`), 0o600); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	l := openLogins(dir, zap.New(core))
	if logs.Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
	heeded(t, l, typeUserLogin, `audit(1000.000:1): pid=9 uid=0 auid=1000 ses=3 msg='op=login addr=192.0.2.7 terminal=ssh res=success'`)
	l.save(time.Now())
	if err := l.close(); err != nil {
		t.Error(err)
	}
	if again := openLogins(dir, zap.NewNop()); again.known.Sessions[3].Addr != "192.0.2.7" {
		t.Errorf("kept: %+v", again.known)
	}
}
