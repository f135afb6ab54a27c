package paths

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Stories are small texts in testdata/stories, each a situation in which a path was wrong
// once, or might be. README.txt there says how to read and write them.

// TestAttacks is about processes that want paths to name what is not true.
func TestAttacks(t *testing.T) { tellStories(t, "attacks") }

// TestTrail is about directories named by other records, earlier or later.
func TestTrail(t *testing.T) { tellStories(t, "removals") }

// TestView is about processes that see other names for the same directories.
func TestView(t *testing.T) { tellStories(t, "views") }

// TestAcrossGap is about what is told or seen after events were lost.
func TestAcrossGap(t *testing.T) { tellStories(t, "losses") }

// TestRenameSides is about which directory is the old name's.
func TestRenameSides(t *testing.T) { tellStories(t, "sides") }

// TestMotion is about what moves between a call and the look for it.
func TestMotion(t *testing.T) { tellStories(t, "motion") }

// storyStart is the time of a story's beginning.
var storyStart = time.UnixMilli(1_700_000_000_000)

func tellStories(t *testing.T, name string) {
	text, err := os.ReadFile("testdata/stories/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	stories := strings.Split("\n"+string(text), "\n## ")[1:]
	if len(stories) == 0 {
		t.Fatal("no stories")
	}
	for _, text := range stories {
		title, rest, _ := strings.Cut(text, "\n")
		why, body, _ := strings.Cut(rest, "\n\n")
		t.Run(title, func(t *testing.T) {
			if strings.TrimSpace(why) == "" {
				t.Error("it does not say why")
			}
			tell(t, strings.TrimSpace(body))
		})
	}
}

// tell runs a story: first what the host looks like, then what happens.
func tell(t *testing.T, body string) {
	s := &story{t: t, host: fakeLookup{
		files: map[string]fakeFile{}, fds: map[int32]string{}, links: map[string]bool{},
		views: map[uint32]uint64{}, changed: map[string]int64{},
	}}
	for line := range strings.Lines(body) {
		s.line(strings.TrimRight(line, "\n"))
	}
	s.kernel()
	for i, got := range s.k.paths() {
		if want, ok := s.want[i]; ok && got != want {
			t.Errorf("%s\n got => %s\nwant => %s", s.calls[i], got, want)
		}
	}
	if len(s.want) == 0 {
		t.Error("nothing is expected")
	}
}

// A story is one that is being told.
type story struct {
	t     *testing.T
	host  fakeLookup
	looks bool
	k     *fakeKernel
	calls []string
	want  map[int]string // of the calls, by number
}

// kernel is the kernel of which the story tells, made when the first thing happens.
func (s *story) kernel() *fakeKernel {
	if s.k == nil {
		o := Options{}
		if s.looks {
			o.Host = &s.host // what is seen may change
		}
		s.k, s.want = newFakeKernel(s.t, o), map[int]string{}
	}
	return s.k
}

func (s *story) line(line string) {
	word := strings.Fields(line)
	switch {
	case len(word) == 0 || word[0] == "replay":
	case strings.HasPrefix(line, "    => "):
		s.want[len(s.calls)-1] = strings.TrimPrefix(line, "    => ")
	case strings.HasPrefix(line, "  "):
		s.sees(word)
	case word[0] == "look":
		s.looks, s.host.now = true, s.at(word[2]).UnixMilli()
	case word[0] == "at":
		s.kernel().now = s.at(word[1])
		s.host.now = max(s.host.now, s.k.now.UnixMilli()) // nobody looks into the past
	case word[0] == "tick":
		s.kernel().s.Tick(s.at(word[1]))
	case word[0] == "drop":
		s.kernel().s.DropDev(event.ParseDev([]byte(word[1])))
	case word[0] == "gap", word[0] == "seam", word[0] == "daemon":
		s.note(word)
	default:
		s.call(line)
	}
}

// at reads a time, such as +20ms.
func (s *story) at(word string) time.Time {
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return storyStart.Add(d)
}

func (s *story) number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// sees reads what whoever looks will see.
func (s *story) sees(word []string) {
	switch {
	case word[0] == "descriptor":
		s.host.fds[int32(s.number(word[1]))] = word[3]
	case word[0] != "process" && word[2] == "gone":
		delete(s.host.files, word[0])
	case word[0] == "process" && word[2] == "is":
		s.host.views[uint32(s.number(word[1]))] = 1
	case word[0] == "process":
		s.host.views[uint32(s.number(word[1]))] = uint64(s.number(word[4]))
	case word[2] == "a":
		s.host.links[word[0]] = true
	default:
		f := fakeFile{ino: s.number(word[2]), links: 2, born: 1}
		for i := 3; i+1 < len(word); i += 2 {
			switch n := s.number(word[i+1]); word[i] {
			case "links":
				f.links = n
			case "born":
				f.born = storyStart.UnixMilli() + int64(n)
			case "changed":
				s.host.changed[word[0]] = storyStart.UnixMilli() + int64(n)
			}
		}
		s.host.files[word[0]] = f
	}
}

func (s *story) note(word []string) {
	typ := map[string]event.Type{"gap": event.TypeGap, "seam": event.TypeSeam, "daemon": event.TypeDaemon}[word[0]]
	var fields []event.NoteField
	for _, pair := range word[1:] {
		key, val, _ := strings.Cut(pair, "=")
		fields = append(fields, event.NoteField{Key: key, Value: val})
	}
	s.kernel().note(typ, fields...)
}

// storyCalls are the numbers of system calls on x86_64.
var storyCalls = map[string]int{
	"rename": 82, "mkdir": 83, "rmdir": 84, "unlink": 87, "symlink": 88, "fchmod": 91, "mount": 165,
	"openat": 257, "unlinkat": 263, "renameat": 264, "fchmodat": 268, "renameat2": 316,
}

// call reads a call: PID NAME [OPTION=...] ARGUMENTS | RECORD, RECORD...
func (s *story) call(line string) {
	k := s.kernel()
	head, records, _ := strings.Cut(line, " | ")
	word := strings.Fields(head)
	nr := storyCalls[word[1]]
	if nr == 0 {
		s.t.Fatalf("no such call: %s", line)
	}
	k.pid, k.cwd, k.exe, k.title = s.number(word[0]), "/home", "", ""
	result, args := "success=yes exit=0", []string{}
	for _, w := range word[2:] {
		switch key, val, _ := strings.Cut(w, "="); key {
		case "success":
			result = strings.ReplaceAll(w, ",", " ")
		case "cwd":
			k.cwd = val
		case "exe":
			k.exe = val
		case "cmd":
			k.title = strings.ReplaceAll(val, ",", "\x00")
		default:
			args = append(args, w)
		}
	}
	var paths []pathRecord
	for text := range strings.SplitSeq(records, ", ") {
		r := strings.Fields(text)
		if len(r) != 4 {
			s.t.Fatalf("no record: %q", text)
		}
		mode := cmp.Or(map[string]string{"dir": dirMode, "file": fileMode, "link": "0120777"}[r[2]], r[2])
		paths = append(paths, pathRecord{strings.TrimPrefix(r[1], "-"), s.number(r[3]), mode, r[0]})
	}
	s.calls = append(s.calls, fmt.Sprintf("call %d: %s", len(s.calls)+1, line))
	k.result(nr, result, strings.Join(args, " "), paths...)
}
