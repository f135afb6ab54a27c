package daemon

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A lull is a time in which nothing comes.
type lull struct {
	now   func() time.Time
	last  uint64    // the sequence at the last round
	since time.Time // when that last changed
	over  bool      // nothing came since begins said so
	said  time.Time // when it did
}

// To give memory back and fetch it again costs some milliseconds, which on a
// host with an event now and then must stay next to nothing.
const (
	firstLull  = 2 * time.Second // after the start, whose own events are delivered by then
	lullBegins = 20 * time.Second
	lullsApart = time.Minute
)

// begins tells, once, that a lull has begun. seq is that of the next record.
func (l *lull) begins(seq uint64) bool {
	now := l.now()
	if seq != l.last {
		l.last, l.since, l.over = seq, now, false
	}
	quiet := lullBegins
	if l.said.IsZero() {
		quiet = firstLull
	}
	if l.over || now.Sub(l.since) < quiet || now.Sub(l.said) < lullsApart {
		return false
	}
	l.over, l.said = true, now
	return true
}

// giveBack returns memory that only the start or a busy time needed: garbage,
// and the pages of the program that ran, which the kernel maps sixteen at a
// time. What is needed again comes from the page cache. After its first delivery
// an idle daemon holds 20 MiB instead of 26, and 12 when a lull has begun.
func giveBack() error {
	debug.FreeOSMemory()
	return giveBackProgram()
}

// rest is giveBack in a lull, which must cost little.
func rest() error {
	if heldMemory() > enoughMemory {
		debug.FreeOSMemory()
	}
	return giveBackProgram()
}

// giveBackProgram gives back the program's own pages.
func giveBackProgram() error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("find the program's pages: %w", err)
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program's pages: %w", err)
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if err := giveBackPages(lines.Text(), program); err != nil {
			return err
		}
	}
	return nil
}

// enoughMemory is what the runtime may hold without being asked to collect
// garbage: about what an idle daemon needs.
const enoughMemory = 12 << 20

// softMemory is beyond what the runtime collects garbage at any cost. Only a flood comes
// near it, when thousands of events wait for the names of their directories.
const softMemory = 96 << 20

// setMemory bounds the runtime's memory. Whoever sets GOMEMLIMIT knows better.
func setMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
}

// heldMemory is what the runtime has of the kernel and has not given back.
func heldMemory() uint64 {
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(held)
	return held[0].Value.Uint64() - held[1].Value.Uint64()
}

// giveBackPages unmaps the pages of a line of /proc/self/maps that are the
// program's and cannot be written, so that they are the same when they return.
func giveBackPages(line, program string) error {
	var from, to uintptr
	var mode string
	if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
		return fmt.Errorf("read /proc/self/maps: %q: %w", line, err)
	}
	if !strings.HasSuffix(line, " "+program) || mode[1] == 'w' {
		return nil
	}
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
	if errno != 0 {
		return fmt.Errorf("give back the program's pages: %w", errno)
	}
	return nil
}
