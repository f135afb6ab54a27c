//go:build amd64

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tests of the whole program run this test binary again as the process
// whose doings are audited: born after auditing was switched on, with a pid,
// a name and a list of what it really did.

func init() {
	roles["AUDITSHIPPER_TEST_WORKLOAD"] = workload
}

// A deed is one operation as the workload knows it to have happened.
type deed struct {
	Syscall string `json:"syscall"`
	Action  string `json:"action"`
	Path    string `json:"path"`
	Dest    string `json:"dest,omitempty"`
	Millis  int64  `json:"millis"` // when it returned
}

// A spec says what the workload does: Count operations below Dir at Rate a
// second, and a line for each in Truth.
type spec struct {
	Dir   string
	Truth string
	Count int
	Rate  int
	Seed  uint64
}

func workload(text string) error {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	f, err := os.Create(s.Truth)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	enc := json.NewEncoder(out)
	r := rand.New(rand.NewPCG(s.Seed, 0))
	start := time.Now()
	for i := range s.Count {
		if s.Rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(s.Rate))))
		}
		d, err := doOne(s.Dir, i, r)
		if err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		d.Millis = time.Now().UnixMilli()
		if err := enc.Encode(d); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// operations are the six calls that delete and rename, each in the ways that
// programs use it.
var operations = []struct {
	syscall, action string
	trap            uintptr
	dirs            bool // works on directories
	at              bool // takes directory descriptors
	flags           bool // takes flags as its last argument
}{
	{"unlink", "delete", unix.SYS_UNLINK, false, false, false},
	{"unlinkat", "delete", unix.SYS_UNLINKAT, false, true, true},
	{"rmdir", "delete", unix.SYS_RMDIR, true, false, false},
	{"rename", "rename", unix.SYS_RENAME, false, false, false},
	{"renameat", "rename", unix.SYS_RENAMEAT, false, true, false},
	{"renameat2", "rename", unix.SYS_RENAMEAT2, true, true, true},
}

func doOne(dir string, i int, r *rand.Rand) (deed, error) {
	op := operations[r.IntN(len(operations))]
	sub := fmt.Sprintf("d%02d", r.IntN(20))
	base := filepath.Join(dir, sub)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return deed{}, err
	}
	name := fmt.Sprintf("%s %d", []string{"file", "data", "übung", `q"uote`}[r.IntN(4)], i)
	path := filepath.Join(base, name)
	if err := makeAt(path, op.dirs); err != nil {
		return deed{}, err
	}
	d := deed{Syscall: op.syscall, Action: op.action, Path: path}
	if op.action == "rename" {
		d.Dest = filepath.Join(base, "new "+name)
	}
	from := unix.AT_FDCWD
	if op.at && r.IntN(2) == 0 {
		var err error
		if from, err = descriptor(base); err != nil {
			return deed{}, err
		}
	}
	flag := uintptr(0)
	if op.dirs && op.action == "delete" && op.at {
		flag = unix.AT_REMOVEDIR
	}
	return d, invoke(op.trap, op.at, op.flags, from, flag, path, d.Dest)
}

// descriptors stay open, as those of a file server would.
var descriptors = map[string]int{}

func descriptor(dir string) (int, error) {
	if fd, ok := descriptors[dir]; ok {
		return fd, nil
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	descriptors[dir] = fd
	return fd, err
}

func makeAt(path string, dir bool) error {
	if dir {
		return os.Mkdir(path, 0o755)
	}
	return os.WriteFile(path, nil, 0o644)
}

// invoke makes one of the six calls: with names relative to the descriptor from,
// or with absolute ones if that is AT_FDCWD.
func invoke(trap uintptr, at, flags bool, from int, flag uintptr, names ...string) error {
	var args []uintptr
	for _, name := range names {
		if name == "" {
			continue
		}
		if at {
			args = append(args, uintptr(from))
		}
		if from != unix.AT_FDCWD {
			name = filepath.Base(name)
		}
		p, err := unix.BytePtrFromString(name)
		if err != nil {
			return err
		}
		args = append(args, uintptr(unsafe.Pointer(p)))
	}
	if flags {
		args = append(args, flag)
	}
	args = append(args, 0, 0, 0, 0, 0, 0)
	if _, _, errno := unix.Syscall6(trap, args[0], args[1], args[2], args[3], args[4], args[5]); errno != 0 {
		return errno
	}
	return nil
}
