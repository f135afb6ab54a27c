//go:build amd64

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// attackerID is the user and group of the attackers.
const attackerID = 65534

// pagesSize is the size of the file whose pages come late.
const pagesSize = 1 << 28

// A pageHolder holds each read of a silent server until the name "go" is looked up. The
// name "held" is busy while there is one.
type pageHolder struct{ held []uint64 }

// intercept reports whether a request is answered, or held.
func (p *pageHolder) intercept(fd int, request []byte) bool {
	in := binary.NativeEndian
	reply := func(unique uint64, errno unix.Errno, text []byte) {
		out := in.AppendUint32(nil, uint32(16+len(text)))
		out = in.AppendUint32(out, uint32(-int32(errno)))
		_, _ = unix.Write(fd, append(in.AppendUint64(out, unique), text...)) // who asked may be gone
	}
	unique := in.Uint64(request[8:])
	switch name := string(bytes.TrimRight(request[40:], "\x00")); {
	case in.Uint32(request[4:]) == fuseRead:
		p.held = append(p.held, unique)
	case in.Uint32(request[4:]) != fuseLookup:
		return false
	case name == "held" && len(p.held) > 0:
		reply(unique, unix.EBUSY, nil)
	case name == "held":
		reply(unique, unix.ENOENT, nil)
	case name == "go":
		for _, read := range p.held {
			reply(read, 0, append([]byte("o.x"), make([]byte, 4093)...))
		}
		p.held = nil
		reply(unique, unix.ENOENT, nil)
	default:
		return false
	}
	return true
}

// TestKernelAttackPaths has attackers without privileges, or root in a user namespace, work
// beside root. What root did is known. No path of root's may be wrong, whatever they do, nor
// one of theirs that does not say that it is claimed. AUDITSHIPPER_ATTACKED multiplies it.
func TestKernelAttackPaths(t *testing.T) {
	kerneltest.Need(t)
	rounds := 2
	if many := os.Getenv("AUDITSHIPPER_ATTACKED"); many != "" {
		n, err := strconv.Atoi(many)
		if err != nil {
			t.Fatal(err)
		}
		rounds *= n
	}
	r := newRig(t, "")
	j := newAttackJudge(t, r)
	r.start()
	for _, story := range slices.Sorted(maps.Keys(attacks)) {
		t.Run(story, func(t *testing.T) { j.attack(t, story, rounds) })
	}
	// On a slow machine the kernel drops some, which a gap tells.
	last, since := 0, time.Now()
	r.eventually(2*time.Minute, "root's events", func() bool {
		if n := r.rooted(); n != last {
			last, since = n, time.Now()
		}
		return last >= len(j.did) || len(r.gaps()) > 0 && time.Since(since) > 5*time.Second
	})
	r.stop()
	j.compare(t)
}

// rooted counts root's events.
func (r *rig) rooted() (n int) {
	for _, e := range r.endpoint.Events("/g", "s") {
		if strings.Contains(e.Message, `"uid":0,`) && strings.Contains(e.Message, `"efs_changes"`) && strings.Contains(e.Message, `"success":true`) {
			n++
		}
	}
	return n
}

// An attackJudge knows what root did, and where the directories are that nobody moves.
type attackJudge struct {
	r      *rig
	did    []doing
	places map[string]string // by device and inode, as PATH records print them
	spans  []storySpan
}

type storySpan struct {
	story    string
	from, to time.Time
}

func (j *attackJudge) story(at time.Time) string {
	for _, s := range j.spans {
		if !at.Before(s.from.Add(-20*time.Millisecond)) && !at.After(s.to) {
			return s.story
		}
	}
	return "none"
}

func newAttackJudge(t *testing.T, r *rig) *attackJudge {
	t.Helper()
	for dir := r.dir; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	j := &attackJudge{r: r, places: map[string]string{}}
	for _, dir := range []string{"secret", "secret/kept", "secret/A", "secret/B", "pub"} {
		j.mkdir(t, filepath.Join(r.watched, dir), 0)
	}
	if err := os.WriteFile(r.watched+"/secret/kept/kept", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// All of them now: later ones might get an inode that was another directory's.
	for story := range attacks {
		j.setTheStage(t, j.stage(story))
	}
	return j
}

// mkdir makes a directory that nobody will move.
func (j *attackJudge) mkdir(t *testing.T, dir string, owner int) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, owner, owner); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	j.places[fmt.Sprintf("inode=%d dev=%02x:%02x", st.Ino, unix.Major(st.Dev), unix.Minor(st.Dev))] = dir
}

func (j *attackJudge) stage(story string) stage {
	return stage{
		story, filepath.Join(j.r.watched, "pub", story), filepath.Join(j.r.dir, "outside."+story),
		filepath.Join(j.r.watched, "secret"), filepath.Join(j.r.dir, "pages"),
	}
}

// attack has root work beside an attacker.
func (j *attackJudge) attack(t *testing.T, story string, rounds int) {
	s := j.stage(story)
	attacker := exec.Command("/proc/self/exe")
	attacker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attackerID, Gid: attackerID}}
	if slices.Contains([]string{"bind", "chroot", "overlay"}, story) {
		ids := []syscall.SysProcIDMap{{HostID: attackerID, Size: 1}}
		attacker.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
			Credential: &syscall.Credential{},
		}
	}
	if story == "commandline" {
		attacker.Args = []string{"rm", "-rf", s.Secret + "/kept/"}
	}
	begin := time.Now()
	defer func() { j.spans = append(j.spans, storySpan{story, begin, time.Now()}) }()
	end := startRole(t, attacker, "AUDITSHIPPER_TEST_ATTACKER", s)
	truth := filepath.Join(j.r.dir, "truth."+story)
	root := exec.Command("/proc/self/exe")
	startRole(t, root, "AUDITSHIPPER_TEST_VICTIM", task{s, rounds, truth})()
	end()
	text, err := os.ReadFile(truth)
	if err != nil {
		t.Fatal(err)
	}
	var did []doing
	if err := json.Unmarshal(text, &did); err != nil {
		t.Fatal(err)
	}
	j.did = append(j.did, did...)
}

// setTheStage makes the attacker's directories.
func (j *attackJudge) setTheStage(t *testing.T, s stage) {
	t.Helper()
	for _, dir := range []string{s.Outside, s.Own, s.Own + "/m", s.Own + "/o"} {
		j.mkdir(t, dir, attackerID)
	}
	switch s.Story {
	case "page":
		j.mkdir(t, s.Pages, attackerID)
		serve(t, &silentServer{dir: s.Pages, size: pagesSize, pages: new(pageHolder)}, attackerID)
	case "chroot":
		dir := s.Own + "/m/jail"
		j.mkdir(t, dir, attackerID)
		for part := range strings.SplitSeq(strings.Trim(s.Secret+"/kept", "/"), "/") {
			dir += "/" + part
			j.mkdir(t, dir, attackerID)
		}
	case "overlay":
		for _, dir := range []string{"low", "up", "work"} {
			j.mkdir(t, s.Own+"/m/"+dir, attackerID)
		}
	case "renamed":
		if err := os.Mkdir(s.Own+"/m/"+renamedNames[0], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Outside+"/turns", make([]byte, 8), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(s.Outside+"/turns", attackerID, attackerID); err != nil {
			t.Fatal(err)
		}
	}
}

// startRole runs this test binary in a role, and returns what waits for its end. An attacker is
// waited for at once: until it attacks.
func startRole(t *testing.T, cmd *exec.Cmd, role string, what any) (end func()) {
	t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	stderr := new(bytes.Buffer)
	cmd.Env, cmd.Stderr = append(os.Environ(), role+"="+string(text)), stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	for _, err := range []error{err1, err2, cmd.Start()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tooLong := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() }) // what waits for a page could wait for ever
	lines := bufio.NewReader(out)
	if role == "AUDITSHIPPER_TEST_ATTACKER" {
		if _, err := lines.ReadString('\n'); err != nil {
			_ = cmd.Wait() // what it says is on its standard error
			t.Fatalf("%v: %s", err, stderr)
		}
	}
	return func() {
		if role == "AUDITSHIPPER_TEST_ATTACKER" {
			in.Close()
		}
		_, _ = io.Copy(io.Discard, lines)
		tooLong.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v: %s", role, err, stderr)
		}
	}
}

var parentRecord = regexp.MustCompile(`inode=\d+ dev=[0-9a-f:]+ [^\n]*?nametype=PARENT`)

// compare judges each event that arrived.
func (j *attackJudge) compare(t *testing.T) {
	open := map[doing]int{}
	for _, d := range j.did {
		open[d]++
		if d.Or != "" {
			other := d
			other.Path, other.Or = d.Or, ""
			if d.Dest != "" {
				other.Dest = filepath.Dir(d.Or) + "/" + filepath.Base(d.Dest)
			}
			open[other]++
			d.Or = ""
			open[d]++
		}
	}
	counts := map[string]int{}
	wrong := func(format string, e shipped) {
		if counts["wrong"]++; counts["wrong"] <= 20 {
			t.Errorf(format+": %s %s > %s (%s, %s)\n%s", e.Action, e.Path, e.Dest, e.PathFrom, e.DestFrom, e.Raw)
		}
	}
	for _, e := range j.r.ours() {
		who := "root's"
		if *e.UID == attackerID {
			who = "attackers'"
		}
		counts[who]++
		if slices.Contains([]string{e.PathFrom, e.DestFrom}, "unresolved") || e.PathFrom == "" {
			counts[who+" unresolved"]++
			counts[who+" unresolved "+j.story(e.Time)]++
			continue
		}
		if who == "root's" {
			if d := (doing{Action: e.Action, Path: e.Path, Dest: e.Dest}); open[d] == 0 {
				wrong("root's, wrong", e)
			}
			continue
		}
		if slices.Contains([]string{e.PathFrom, e.DestFrom}, "claimed") {
			counts["attackers' claimed"]++
			continue
		}
		if !j.mayBe(e) {
			wrong("the attacker's, wrong", e)
		}
	}
	t.Logf("%d doings of root's: %v", len(j.did), counts)
	// Where the kernel dropped records, whatever they might have told is not known.
	gaps := len(j.r.gaps())
	if n := counts["root's unresolved"]; gaps == 0 && n*10 > counts["root's"] {
		t.Errorf("%d of %d unresolved", n, counts["root's"])
	}
	if gaps == 0 && counts["root's"] != len(j.did) {
		t.Errorf("root did %d, %d arrived, and no gap says so", len(j.did), counts["root's"])
	}
}

// mayBe says whether an attacker's event names a directory that is one of its PARENT records.
func (j *attackJudge) mayBe(e shipped) bool {
	if e.Success && strings.HasPrefix(e.Path, filepath.Join(j.r.watched, "secret")+"/") {
		return false // root's alone
	}
	var dirs []string
	for _, record := range parentRecord.FindAllString(e.Raw, -1) {
		f := strings.Fields(record)
		place, ok := j.places[f[0]+" "+f[1]]
		if !ok {
			return true // a directory that moves, or another layer's
		}
		dirs = append(dirs, place)
	}
	for _, path := range []string{e.Path, e.Dest} {
		switch {
		case path == "", slices.Contains(dirs, filepath.Dir(path)), !e.Success && slices.Contains(dirs, path):
		default:
			return false
		}
		// Files are called by the directory in which they are.
		if tag, _, ok := strings.Cut(filepath.Base(path), "."); ok && e.Success && (tag == "m" || tag == "o" || tag == "up") && tag != filepath.Base(filepath.Dir(path)) {
			return false
		}
	}
	return true
}
