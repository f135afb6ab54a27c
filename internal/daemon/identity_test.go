package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/ship"
)

// TestIdentities tells stories of a disk: starts with what is known of the host
// then, ids learned later, and whose the records are in the end.
func TestIdentities(t *testing.T) {
	type start struct {
		boot, host, instance string
		next                 uint64
		learn                string
	}
	type of map[uint64]ship.Identity
	a, b := ship.Identity{Host: "a", Instance: "i-a"}, ship.Identity{Host: "a", Instance: "i-b"}
	tests := []struct {
		name   string
		starts []start
		want   of
		words  int // said in the log
	}{
		{"booted anew", []start{{"1", "a", "i-a", 1, ""}, {"2", "a", "i-a", 10, ""}}, of{1: a, 10: a}, 0},
		{"learned late", []start{{"1", "a", "", 1, "i-a"}, {"2", "a", "", 10, "i-a"}}, of{1: a, 10: a}, 0},
		{"never learned, then booted anew", []start{{"1", "a", "", 1, ""}, {"2", "a", "i-a", 10, ""}}, of{1: a, 10: a}, 0},
		{"started again in one boot", []start{{"1", "a", "i-a", 1, ""}, {"1", "a", "", 10, ""}}, of{1: a, 10: a}, 0},
		{"cloned", []start{{"1", "a", "i-a", 1, ""}, {"2", "a", "i-b", 10, ""}}, of{1: a, 9: a, 10: b}, 1},
		{"cloned, learned late", []start{{"1", "a", "i-a", 1, ""}, {"2", "a", "", 10, "i-b"}}, of{1: a, 9: a, 10: b}, 1},
		{"cloned, not learned yet", []start{{"1", "a", "i-a", 1, ""}, {"2", "a", "", 10, ""}}, of{9: a, 10: {Host: "a"}}, 0},
		{"renamed off EC2", []start{{"1", "a", "", 1, ""}, {"1", "c", "", 10, ""}}, of{9: {Host: "a"}, 10: {Host: "c"}}, 1},
		{"there and back", []start{{"1", "a", "i-a", 1, ""}, {"2", "a", "i-b", 10, ""}, {"3", "a", "i-a", 20, ""}}, of{9: a, 15: b, 20: a}, 2},
		{"journal removed", []start{{"1", "a", "i-a", 100, ""}, {"2", "a", "i-b", 1, ""}}, of{1: b, 200: b}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			core, logs := observer.New(zapcore.InfoLevel)
			var ids *identities
			for _, s := range tt.starts {
				ids = openIdentities(dir, func() uint64 { return 5 }, zap.New(core))
				ids.begin(identity{Boot: s.boot, Host: s.host, Instance: s.instance}, 1, s.next)
				if s.learn != "" {
					ids.learn(s.learn)
				}
			}
			ids = openIdentities(dir, func() uint64 { return 5 }, zap.New(core)) // what the file says
			for seq, want := range tt.want {
				if got := ids.of(seq); got != want {
					t.Errorf("record %d is %+v's, want %+v's", seq, got, want)
				}
			}
			if got := logs.Len(); got != tt.words {
				t.Errorf("%d lines of log, want %d: %v", got, tt.words, logs.All())
			}
		})
	}
}

// TestIdentitiesForgotten: who received nothing that the journal still holds is
// forgotten, and a file that does not read costs a line of log.
func TestIdentitiesForgotten(t *testing.T) {
	dir := t.TempDir()
	core, logs := observer.New(zapcore.InfoLevel)
	for i, host := range []string{"a", "b", "c"} {
		ids := openIdentities(dir, func() uint64 { return 25 }, zap.NewNop())
		ids.begin(identity{Boot: "1", Host: host}, 20, uint64(10*i+1))
		if n := len(*ids.list.Load()); host == "c" && n != 2 {
			t.Errorf("%d identities, want 2", n)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "identity"), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids := openIdentities(dir, func() uint64 { return 25 }, zap.New(core))
	ids.begin(identity{Boot: "1", Host: "d"}, 20, 40)
	if got := ids.of(20); got.Host != "d" || logs.Len() != 1 {
		t.Errorf("record 20 is %+v's; log %v", got, logs.All())
	}
}

// TestOwner: what root's run writes into the state directory belongs to the
// directory's owner, who is the service's user.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to own files as another user")
	}
	const owner = 12345
	dir := t.TempDir()
	if err := os.Chown(dir, owner, owner); err != nil {
		t.Fatal(err)
	}
	ids := openIdentities(dir, func() uint64 { return 1 }, zap.NewNop())
	ids.begin(identity{Boot: "1", Host: "a"}, 1, 1)
	newOurs(dir, false, zap.NewNop()).add(ownKeys{Keys: map[string]bool{"efs": true}})
	m, err := openMemory(dir, nil, zap.NewNop())
	if err := errors.Join(err, m.close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"identity", keysName, "directories.0", "directories.1"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil || st.Uid != owner || st.Mode&0o777 != 0o600 {
			t.Errorf("%s has uid %d, mode %o, error %v, want uid %d and mode 600", name, st.Uid, st.Mode&0o777, err, owner)
		}
	}
}
