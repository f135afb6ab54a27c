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
