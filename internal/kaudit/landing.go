package kaudit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

// slots is how many datagrams one recvmmsg(2) may bring.
const slots = 128

// slotLen is the room for one datagram. The kernel's largest record is
// MAX_AUDIT_MESSAGE_LENGTH (8970, include/linux/audit.h) for those of user
// space; a PATH with a name of 4,096 bytes in hex stays below it. The odd 64
// bytes spread the slots over the processor's cache sets.
const slotLen = 12<<10 + 64

// A header is the beginning of a landing. Its type decides the offsets below, so that no
// two fields can overlap.
type header struct {
	_       [16]byte // landingMagic
	boot    [16]byte // the boot's id
	base    uint64   // sequence of the first record landed
	refused Refusal
	seen    Seen
	stopped uint64
	forged  Forgery
}

// The layout of a landing: one page of header, the room, the array that the kernel
// writes lengths into, the senders' addresses, and the slots. It is this process's own
// memory format and never leaves the machine or the boot, hence native words.
const (
	landingMagic = "auditshipper\x00\x00\x00\x04"
	offBoot      = int(unsafe.Offsetof(header{}.boot))
	offBase      = int(unsafe.Offsetof(header{}.base))
	offRefused   = int(unsafe.Offsetof(header{}.refused))
	offSeen      = int(unsafe.Offsetof(header{}.seen))
	offStopped   = int(unsafe.Offsetof(header{}.stopped))
	offForged    = int(unsafe.Offsetof(header{}.forged))
	offRoom      = 4096
	roomLen      = 8192
	offVectors   = offRoom + roomLen
	offSenders   = offVectors + slots*int(unsafe.Sizeof(mmsghdr{}))
	offSlots     = offSenders + slots*unix.SizeofSockaddrNetlink
	landingLen   = offSlots + slots*slotLen
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// A Landing is where the kernel puts records: a small file, mapped shared, so
// that what was received outlives the process even if it is killed before the
// next instruction. The kernel writes the lengths into it as well, hence a
// later process can tell what had arrived.
//
// It is fully allocated when made: a sparse page could not be filled on a full
// disk, and the datagram would be gone.
type Landing struct {
	mem     []byte
	vectors []mmsghdr
	senders []unix.RawSockaddrNetlink
	iov     [slots]unix.Iovec

	// Volatile says that the file could not be made (a full disk) and that the
	// landing is plain memory: a kill can then cost what was just received.
	Volatile error

	// Truncated counts records longer than a slot, of which the end is missing.
	Truncated uint64

	// Former is the landing as an earlier boot left it, nil if there was none. It is
	// whole if the machine was shut down, and may be torn after a power cut.
	Former *Landing

	left [][]byte
}

// OpenLanding opens the landing at path, or makes it. What an earlier process
// of this boot received and did not clear is available from Left until the
// first Receive. After a reboot nothing is: pages may have reached the disk in
// any order.
func OpenLanding(path string) (*Landing, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	mem, volatile := mapFile(path)
	if volatile != nil {
		if mem, err = unix.Mmap(-1, 0, landingLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
			return nil, fmt.Errorf("map landing: %w", err)
		}
	}
	l := &Landing{mem: mem, Volatile: volatile}
	l.vectors = unsafe.Slice((*mmsghdr)(unsafe.Pointer(&mem[offVectors])), slots)
	l.senders = unsafe.Slice((*unix.RawSockaddrNetlink)(unsafe.Pointer(&mem[offSenders])), slots)
	if string(mem[:16]) == landingMagic && bytes.Equal(mem[offBoot:offBase], boot) {
		l.left = l.landed()
	} else {
		if string(mem[:16]) == landingMagic {
			l.Former = &Landing{mem: bytes.Clone(mem[:offVectors])}
		}
		clear(mem[:offSlots])
		copy(mem, landingMagic)
		copy(mem[offBoot:], boot)
	}
	for i := range l.iov {
		l.iov[i].Base = &mem[offSlots+i*slotLen]
		l.iov[i].SetLen(slotLen)
	}
	return l, nil
}

// mapFile maps the file at path, allocated to its full length.
func mapFile(path string) ([]byte, error) {
	dir, err := safefile.Make(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := dir.OpenFile(filepath.Base(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = unix.Fallocate(int(f.Fd()), 0, 0, int64(landingLen))
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fill(f)
	}
	if err != nil {
		return nil, fmt.Errorf("allocate %s: %w", path, err)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, landingLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return mem, nil
}

// fill writes zeros behind what the file holds, for file systems that cannot
// allocate.
func fill(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if n := int64(landingLen) - info.Size(); n > 0 {
		_, err = f.WriteAt(make([]byte, n), info.Size())
	}
	return err
}

// Close unmaps the landing. What Left and Receive returned is gone with it.
func (l *Landing) Close() error { return unix.Munmap(l.mem) }

// Left returns the records which an earlier process received and which are not
// in the journal yet: those that would have got the sequence next or a later
// one. They are valid until the first Receive.
func (l *Landing) Left(next uint64) [][]byte {
	have := next - l.base()
	if next < l.base() {
		have = 0 // the journal lost its end; what we hold is newer still
	}
	return l.left[min(have, uint64(len(l.left))):]
}

func (l *Landing) base() uint64 { return binary.NativeEndian.Uint64(l.mem[offBase:]) }

// landed returns the records in the slots, in order, each as two bytes of type
// (little-endian) followed by the text.
func (l *Landing) landed() [][]byte {
	var recs [][]byte
	for i := range l.vectors {
		if l.vectors[i].len == 0 {
			continue // its sender may be an earlier datagram's
		}
		if rec := l.record(i); rec != nil {
			recs = append(recs, rec)
		}
	}
	return recs
}

// record returns the record in slot i, nil if there is none. The kernel writes a
// slot's length after its sender, hence a slot with a length tells who sent it, also
// after a kill. Only the kernel has port 0.
//
// The type is copied down to stand right before the text, over the header's last two
// bytes (half of a port that the sender may choose); its own place keeps it.
func (l *Landing) record(i int) []byte {
	if l.senders[i].Pid != 0 {
		l.dropForged(i)
		return nil
	}
	n := int(l.vectors[i].len)
	if n < headerLen {
		return nil
	}
	if n > slotLen {
		l.Truncated++
	}
	slot := l.mem[offSlots+i*slotLen:][:min(n, slotLen)]
	typ := binary.NativeEndian.Uint16(slot[4:])
	if !isRecord(typ) {
		return nil
	}
	rec := slot[headerLen-2:]
	binary.LittleEndian.PutUint16(rec, typ)
	return rec
}

// prepare forgets what has landed and makes the slots ready for datagrams, the
// first of which will get the sequence base. Lengths go first, so that no
// moment shows old records under the new base.
func (l *Landing) prepare(base uint64) {
	l.left = nil
	for i := range l.vectors {
		v := &l.vectors[i]
		if v.len == 0 && v.hdr.Iov == &l.iov[i] {
			continue
		}
		v.len = 0
		v.hdr = unix.Msghdr{
			Name: (*byte)(unsafe.Pointer(&l.senders[i])), Namelen: unix.SizeofSockaddrNetlink,
			Iov: &l.iov[i], Iovlen: 1,
		}
	}
	l.SetBase(base)
}

// SetBase changes the sequence that the first record landed will get.
func (l *Landing) SetBase(base uint64) { binary.NativeEndian.PutUint64(l.mem[offBase:], base) }

// Forget has a record, which Receive or Left returned, not be there for a later
// process: it is not for the journal.
func (l *Landing) Forget(rec []byte) {
	const gone = 1 // byte: no record
	at := uintptr(unsafe.Pointer(unsafe.SliceData(rec))) - uintptr(unsafe.Pointer(&l.mem[offSlots]))
	l.vectors[at/slotLen].len = gone
}

// A Refusal counts records that the journal would not take, since when, until
// when (Unix nanoseconds). It lies in the landing so that a kill does not make
// the loss a silent one.
type Refusal struct{ Count, From, To uint64 }

// Refused returns the refusal noted, which may be an earlier process's.
func (l *Landing) Refused() Refusal {
	at := func(i int) uint64 { return binary.NativeEndian.Uint64(l.mem[offRefused+8*i:]) }
	return Refusal{at(0), at(1), at(2)}
}

// SetRefused notes r, or forgets the refusal if r is zero.
func (l *Landing) SetRefused(r Refusal) {
	for i, v := range []uint64{r.Count, r.From, r.To} {
		binary.NativeEndian.PutUint64(l.mem[offRefused+8*i:], v)
	}
}

// A Seen is the last look at the kernel's counter of lost records, and when that
// was (Unix nanoseconds). It lies in the landing so that the next process knows
// since when nobody looked. Both are zero after a reboot.
type Seen struct{ Lost, At uint64 }

// Seen returns the last look noted, which may be an earlier process's.
func (l *Landing) Seen() Seen {
	at := func(i int) uint64 { return binary.NativeEndian.Uint64(l.mem[offSeen+8*i:]) }
	return Seen{at(0), at(1)}
}

// SetSeen notes a look. It belongs to one goroutine, not necessarily that of
// Receive.
func (l *Landing) SetSeen(s Seen) {
	binary.NativeEndian.PutUint64(l.mem[offSeen:], s.Lost)
	binary.NativeEndian.PutUint64(l.mem[offSeen+8:], s.At)
}

// A Forgery counts datagrams that a process sent to the socket instead of the kernel,
// and holds the port of the last one, which is its sender's pid unless the sender chose
// another. It lies in the landing so that a kill does not hide the attempt.
type Forgery struct{ Count, Port uint64 }

// Forged returns the forgeries noted, which may be an earlier process's.
func (l *Landing) Forged() Forgery {
	at := func(i int) uint64 { return binary.NativeEndian.Uint64(l.mem[offForged+8*i:]) }
	return Forgery{at(0), at(1)}
}

// SetForged notes f. It belongs to the goroutine that calls Receive.
func (l *Landing) SetForged(f Forgery) {
	binary.NativeEndian.PutUint64(l.mem[offForged+8:], f.Port)
	binary.NativeEndian.PutUint64(l.mem[offForged:], f.Count)
}

// dropForged counts the datagram in slot i as forged and empties the slot, so that a
// later process does not count it again.
func (l *Landing) dropForged(i int) {
	l.SetForged(Forgery{l.Forged().Count + 1, uint64(l.senders[i].Pid)})
	l.vectors[i].len = 0
}

// Stopped is when the process that had the landing before stopped as it was asked
// to (Unix nanoseconds), 0 if it did not.
func (l *Landing) Stopped() uint64 { return binary.NativeEndian.Uint64(l.mem[offStopped:]) }

// SetStopped notes a stop, or by 0 that a process runs, and writes all but the
// records to the disk: a stop that is told after a power cut must be true.
func (l *Landing) SetStopped(at uint64) error {
	binary.NativeEndian.PutUint64(l.mem[offStopped:], at)
	return unix.Msync(l.mem[:offVectors&^4095], unix.MS_SYNC)
}

// Room returns memory of the landing for the caller's own accounts, 8-byte
// aligned and all zero after a reboot. What is written there outlives a kill;
// no more than single words are written at once.
func (l *Landing) Room() []byte { return l.mem[offRoom:][:roomLen:roomLen] }

// bootID is the kernel's random id of this boot, as 16 bytes.
func bootID() ([]byte, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("read boot id: %w", err)
	}
	id := make([]byte, 16)
	hex := bytes.ReplaceAll(bytes.TrimSpace(text), []byte("-"), nil)
	if n, err := fmt.Sscanf(string(hex), "%32x", &id); n != 1 || err != nil || len(id) != 16 {
		return nil, fmt.Errorf("boot id %q is not a UUID", text)
	}
	return id, nil
}
