package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// captures returns logs that real kernels and daemons wrote, unpacked.
func captures(t *testing.T) []string {
	t.Helper()
	plain, err := filepath.Glob("../../internal/event/testdata/corpus/*.log")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := filepath.Glob("../../internal/event/testdata/truth/*.log.gz")
	if err != nil || len(plain)*len(packed) == 0 {
		t.Fatal("no captures", err)
	}
	for _, name := range append(packed, "testdata/captures/debian12-6.18-enriched.log.gz") {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		out := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(name), ".gz"))
		if err := os.WriteFile(out, text, 0o600); err != nil {
			t.Fatal(err)
		}
		plain = append(plain, out)
	}
	return plain
}

// searches are what ausearch and search --compat must answer alike.
const searches = `-a 145
-k t
-k nokey
-m SYSCALL
-m CONFIG_CHANGE
-m USER_AUTH,USER_ACCT
-m ALL
-m 1300
-m PATH -f f
-m DAEMON_START
-m USER_LOGIN -sv no
-sc unlinkat
-sc 263
-sc rename
-sc open
-sv yes
-sv no
-x /usr/bin/rm
-x rm
-c rm
-c rm -w
-c r
-f abs
-f /srv
-f /srv/t/a/abs -w
-f dir -sv yes
-p 1
-pp 1
-ua 0
-ua root
-ua 1000
-ui 0
-ui root
-ue 0
-ue root
-ul -1
-ul 4294967295
-ga 0
-gi 0
-ge root
-e 0
-e -13
-e -EACCES
-e EACCES
-e -ENOENT
--session -1
--session 4294967295
-tm pts0
-tm (none)
-tm ssh
-hn localhost
-n vm
-su unconfined
-se unconfined
-o x
-vm x
-uu x
--arch x86_64
--arch b64 -sc unlink
-ts today
-ts recent
-k t -sv yes
-k t -sv no
-k t -x rm -c rm
-c mv -k t -sv yes
-m SYSCALL -k t --just-one
--just-one
-a 999999`

// TestParitySearch asks ausearch and us the same of every capture: what is
// printed must agree byte for byte, raw and in the default format.
func TestParitySearch(t *testing.T) {
	if _, err := exec.LookPath("ausearch"); err != nil {
		kerneltest.Skip(t, "ausearch is not installed")
	}
	asked := 0
	for _, file := range captures(t) {
		for line := range strings.Lines(searches) {
			for _, format := range []string{"", "--raw"} {
				args := append([]string{"-if", file}, strings.Fields(line)...)
				if format != "" {
					args = append(args, format)
				}
				cmd := exec.Command("ausearch", args...)
				cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
				want, _ := cmd.Output() // its status is the same for nothing found and nonsense
				got, err := searchFor(append(args, "--compat"))
				if asked++; !bytes.Equal(got, want) {
					t.Errorf("%s %s: %d bytes, ausearch has %d; %v", filepath.Base(file), line, len(got), len(want), err)
				}
				if (err == nil) != (len(want) > 0) {
					t.Errorf("%s %s: %v, ausearch prints %d bytes", filepath.Base(file), line, err, len(want))
				}
			}
		}
	}
	t.Logf("%d searches agree", asked)
}

func searchFor(args []string) ([]byte, error) { return printed("search", args) }

// printed runs a verb.
func printed(verb string, args []string) ([]byte, error) {
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(append([]string{verb}, args...))
	err := root.Execute()
	return out.Bytes(), err
}

// TestSearchTruePaths finds by their true paths what the kernel names wrongly,
// and prints both names of a rename in every format.
func TestSearchTruePaths(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	log := `type=SYSCALL msg=audit(1700000000.001:1): arch=c000003e syscall=263 success=yes exit=0 a0=5 a1=1 a2=0 a3=0 items=2 ppid=1 pid=7 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=4294967295 comm="rm" exe="/usr/bin/rm" key="efs"
type=CWD msg=audit(1700000000.001:1): cwd="/root"
type=PATH msg=audit(1700000000.001:1): item=0 name="/root" inode=81 dev=00:2a mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT
type=PATH msg=audit(1700000000.001:1): item=1 name="a.o" inode=90 dev=00:2a mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=DELETE
type=PROCTITLE msg=audit(1700000000.001:1): proctitle=726D
type=SYSCALL msg=audit(1700000000.002:2): arch=c000003e syscall=84 success=yes exit=0 a0=5 a1=1 a2=0 a3=0 items=2 ppid=1 pid=7 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=4294967295 comm="rm" exe="/usr/bin/rm" key="efs"
type=CWD msg=audit(1700000000.002:2): cwd="/root"
type=PATH msg=audit(1700000000.002:2): item=0 name="/mnt/efs" inode=80 dev=00:2a mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT
type=PATH msg=audit(1700000000.002:2): item=1 name="/mnt/efs/obj" inode=81 dev=00:2a mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=DELETE
type=PROCTITLE msg=audit(1700000000.002:2): proctitle=726D
`
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "csv", "json", "interpret", "raw", "default"} {
		got, err := searchFor([]string{"-if", file, "-f", "/mnt/efs/obj/a.o", "--format", format})
		if err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if format != "raw" && format != "default" && !bytes.Contains(got, []byte("/mnt/efs/obj/a.o")) {
			t.Errorf("%s:\n%s", format, got)
		}
	}
	if got, err := searchFor([]string{"-if", file, "-f", "/mnt/efs/obj/a.o", "--compat"}); err == nil {
		t.Errorf("--compat found\n%s", got)
	}
}

// TestParityReport asks aureport and us for every report of every capture.
func TestParityReport(t *testing.T) {
	if _, err := exec.LookPath("aureport"); err != nil {
		kerneltest.Skip(t, "aureport is not installed")
	}
	asked := 0
	for _, file := range captures(t) {
		for _, kind := range append(strings.Fields("-a -au -c -cr -e -f -h --integrity -k -l -m -ma -n -p -r -s -tm --tty -u --virt -x --comm"), "") {
			for _, more := range []string{"", "--summary", "-i", "--failed", "--success", "-i --summary"} {
				if strings.Contains(more, "--summary") && (kind == "" || kind == "--tty") {
					continue // aureport has none
				}
				args := append([]string{"-if", file}, strings.Fields(kind+" "+more)...)
				cmd := exec.Command("aureport", args...)
				cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
				want, _ := cmd.Output() // 1 where there is nothing
				got, err := printed("report", append(args, "--compat"))
				if asked++; !bytes.Equal(got, want) {
					t.Errorf("%s %s %s: %v\n%s\naureport\n%s", filepath.Base(file), kind, more, err, head(got), head(want))
				}
			}
		}
	}
	t.Logf("%d reports agree", asked)
}

func head(text []byte) []byte { return text[:min(len(text), 800)] }

// TestReportTruePaths lists the true names of what ausearch finds, in each form
// that goes through a pipe.
func TestReportTruePaths(t *testing.T) {
	for _, args := range []string{"-f -i", "-f", "-f --format csv", "-f --format json", "-f --summary"} {
		got, err := printed("report", append([]string{"-if", "../../internal/event/testdata/truth/debian12-6.18-ext4.log.gz"}, strings.Fields(args)...))
		if err != nil {
			t.Errorf("%s: %v", args, err)
		}
		for _, name := range []string{"/srv/t/names/with space", "/srv/t/names/xwith space", "/srv/t/par3/d1/d0/f1"} {
			if !bytes.Contains(got, []byte(name)) {
				t.Errorf("%s: %s is not in it", args, name)
			}
		}
	}
}

// interpretations are what is asked of logs that ausearch interprets.
var interpretations = []string{
	"-i", "-i --escape raw", "-i --escape shell", "-i --escape shell_quote",
	"--format csv", "--format csv --extra-keys --extra-labels --extra-obj2 --extra-time", "--format text",
}

// TestParityInterpret asks ausearch and us to interpret every capture, and
// invented logs with every kind of record and value.
func TestParityInterpret(t *testing.T) {
	if _, err := exec.LookPath("ausearch"); err != nil {
		kerneltest.Skip(t, "ausearch is not installed")
	}
	files := captures(t)
	for seed := range uint64(3) {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("invented%d.log", seed))
		if err := os.WriteFile(name, inventLog(seed, 3000), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	lines := 0
	for _, file := range files {
		for _, format := range interpretations {
			args := append([]string{"-if", file}, strings.Fields(format)...)
			cmd := exec.Command("ausearch", args...)
			cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
			want, _ := cmd.Output() // 1 where there is nothing
			got, err := searchFor(append(args, "--compat"))
			lines += bytes.Count(want, []byte("\n"))
			if !bytes.Equal(got, want) {
				t.Errorf("%s %s: %v\n%s", filepath.Base(file), format, err, differing(got, want))
			}
		}
	}
	t.Logf("%d lines agree", lines)
}

// differing shows the first lines in which two texts differ.
func differing(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	var b strings.Builder
	shown := 0
	for i := range max(len(g), len(w)) {
		var x, y string
		if i < len(g) {
			x = g[i]
		}
		if i < len(w) {
			y = w[i]
		}
		if x != y {
			if fmt.Fprintf(&b, "line %d\ngot  %q\nwant %q\n", i+1, x, y); shown == 3 {
				break
			}
			shown++
		}
	}
	return b.String()
}

var nameless = regexp.MustCompile(`something in (/\S*/names) `)

// tellsLess are captures of which interpreted lines tell less: names that the
// kernel lost with the slash at their end are known by the words of the command
// line, and interpreted, those are not told apart any more.
var tellsLess = map[string]string{"debian12-6.1-slash.log": "", "debian12-6.1-nfs.log": "something in /mnt/efs/t/a "}

// TestPipes sends what a search prints into a report, which must name the same
// true paths as if it had read the log: old and new names, in each form.
func TestPipes(t *testing.T) {
	oracle, err := exec.LookPath("ausearch")
	for _, file := range captures(t) {
		want, _ := printed("report", []string{"-if", file, "-f", "-i"}) // its error is that there is nothing
		for _, form := range []string{"", "--raw", "-i"} {
			text, _ := searchFor(append([]string{"-if", file}, strings.Fields(form)...))
			got := reportOf(t, text)
			if less, ok := tellsLess[filepath.Base(file)]; ok && form == "-i" && less == "" {
				continue
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: search %s\n%s", filepath.Base(file), form, differing(got, want))
			}
		}
		if err != nil {
			continue
		}
		text, _ := exec.Command(oracle, "-i", "-if", file).Output()
		// It prints a file really called (null) as one without a name.
		got := nameless.ReplaceAll(reportOf(t, text), []byte("$1/(null) "))
		switch less, ok := tellsLess[filepath.Base(file)]; {
		case ok && less == "":
			continue
		case ok:
			got = bytes.ReplaceAll(got, []byte(less), []byte("/mnt/efs/t/a/dir "))
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: ausearch -i\n%s", filepath.Base(file), differing(got, want))
		}
	}
}

// reportOf is the report of files on what a search printed.
func reportOf(t *testing.T, text []byte) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "printed")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, _ := printed("report", []string{"-if", name, "-f", "-i"}) // its error is that there is nothing
	return got
}

// TestSearchBothNames prints the old and the new name of a rename in every
// format, and what a mode became.
func TestSearchBothNames(t *testing.T) {
	const truth = "../../internal/event/testdata/truth/debian12-6.18-ext4.log.gz"
	for _, tt := range []struct{ args, want string }{
		{"--format text", "root, successfully renamed /srv/t/names/with space to /srv/t/names/xwith space using"},
		{"--format csv", ",renamed,success,/srv/t/names/with space,/srv/t/names/xwith space,file,"},
		{"--format csv --extra-obj2", ",renamed,success,/srv/t/names/with space,/srv/t/names/xwith space,/srv/t/names/xwith space,file,"},
		{"-i", " name=/srv/t/names/with space inode=794629 "},
		{"-i", " name=/srv/t/names/xwith space inode=794629 "},
		{"-i", " name=/srv/t/names/ "},
	} {
		got, err := searchFor(append([]string{"-if", truth}, strings.Fields(tt.args)...))
		if err != nil || !bytes.Contains(got, []byte(tt.want)) {
			t.Errorf("%s: %q is not in it; %v", tt.args, tt.want, err)
		}
	}
	got, err := searchFor([]string{"-if", "../../internal/event/testdata/corpus/debian12-6.18-kinds.log", "-sc", "fchmodat", "--format", "text"})
	if want := "changed-file-permissions-of /srv/t/watched to 0"; err != nil || !bytes.Contains(got, []byte(want)) {
		t.Errorf("%q is not in %s; %v", want, got, err)
	}
}
