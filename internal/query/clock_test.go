package query

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// TestClockSetBack reads a log in the middle of which the clock was set back. Events come
// as the kernel numbered them, and have the paths that they have without.
func TestClockSetBack(t *testing.T) {
	f, err := os.Open("../event/testdata/truth/debian12-6.1-nfs.log.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	stamp := regexp.MustCompile(`audit\((\d+)(\.\d+):(\d+)\)`)
	const cut = 300 // events
	serials := map[string]int{}
	for _, m := range stamp.FindAllSubmatch(log, -1) {
		if _, seen := serials[string(m[3])]; !seen {
			serials[string(m[3])] = len(serials)
		}
	}
	read := func(back int) (paths map[uint64]string, order []uint64) {
		text := stamp.ReplaceAllFunc(log, func(b []byte) []byte {
			m := stamp.FindSubmatch(b)
			sec, _ := strconv.Atoi(string(m[1]))
			if serials[string(m[3])] >= cut {
				sec -= back
			}
			return fmt.Appendf(nil, "audit(%d%s:%s)", sec, m[2], m[3])
		})
		paths = map[uint64]string{}
		each(t, OpenReader(bytes.NewReader(text), Options{Facts: true}), func(e *Event) {
			paths[e.ID.Serial] = e.Facts.Path + " " + e.Facts.Dest
			order = append(order, e.ID.Serial)
		})
		return paths, order
	}
	want, _ := read(0)
	for _, back := range []int{1, 2, 600} {
		got, order := read(back)
		if !slices.IsSorted(order) || len(order) != len(want) {
			t.Errorf("set back %d s: %d of %d events, in order %t", back, len(order), len(want), slices.IsSorted(order))
		}
		other := 0
		for serial, path := range want {
			if got[serial] != path {
				other++
			}
		}
		if most := len(want) / 25; other > most || back < 10 && other > 0 { // of a removal that is under way names may be lost
			t.Errorf("set back %d s: %d of %d events have another path", back, other, len(want))
		}
	}
}
