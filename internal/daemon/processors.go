package daemon

import (
	"os"
	"runtime"
)

// mostProcessors is all that can be busy at a time: the receive loop, the
// deliver loop and two batches. More would only cost memory on a large host.
const mostProcessors = 4

// setProcessors gives the runtime one processor more than there are, but not
// many: under load the receive loop keeps its own while it naps (see
// kaudit.Listener). Otherwise the runtime's monitor takes it away and gives it
// back thousands of times a second, which was a quarter of all time spent.
// Whoever sets GOMAXPROCS knows better.
func setProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0)+1, mostProcessors))
	}
}
