package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// TestMemory cuts and changes the newer of the two files at every place: the other one is
// taken then, and never a damaged one.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	open := func() *memory {
		m, err := openMemory(dir, func() []host.Mount { return nil }, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m, s, now := open(), paths.NewStream(paths.Options{Boot: "b"}), time.Now()
	for seq := range uint64(2) {
		s.Push(seq+1, 1112, []byte("audit(1700000000.010:7): pid=1 uid=0 msg='op=login'"))
		m.save(s, s.Read(), now)
		m.writing.Lock() // once the file is written
		now = now.Add(time.Hour)
		m.writing.Unlock()
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "directories.0") // of turn 2
	text, err := os.ReadFile(newer)
	if err != nil || len(text) < headerBytes {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	turn := func() uint64 {
		m := open()
		defer m.close()
		m.load(paths.NewStream(paths.Options{Boot: "b"}), 1, 100)
		return m.turn
	}
	if got := turn(); got != 2 {
		t.Fatalf("turn %d is taken, want 2", got)
	}
	for i := range text {
		for _, damaged := range [][]byte{text[:i], append(append([]byte{}, text[:i]...), append([]byte{text[i] ^ 1}, text[i+1:]...)...)} {
			if err := os.WriteFile(newer, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := turn(); got != 1 {
				t.Fatalf("damaged at %d of %d: turn %d is taken, want 1", i, len(text), got)
			}
		}
	}
}
