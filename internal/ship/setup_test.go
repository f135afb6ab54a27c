package ship

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestSetUp: tries come between deliveries, ever less often, and end.
func TestSetUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s setUp
		tries, lasts := 0, 0
		begin, end := time.Now(), time.Time{}
		do := func(_ context.Context, last bool) bool {
			tries++
			if last {
				lasts++
				end = time.Now()
			}
			return last
		}
		s.again(t.Context(), do)
		if tries != 0 {
			t.Fatal("tried before there was anything to do")
		}
		s.first(t.Context(), do)
		for range 24 * 3600 {
			time.Sleep(time.Second)
			s.again(t.Context(), do)
		}
		if tries != setUpTries || lasts != 1 {
			t.Errorf("%d tries, %d of them the last; want %d and 1", tries, lasts, setUpTries)
		}
		if d := end.Sub(begin); d < 15*time.Minute || d > 2*time.Hour {
			t.Errorf("gave up after %v", d)
		}
	})
}

// TestSetUpOnce: what went well is not done again.
func TestSetUpOnce(t *testing.T) {
	var s setUp
	tries := 0
	do := func(context.Context, bool) bool { tries++; return true }
	s.first(t.Context(), do)
	s.again(t.Context(), do)
	if tries != 1 {
		t.Errorf("%d tries, want 1", tries)
	}
}
