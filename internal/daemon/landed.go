package daemon

import "unsafe"

// landedState is what the daemon keeps in the landing's room, where it outlives a kill. A
// former process of this boot may have left it. Each part has its place here and nowhere
// else, so that no two share one.
type landedState struct {
	serials serialState
	away    absence
	floods  floodState
}

// landedStateIn is the state in a landing's room.
func landedStateIn(room []byte) *landedState {
	if len(room) < int(unsafe.Sizeof(landedState{})) {
		panic("daemon: the landing's room is too small for the daemon's state")
	}
	return (*landedState)(unsafe.Pointer(&room[0]))
}
