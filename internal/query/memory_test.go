package query

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// A generated log is made line by line while it is read, and looks at the heap
// now and then.
type generated struct {
	line func(i int) string // empty: the end
	i    int
	rest string
	left int // bytes until the next look
	most uint64
}

func (g *generated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if g.rest == "" {
			if g.rest = g.line(g.i); g.rest == "" {
				return n, io.EOF
			}
			g.i++
		}
		m := copy(p[n:], g.rest)
		g.rest = g.rest[m:]
		n += m
	}
	if g.left -= n; g.left < 0 {
		g.left = 1 << 20
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		g.most = max(g.most, now.HeapAlloc)
	}
	return n, nil
}

// TestMemory reads logs that somebody made to take memory: events without end,
// one of countless records, names of 4 KiB in directories that nobody tells,
// long types, many nodes, one endless line. The heap stays small.
func TestMemory(t *testing.T) {
	const call = "arch=c000003e syscall=263 success=yes exit=0 a0=5 a1=1 a2=0 a3=0 items=2 ppid=1 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm=\"rm\" exe=\"/usr/bin/rm\" key=\"efs\""
	long := strings.Repeat("C3A4", 2000)
	wide := strings.Repeat("T", 1<<20)
	removal := func(i int) string {
		id := fmt.Sprintf("msg=audit(1700000000.%03d:%d): ", i%1000, i)
		return "type=SYSCALL " + id + call + "\ntype=CWD " + id + "cwd=\"/root\"\n" +
			fmt.Sprintf("type=PATH %sitem=0 name=\"/root\" inode=%d dev=00:2a mode=040755 nametype=PARENT\n", id, i+1000) +
			fmt.Sprintf("type=PATH %sitem=1 name=%s%08X inode=%d dev=00:2a mode=0100644 nametype=DELETE\n", id, long, i, i+900000) +
			"type=PROCTITLE " + id + "proctitle=726D\n"
	}
	for _, tt := range []struct {
		name string
		n    int
		line func(i int) string
	}{
		{"events without end", 250_000, func(i int) string { return fmt.Sprintf("type=SYSCALL msg=audit(1700000000.000:%d): a\n", i) }},
		{"one event", 600_000, func(i int) string {
			return fmt.Sprintf("type=PATH msg=audit(1700000000.000:1): item=%d name=\"/a/b/c\" inode=%d nametype=DELETE\n", i, i)
		}},
		{"long names", 6_000, removal},
		{"long types", 200, func(i int) string { return fmt.Sprintf("type=%s%d msg=audit(1700000000.000:%d): a\n", wide, i, i) }},
		{"long nodes", 200, func(i int) string {
			return fmt.Sprintf("node=%s%d type=CWD msg=audit(1700000000.000:%d): a\n", wide, i, i)
		}},
		{"nodes", 20_000, func(i int) string { return fmt.Sprintf("node=n%d type=CWD msg=audit(1700000000.000:%d): a\n", i, i) }},
		{"one line", 300, func(int) string { return wide }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &generated{line: func(i int) string {
				if i >= tt.n {
					return ""
				}
				return tt.line(i)
			}}
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			each(t, OpenReader(in, Options{JSON: true}), func(*Event) {})
			const most = 160 << 20
			if in.most > before.HeapAlloc+most {
				t.Errorf("the heap was %d MiB, want at most %d", in.most>>20, most>>20)
			}
			t.Logf("heap %d MiB", (max(in.most, before.HeapAlloc)-before.HeapAlloc)>>20)
		})
	}
}

// TestSummaryBound counts more different keys than a summary holds, which it says.
func TestSummaryBound(t *testing.T) {
	var c counts
	c.hits = map[string]int{}
	pad := strings.Repeat("k", 4096)
	const keys = 10_000
	for range 2 {
		for i := range keys {
			c.add(fmt.Sprint(pad, i), 1)
		}
	}
	held := len(c.order)
	if held*4200 > maxCounted+4400 || c.dropped != 2*(keys-held) || c.hits[c.order[0]] != 2 {
		t.Errorf("%d keys held, %d entries dropped, the first counted %d times", held, c.dropped, c.hits[c.order[0]])
	}
}
