package daemon

import (
	"sync"

	"github.com/auditshipper/auditshipper/internal/host"
)

// glances count how often the mounts changed that decide what a directory sees.
// A look only after things have settled is not enough: the kernel gives a new
// mount the number and the device of the one that went just before.
type glances struct {
	mu    sync.Mutex
	last  map[string]string // fingerprint, by directory
	turns map[string]int
}

// watch makes dirs those whose mounts are counted.
func (g *glances) watch(dirs []string, mounts []host.Mount) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, turns := map[string]string{}, map[string]int{}
	for _, dir := range dirs {
		was, known := g.last[dir]
		if !known {
			was = fingerprint(dir, mounts)
		}
		last[dir], turns[dir] = was, g.turns[dir]
	}
	g.last, g.turns = last, turns
}

// look compares with the last look.
func (g *glances) look(mounts []host.Mount) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for dir, was := range g.last {
		if now := fingerprint(dir, mounts); now != was {
			g.last[dir] = now
			g.turns[dir]++
		}
	}
}

// turn is how often the mounts of dir changed.
func (g *glances) turn(dir string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turns[dir]
}
