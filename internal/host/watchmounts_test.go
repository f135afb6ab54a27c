package host

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWatchMountsLooksFirst tells of what may have been mounted before the watch began:
// the kernel tells only of what comes after.
func TestWatchMountsLooksFirst(t *testing.T) {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stop)
	end := func() { _, _ = unix.Write(stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
	defer time.AfterFunc(10*time.Second, end).Stop()
	looks := 0
	err = WatchMounts(stop, func() time.Duration { looks++; end(); return 0 })
	if err != nil || looks == 0 {
		t.Errorf("%d looks, %v", looks, err)
	}
}
