package daemon

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// A memory keeps in the state directory what the stream knows of directories, so that a
// daemon which takes over from a killed one can name what waits in the journal. It holds
// for the same boot and journal, and for file systems that are mounted as they were.
//
// It lies in two files, written in turns: a kill in the midst of one leaves the other. They
// stay open, so that each of the frequent writes takes no descriptor.
type memory struct {
	slots  [2]*os.File
	mounts func() []host.Mount
	log    *zap.Logger

	due     time.Time
	read    uint64       // sequence of the last record that the newer file knows of
	turn    uint64       // counts writes
	writing sync.Mutex   // held while a file is written
	text    bytes.Buffer // owned by the writer while writing
}

const (
	// rememberEvery is how often a file is written at most.
	rememberEvery = 200 * time.Millisecond

	// rememberRate is how many bytes are written in a second on average at most.
	rememberRate = 256 << 10

	// In front of the text are its CRC-32C, of all that follows, and its turn.
	sumBytes    = 4
	headerBytes = sumBytes + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openMemory opens the files in the state directory, and makes them if need be.
func openMemory(stateDir string, mounts func() []host.Mount, log *zap.Logger) (*memory, error) {
	dir, err := safefile.Make(stateDir) // the files belong to the directory's owner, also where root's run makes them
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	m := &memory{mounts: mounts, log: log}
	for i := range m.slots {
		if m.slots[i], err = dir.OpenFile(fmt.Sprintf("directories.%d", i), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return nil, errors.Join(err, m.close())
		}
	}
	return m, nil
}

// close waits for a write that is under way.
func (m *memory) close() error {
	if m == nil {
		return nil
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	var errs []error
	for _, f := range m.slots {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// save writes what s knows after it has read a record, if it is time. The caller waits for
// the encoding only.
func (m *memory) save(s *paths.Stream, read uint64, now time.Time) {
	if m == nil || read == m.read || now.Before(m.due) || !m.writing.TryLock() {
		return
	}
	m.turn++
	m.text.Reset()
	m.text.Write(binary.LittleEndian.AppendUint64(make([]byte, sumBytes), m.turn))
	if err := errors.Join(gob.NewEncoder(&m.text).Encode(m.mounts()), s.Save(&m.text)); err != nil {
		m.log.Error("what is known of directories is not saved", zap.Error(err))
		m.writing.Unlock()
		return
	}
	text := m.text.Bytes()
	binary.LittleEndian.PutUint32(text, crc32.Checksum(text[sumBytes:], castagnoli))
	m.read, m.due = read, now.Add(max(rememberEvery, time.Duration(m.text.Len())*time.Second/rememberRate))
	go m.write(m.slots[m.turn%2], text)
}

func (m *memory) write(f *os.File, text []byte) {
	defer m.writing.Unlock()
	_, err := f.WriteAt(text, 0)
	if err = errors.Join(err, f.Truncate(int64(len(text)))); err != nil {
		m.log.Debug("what is known of directories is not saved; after a kill some names may stay unresolved", zap.Error(err))
	}
}

// forget empties the files: records are missing since an earlier process wrote them.
func (m *memory) forget() {
	for _, f := range m.slots {
		if err := f.Truncate(0); err != nil {
			m.log.Warn("what an earlier daemon knew of directories is not removed", zap.Error(err))
		}
	}
}

// load gives s what an earlier process knew. The journal has the records from oldest up to next.
func (m *memory) load(s *paths.Stream, oldest, next uint64) {
	var newest []byte
	for _, f := range m.slots {
		text, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
		if err != nil {
			m.log.Warn("what an earlier daemon knew of directories is not read", zap.Error(err))
			continue
		}
		if len(text) < headerBytes || binary.LittleEndian.Uint32(text) != crc32.Checksum(text[sumBytes:], castagnoli) {
			continue // new, or a kill came in the midst
		}
		if turn := binary.LittleEndian.Uint64(text[sumBytes:]); newest == nil || turn > m.turn {
			newest, m.turn = text, turn
		}
	}
	if newest == nil {
		return
	}
	if err := m.parse(s, newest[headerBytes:], oldest, next); err != nil {
		m.log.Info("what an earlier daemon knew of directories does not hold any more", zap.Error(err))
	}
}

func (m *memory) parse(s *paths.Stream, text []byte, oldest, next uint64) error {
	var before []host.Mount
	in := bytes.NewReader(text)
	if err := gob.NewDecoder(in).Decode(&before); err != nil {
		return err
	}
	if err := s.Load(in, oldest, next); err != nil {
		return err
	}
	for _, dev := range host.Replaced(before, m.mounts()) {
		s.DropDev(dev)
	}
	return nil
}
