package kaudit

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzReply takes apart whatever comes for an answer.
func FuzzReply(f *testing.F) {
	f.Add(appendMessage(nil, unix.NLMSG_ERROR, 0, 1, make([]byte, 20)))
	f.Add(appendMessage(nil, typeGet, 0, 1, make([]byte, statusLen)))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, data, err := splitReply(b)
		if (err == nil) != (len(b) >= headerLen) || len(data) > max(0, len(b)-headerLen) {
			t.Fatalf("%x: %d bytes of data, %v", b, len(data), err)
		}
		if err := ackError(data); len(data) < 4 && err == nil {
			t.Error("an acknowledgement without a code is success")
		}
		parseStatus(data)
	})
}

// FuzzLanding lands one datagram, of any length that the kernel may report and of any
// sender: what comes out is a record of the kernel, inside its slot.
func FuzzLanding(f *testing.F) {
	f.Add(appendMessage(nil, 1300, 0, 1, []byte("audit(1.000:1): a")), uint32(33), uint32(0))
	f.Add(appendMessage(nil, 1300, 0, 1, []byte("audit(1.000:1): a")), uint32(33), uint32(7))
	f.Add([]byte{1, 2}, uint32(1<<31), uint32(0))
	l, err := OpenLanding(filepath.Join(f.TempDir(), "landing"))
	if err != nil {
		f.Fatal(err)
	}
	defer l.Close()
	f.Fuzz(func(t *testing.T, datagram []byte, length, sender uint32) {
		l.prepare(1)
		slot := l.mem[offSlots:][:slotLen]
		clear(slot)
		copy(slot, datagram)
		l.vectors[0].len, l.senders[0].Pid = length, sender
		was := bytes.Clone(slot)
		recs := l.landed()
		typ := binary.NativeEndian.Uint16(was[4:])
		wanted := sender == 0 && length >= headerLen && isRecord(typ)
		if wanted != (len(recs) == 1) {
			t.Fatalf("%d records of type %d, length %d, sender %d", len(recs), typ, length, sender)
		}
		if !wanted {
			return
		}
		text := was[headerLen:min(int64(length), slotLen)]
		if got := recs[0]; binary.LittleEndian.Uint16(got) != typ || !bytes.Equal(got[2:], text) {
			t.Errorf("got %x of %x", got, was)
		}
	})
}
