package kaudit

import "time"

// AppendMessage lets tests speak to the kernel as user space does.
var AppendMessage = appendMessage

// Pause is how long a listener with half of a receive buffer pauses after so
// many records.
func Pause(half, came int) time.Duration {
	return (&Listener{half: half, came: came}).pauseNow()
}

func (l *Listener) Queued() int { return l.queued() }

// Land receives without a look at what came, as a process does that is killed then.
func (l *Listener) Land(base uint64) (int, error) {
	l.landing.prepare(base)
	return l.read()
}

// FD is the command socket.
func (c *Control) FD() int { return c.c.fd }

// Disconnect lets processes send to a socket again.
var Disconnect = disconnect
