package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelPaths has programs delete and rename in ways that name a directory late,
// by another name, or not at all, under the rules of an ordinary watch. W stands
// for the watched directory.
func TestKernelPaths(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	tests := []struct {
		name, script string
		want         []string // "PATH" or "PATH > DEST"
	}{
		{ // the first: nothing has told yet in which order this kernel prints directories
			"files move into a directory", `
			mkdir -p in out; touch in/1 in/2 in/3; cd in
			mv 1 2 ../out/
			python3 -c 'import os; os.rename("3", "4", src_dir_fd=os.open(".", 0), dst_dir_fd=os.open("../out", 0))'`,
			[]string{"W/in/1 > W/out/1", "W/in/2 > W/out/2", "W/in/3 > W/out/4"},
		},
		{
			"a cleaner leaves the directories", `
			mkdir -p p/a/b p/c; touch p/a/1.o p/a/b/2.o p/c/3.o p/c/keep
			find W/p -name '*.o' -delete`,
			[]string{"W/p/a/1.o", "W/p/a/b/2.o", "W/p/c/3.o"},
		},
		{
			"a directory above is renamed, and deleted", `
			mkdir -p m/a/b; touch m/a/b/1.o m/a/b/rest
			find W/m -name '*.o' -delete; mv W/m W/n; rm -rf W/n`,
			[]string{"W/m/a/b/1.o", "W/m > W/n", "W/n/a/b/rest", "W/n/a/b", "W/n/a", "W/n"},
		},
		{
			"what the program stands in is renamed", `
			mkdir -p proj/sub archive
			cd proj/sub; mv ../../proj ../../archive/; cd /; rm -r W/archive`,
			[]string{"W/proj > W/archive/proj", "W/archive/proj/sub", "W/archive/proj", "W/archive"},
		},
		{
			"two directories change places", `
			mkdir -p x y; touch x/f y/f
			python3 -c 'import ctypes; ctypes.CDLL(None).syscall(316, -100, b"W/x", -100, b"W/y", 2)'
			rm -r x y`,
			[]string{"W/x > W/y", "W/x/f", "W/x", "W/y/f", "W/y"},
		},
		{
			"a deploy takes the place of the old one, while others move directories, too", `
			mkdir -p d/build/out d/build.new d/else e; touch d/build/file; cd d/build
			mv out file ../build.new/; mv ../else W/e/; cd ..
			mv build build.old; mv build.new build; rm -r build build.old`,
			[]string{
				"W/d/build/out > W/d/build.new/out", "W/d/build/file > W/d/build.new/file", "W/d/else > W/e/else", "W/d/build > W/d/build.old",
				"W/d/build.new > W/d/build", "W/d/build/out", "W/d/build/file", "W/d/build", "W/d/build.old",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := len(r.ours())
			cmd := exec.Command("sh", "-ec", strings.ReplaceAll(tt.script, "W", r.watched))
			cmd.Dir = r.watched
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			r.eventually(10*time.Second, "all events", func() bool { return len(r.ours()) >= seen+len(tt.want) })
			var got []string
			for _, e := range r.ours()[seen:] {
				text := e.Path
				if e.Dest != "" {
					text += " > " + e.Dest
				}
				got = append(got, strings.ReplaceAll(text, r.watched, "W"))
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	r.stop()
}
