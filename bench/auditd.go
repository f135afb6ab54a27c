package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// auditd returns the start of auditd as Debian configures it, but with its
// files in a scratch directory, without rotation, and with laurel as its plugin
// or with a log in the given format.
func auditd(format string, laurel bool) func(*entry) error {
	return func(e *entry) error {
		log := newFollow(filepath.Join(e.dir, "audit.log"), newAuditLog().count)
		plugins := filepath.Join(e.dir, "plugins.d")
		conf := auditdConf(e.dir, format, laurel)
		if err := errors.Join(os.MkdirAll(plugins, 0o750), write(e.dir, "auditd.conf", 0o640, conf)); err != nil {
			return err
		}
		if laurel {
			log = newFollow(filepath.Join(e.dir, "laurel.log"), countJSON(`"item":`, `"items":`))
			plugin := fmt.Sprintf("active = yes\ndirection = out\ntype = always\nformat = string\npath = %s\nargs = --config %s/laurel.toml\n", lookPath("laurel"), e.dir)
			if err := errors.Join(write(plugins, "laurel.conf", 0o640, plugin), write(e.dir, "laurel.toml", 0o640, laurelConf(e.dir))); err != nil {
				return err
			}
		}
		e.count = log.tally
		return e.run(exec.Command(lookPath("auditd"), "-n", "-s", "nochange", "-c", e.dir))
	}
}

func write(dir, name string, mode fs.FileMode, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), mode)
}

func lookPath(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return program // installed said that it is there; the start will tell
	}
	return path
}

// auditdConf is Debian's auditd.conf but for the places and sizes of files.
func auditdConf(dir, format string, laurel bool) string {
	writeLogs := "yes"
	if laurel {
		writeLogs = "no"
	}
	return fmt.Sprintf(`local_events = yes
write_logs = %s
log_file = %s/audit.log
log_group = root
log_format = %s
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8192
num_logs = 0
max_log_file_action = IGNORE
priority_boost = 4
name_format = NONE
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 2000
overflow_action = IGNORE
plugin_dir = %s/plugins.d
end_of_event_timeout = 2
`, writeLogs, dir, format, dir)
}

// laurelConf is Debian's laurel.toml but for the place and size of the log.
func laurelConf(dir string) string {
	return fmt.Sprintf(`directory = "%s"
statusreport-period = 0
[auditlog]
file = "laurel.log"
size = 8000000000
generations = 1
[transform]
execve-argv = [ "array" ]
[translate]
universal = false
user-db = false
[enrich]
pid = true
execve-env = [ "LD_PRELOAD", "LD_LIBRARY_PATH" ]
container = true
script = true
`, dir)
}

// A follow reads the lines that are added to a file.
type follow struct {
	path string
	line func(line []byte, t *tally)

	file  *os.File
	rest  []byte // the begin of a line whose end is not there yet
	sum   tally
	block []byte
}

func newFollow(path string, line func([]byte, *tally)) *follow {
	return &follow{path: path, line: line, block: make([]byte, 1<<20)}
}

// tally reads on and returns the sum. A file that is not there yet is empty.
func (f *follow) tally() (tally, error) {
	if f.file == nil {
		file, err := os.Open(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			return f.sum, nil
		}
		if err != nil {
			return f.sum, err
		}
		f.file = file
	}
	for {
		n, err := f.file.Read(f.block)
		f.lines(f.block[:n])
		if errors.Is(err, io.EOF) {
			return f.sum, nil
		}
		if err != nil {
			return f.sum, err
		}
	}
}

func (f *follow) lines(text []byte) {
	f.rest = append(f.rest, text...)
	at := 0
	for {
		i := bytes.IndexByte(f.rest[at:], '\n')
		if i < 0 {
			break
		}
		f.line(f.rest[at:at+i+1], &f.sum)
		at += i + 1
	}
	f.rest = append(f.rest[:0], f.rest[at:]...)
}

// An auditLog counts events in auditd's log: a SYSCALL with the key, as many
// PATHs as that says, and PROCTITLE, the last record but for EOE, which auditd
// does not write.
type auditLog struct {
	open map[string]*logEvent
}

type logEvent struct{ items, paths int }

func newAuditLog() *auditLog { return &auditLog{open: map[string]*logEvent{}} }

func (l *auditLog) count(line []byte, t *tally) {
	_, rest, _ := bytes.Cut(line, []byte(" msg=audit("))
	id, _, _ := bytes.Cut(rest, []byte(")"))
	if bytes.HasPrefix(line, []byte("type=SYSCALL ")) && bytes.Contains(line, []byte(` key="`+key+`"`)) {
		l.open[string(id)] = &logEvent{items: number(line, " items=")}
	}
	e := l.open[string(id)]
	if e == nil {
		return
	}
	t.Bytes += len(line)
	switch {
	case bytes.HasPrefix(line, []byte("type=PATH ")):
		e.paths++
	case bytes.HasPrefix(line, []byte("type=PROCTITLE ")):
		if e.paths == e.items {
			t.Complete++
		}
		delete(l.open, string(id))
	}
}

// number is the decimal number after what, -1 if there is none.
func number(text []byte, what string) int {
	_, rest, found := bytes.Cut(text, []byte(what))
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(string(rest[:n]))
	if !found || err != nil {
		return -1
	}
	return v
}

// countJSON counts events that are one line of JSON each: those of the key in
// which path occurs as often as the number after items says.
func countJSON(path, items string) func([]byte, *tally) {
	return func(line []byte, t *tally) {
		if !bytes.Contains(line, []byte(key)) {
			return
		}
		t.Bytes += len(line)
		if bytes.Count(line, []byte(path)) == number(line, items) {
			t.Complete++
		}
	}
}
