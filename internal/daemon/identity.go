package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/safefile"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// An identity is the host that received the journal's records from one sequence
// on.
type identity struct {
	From     uint64 `json:"from"`
	Boot     string `json:"boot"` // when it began
	Host     string `json:"host"`
	Instance string `json:"instance,omitempty"` // empty off EC2, and while it is not known
}

// identities are all hosts that received what the journal holds, oldest first:
// an image of a running host takes the undelivered events of that host along.
// They lie in a file beside the journal. Any goroutine may use them.
type identities struct {
	path string
	low  func() uint64 // the first record that is not delivered
	log  *zap.Logger

	mu   sync.Mutex // of changes
	list atomic.Pointer[[]identity]
}

// openIdentities reads the file. One that does not read is worth a word, not
// the start: its events then go out under the present identity.
func openIdentities(stateDir string, low func() uint64, log *zap.Logger) *identities {
	ids := &identities{path: filepath.Join(stateDir, "identity"), low: low, log: log}
	list, err := ids.read()
	if err != nil {
		log.Error("which host received the journal's records is not known: they go out as this host's", zap.Error(err))
	}
	ids.list.Store(&list)
	return ids
}

// ReceivedBy tells under which host's name the daemon of a state directory received a
// record: an image of a host, or one that was renamed, holds records of another time.
func ReceivedBy(stateDir string) (func(seq uint64) string, error) {
	ids := &identities{path: filepath.Join(stateDir, "identity")}
	list, err := ids.read()
	if err != nil {
		return nil, fmt.Errorf("read which host received the journal's records: %w", err)
	}
	ids.list.Store(&list)
	return func(seq uint64) string { return ids.of(seq).Host }, nil
}

// read returns what the file says, nothing if there is none.
func (ids *identities) read() (list []identity, err error) {
	text, err := safefile.ReadFile(ids.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", ids.path, err)
	}
	return list, nil
}

// begin says who receives the records from next on. oldest is the first record
// that the journal still has.
func (ids *identities) begin(now identity, oldest, next uint64) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(*ids.list.Load()), func(id identity) bool { return id.From > next }) // of a journal that was removed
	now.From = next
	switch last := len(list) - 1; {
	case last < 0:
		now.From = min(oldest, next) // of a version that kept no identities
		list = append(list, now)
	case !list[last].goesOn(now):
		if now.Instance != "" || list[last].Host != now.Host {
			ids.tell(list[last], now)
		}
		list = append(list, now)
	case list[last].Instance == "":
		list[last].Instance = now.Instance
	}
	for len(list) > 1 && list[1].From <= oldest {
		list = list[1:]
	}
	ids.store(list)
}

// goesOn reports whether now is the same host. One whose instance id is not
// known yet may be another instance after a boot: a copy of the disk.
func (id identity) goesOn(now identity) bool {
	sameBoot := now.Instance == "" && id.Boot == now.Boot
	return id.Host == now.Host && (id.Instance == now.Instance || id.Instance == "" || sameBoot)
}

// tell says that this host has records of another one.
func (ids *identities) tell(then, now identity) {
	left := max(now.From, ids.low()) - ids.low()
	ids.log.Warn("this host's identity has changed: undelivered events go out as those of the host that received them",
		zap.String("host_then", then.Host), zap.String("instance_then", then.Instance),
		zap.String("host_now", now.Host), zap.String("instance_now", now.Instance), zap.Uint64("records_undelivered", left))
}

// learn takes note of this instance's id.
func (ids *identities) learn(instance string) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	list := slices.Clone(*ids.list.Load())
	last := len(list) - 1
	if last < 0 || list[last].Instance != "" {
		return
	}
	list[last].Instance = instance
	if last > 0 {
		switch before := list[last-1]; {
		case before.Host == list[last].Host && before.Instance == instance:
			list = list[:last] // the same instance, booted anew
		case before.Instance != "":
			ids.tell(before, list[last])
		}
	}
	ids.store(list)
}

// of returns whose record it is.
func (ids *identities) of(seq uint64) ship.Identity {
	list := *ids.list.Load()
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].From <= seq || i == 0 {
			return ship.Identity{Host: list[i].Host, Instance: list[i].Instance}
		}
	}
	return ship.Identity{}
}

// store makes list the identities, also when the disk does not take it.
func (ids *identities) store(list []identity) {
	if slices.Equal(list, *ids.list.Load()) {
		return
	}
	ids.list.Store(&list)
	if err := ids.write(list); err != nil {
		ids.log.Error("which host received the journal's records is not kept", zap.Error(err))
	}
}

// write replaces the file at once or not at all.
func (ids *identities) write(list []identity) error {
	return replaceState(ids.path, func(w io.Writer) error { return json.NewEncoder(w).Encode(list) })
}
