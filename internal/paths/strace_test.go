package paths

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// callNames tells which of a call's arguments, counted from 0, are the directory and
// the name of its (old) and new name; the directory is -1 for the working one,
// the name -1 for a descriptor of the file.
var callNames = map[string][][2]int{
	"unlink": {{-1, 0}}, "rmdir": {{-1, 0}}, "unlinkat": {{0, 1}},
	"rename": {{-1, 0}, {-1, 1}}, "renameat": {{0, 1}, {2, 3}}, "renameat2": {{0, 1}, {2, 3}},
	"mkdir": {{-1, 0}}, "mknod": {{-1, 0}}, "mkdirat": {{0, 1}}, "mknodat": {{0, 1}},
	"open": {{-1, 0}}, "creat": {{-1, 0}}, "openat": {{0, 1}}, "openat2": {{0, 1}},
	"truncate": {{-1, 0}}, "chmod": {{-1, 0}}, "chown": {{-1, 0}}, "lchown": {{-1, 0}},
	"setxattr": {{-1, 0}}, "lsetxattr": {{-1, 0}}, "removexattr": {{-1, 0}}, "lremovexattr": {{-1, 0}},
	"utime": {{-1, 0}}, "utimes": {{-1, 0}}, "fchmodat": {{0, 1}}, "fchownat": {{0, 1}},
	"utimensat": {{0, 1}}, "futimesat": {{0, 1}}, "link": {{-1, 0}, {-1, 1}}, "linkat": {{0, 1}, {2, 3}},
	"symlink": {{-1, 1}}, "symlinkat": {{1, 2}}, "mount": {{-1, 1}}, "umount2": {{-1, 0}},
	"fchmod": {{0, -1}}, "fchown": {{0, -1}},
	"fsetxattr": {{0, -1}}, "fremovexattr": {{0, -1}},
}

// A trace is what strace -f -y -xx saw, as another witness of the same calls.
type trace struct {
	root string
	did  map[string]int // what was done, how often
	made map[string]int // how many of which process and kind succeeded
	cwd  map[int]string
}

// readTrace reads strace's output, of processes that start in dir cwd.
func readTrace(t *testing.T, out []byte, root, cwd string) *trace {
	t.Helper()
	tr := &trace{root: root, did: map[string]int{}, made: map[string]int{}, cwd: map[int]string{}}
	parents, begun, leads := map[int]int{}, map[int]string{}, map[int]int{}
	var lines []string
	for line := range strings.Lines(string(out)) {
		pidText, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(pidText)
		if err != nil {
			t.Fatalf("strace says %q", line)
		}
		rest = strings.TrimSpace(rest)
		if head, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
			begun[pid] = strings.TrimSpace(head)
			continue
		}
		if strings.HasPrefix(rest, "<... ") {
			_, tail, _ := strings.Cut(rest, " resumed>")
			rest = begun[pid] + tail
		}
		name, _, _ := strings.Cut(rest, "(")
		if strings.HasSuffix(name, "fork") || strings.HasPrefix(name, "clone") {
			if child, err := strconv.Atoi(rest[strings.LastIndexByte(rest, ' ')+1:]); err == nil {
				parents[child] = pid
				if strings.Contains(rest, "CLONE_THREAD") {
					leads[child] = pid
				}
			}
		}
		lines = append(lines, pidText+" "+rest)
	}
	for _, line := range lines {
		pidText, rest, _ := strings.Cut(line, " ")
		pid, _ := strconv.Atoi(pidText)
		if _, ok := tr.cwd[pid]; !ok {
			if tr.cwd[pid] = tr.cwd[parents[pid]]; tr.cwd[pid] == "" {
				tr.cwd[pid] = cwd
			}
		}
		for leads[pid] != 0 { // records have the process of a thread
			pid = leads[pid]
		}
		tr.add(pid, rest)
	}
	return tr
}

// add takes one finished call.
func (tr *trace) add(pid int, text string) {
	name, rest, ok := strings.Cut(text, "(")
	end := strings.LastIndex(rest, ") ")
	if !ok || end < 0 {
		return
	}
	args, result := splitArgs(rest[:end]), strings.TrimSpace(strings.TrimLeft(rest[end+2:], " ="))
	failed := strings.HasPrefix(result, "-1")
	switch {
	case name == "chdir" && !failed:
		tr.cwd[pid] = path.Join("/", joinText(tr.cwd[pid], unquote(args[0])))
		return
	case name == "fchdir" && !failed:
		tr.cwd[pid] = decorated(args[0])
		return
	}
	var full []string
	inside := false
	for _, at := range callNames[name] {
		base := tr.cwd[pid]
		if at[0] >= 0 && at[0] < len(args) {
			base = decorated(args[at[0]])
		}
		file := base
		if at[1] >= 0 {
			if at[1] >= len(args) || !strings.HasPrefix(args[at[1]], `"`) {
				return
			}
			file = joinText(base, unquote(args[at[1]]))
		}
		full = append(full, file)
		inside = inside || strings.HasPrefix(file, tr.root) || strings.HasPrefix(file, "/proc/self/fd/")
	}
	if !inside {
		return
	}
	if !failed && strings.HasPrefix(full[0], tr.root) {
		tr.made[fmt.Sprint(pid, " ", name)]++
	}
	// Of a call that fails or changes nothing the records have only directories.
	for dirs := range 1 << len(full) {
		said := slices.Clone(full)
		for i := range said {
			if dirs&(1<<i) != 0 {
				said[i] = inDir(path.Dir(path.Clean(said[i])))
			}
		}
		tr.did[done(pid, name, !failed, said...)]++
	}
}

// inDir stands for a name of which only the directory is known.
func inDir(dir string) string { return dir + "/?/" }

// aliases are other names of the same directories in calls.py: a symlink, and a
// view of a mount. Both are true.
var aliases = strings.NewReplacer("/A/way/", "/B and more/", "/mnt/view", "/mnt/real")

// done puts a call into words, with its names cleaned.
func done(pid int, name string, success bool, names ...string) string {
	for i, n := range names {
		if n != "" {
			n, isDir := strings.CutSuffix(n, "/?/")
			names[i] = aliases.Replace(string(appendLexical(nil, []byte(n))))
			if isDir {
				names[i] = inDir(names[i])
			}
		}
	}
	return fmt.Sprintf("%d %s %v %q", pid, name, success, names)
}

func joinText(base, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return base + "/" + name
}

// decorated is the path in what strace prints for a descriptor: 3<\x2f\x61>.
func decorated(arg string) string {
	_, in, _ := strings.Cut(arg, "<")
	return unquote(`"` + strings.TrimSuffix(strings.TrimSuffix(in, "(deleted)"), ">") + `"`)
}

func unquote(arg string) string {
	s, err := strconv.Unquote(arg)
	if err != nil {
		return arg
	}
	return s
}

// splitArgs splits at commas outside of brackets. Names, in hex, have none.
func splitArgs(text string) (args []string) {
	depth, start := 0, 0
	for i, c := range text {
		switch c {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	return append(args, strings.TrimSpace(text[start:]))
}

// A score is how events compare with a trace.
type score struct {
	total, right, unresolved int
	nowhere                  int            // unresolved, and no record tells of a directory
	kinds                    map[string]int // of those, by call and program
	sure                     int            // unresolved of those that must not be: rm and rmtree
	wrong, open              []string
}

// A witness compares events with what strace saw of the same calls.
type witness struct {
	enc    *encode.Encoder
	line   []byte
	events []witnessed
	bytes  int
}

type witnessed struct {
	key, reverse, kind, json, what     string
	unresolved, nowhere, sure, success bool
}

func (w *witness) drain(s *Stream) {
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		w.line = w.enc.AppendJSON(w.line[:0], e)
		w.bytes += len(w.line)
		// A link that is refused (ANOM_LINK) is logged without a rule, whoever tries it.
		// What strace prints of /proc/self/fd/5 is just that, so it is no witness of where it leads.
		if names, ok := callNames[e.Syscall]; ok && len(e.Key) > 0 && e.PID != 0 && !workOf(e).isVia(&workOf(e).path) {
			w.events = append(w.events, w.see(e, names))
		}
		s.Free(e)
	}
}

// all is the JSON of every event.
func (w *witness) all() []byte {
	var text bytes.Buffer
	for _, ev := range w.events {
		text.WriteString(ev.json + "\n")
	}
	return text.Bytes()
}

func (w *witness) see(e *event.Event, names [][2]int) witnessed {
	ev := witnessed{json: string(w.line), success: e.Success != event.No}
	var said []string
	for i, n := range []*event.Name{&e.Path, &e.Dest} {
		if i >= len(names) {
			break
		}
		ev.unresolved = ev.unresolved || n.From == event.FromUnresolved || n.Path == nil && n.Dir == nil
		if n.Path == nil && n.Dir != nil {
			said = append(said, inDir(string(n.Dir)))
		} else {
			said = append(said, string(n.Path))
		}
	}
	ev.nowhere = workOf(e).path.parent == nil && e.Path.From == event.FromUnresolved && !e.Has(event.KindParent) || e.Call.Verb == event.VerbLink && e.Path.From == event.FromUnresolved
	ev.kind = fmt.Sprint(e.PID, " ", e.Syscall)
	ev.what = fmt.Sprintf("%s by %s of a %s", e.Syscall, e.Comm, e.Path.Type())
	ev.sure = string(e.Comm) == "rm" || bytes.Contains(e.Title, []byte("rmtree"))
	ev.key = done(int(e.PID), e.Syscall, ev.success, said...)
	if e.Exchange {
		ev.reverse = done(int(e.PID), e.Syscall, ev.success, said[1], said[0])
	}
	return ev
}

// score compares. How many calls no event tells of is left in tr.made.
func (w *witness) score(tr *trace) (sc score) {
	sc.kinds = map[string]int{}
	for _, ev := range w.events {
		if ev.success {
			tr.made[ev.kind]--
		}
		if tr.did[ev.key] == 0 && ev.reverse != "" {
			ev.key = ev.reverse
		}
		switch {
		case !ev.success && ev.unresolved:
		case ev.nowhere && ev.unresolved:
			sc.nowhere++
			sc.kinds[ev.what]++
		case ev.unresolved:
			sc.total++
			sc.unresolved++
			sc.open = append(sc.open, ev.json)
			if ev.sure {
				sc.sure++
			}
		case tr.did[ev.key] > 0:
			sc.total++
			sc.right++
			tr.did[ev.key]--
		default:
			sc.total++
			sc.wrong = append(sc.wrong, ev.json)
		}
	}
	return sc
}
