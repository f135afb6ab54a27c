package daemon

import "testing"

// TestGiveBack requires that the program runs on after its own pages were
// taken away, which is all that could go wrong.
func TestGiveBack(t *testing.T) {
	if err := giveBack(); err != nil {
		t.Fatal(err)
	}
	if err := giveBackPages("not a line", ""); err == nil {
		t.Error("no error for what is no line of /proc/self/maps")
	}
}
