package kaudit_test

import (
	"path/filepath"
	"testing"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// TestLandingAccounts notes all that a landing has room for, kills the process, as it
// were, and requires each account as it was: a forgery must not look like a planned stop,
// nor hide behind one.
func TestLandingAccounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "landing")
	l := openLanding(t, path)
	refusal, seen, forgery := kaudit.Refusal{Count: 1, From: 2, To: 3}, kaudit.Seen{Lost: 4, At: 5}, kaudit.Forgery{Count: 6, Port: 7}
	l.SetBase(8)
	l.SetForged(forgery)
	l.SetSeen(seen)
	l.SetRefused(refusal)
	if got := l.Stopped(); got != 0 {
		t.Errorf("stopped at %d, want no stop", got)
	}
	if err := l.SetStopped(9); err != nil {
		t.Fatal(err)
	}
	again := openLanding(t, path)
	if got := again.Refused(); got != refusal {
		t.Errorf("refused: %+v, want %+v", got, refusal)
	}
	if got := again.Seen(); got != seen {
		t.Errorf("seen: %+v, want %+v", got, seen)
	}
	if got := again.Forged(); got != forgery {
		t.Errorf("forged: %+v, want %+v", got, forgery)
	}
	if got := again.Stopped(); got != 9 {
		t.Errorf("stopped at %d, want 9", got)
	}
}
