package daemon

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// A memory keeps in the state directory what the stream knows of directories, so that a
// daemon which takes over from a killed one can name what waits in the journal. It holds
// for the same boot and journal, and for file systems that are mounted as they were.
type memory struct {
	dir    string
	mounts func() []host.Mount
	log    *zap.Logger

	due     time.Time
	read    uint64 // sequence of the last record that the file knows of
	writing atomic.Bool
	text    bytes.Buffer // owned by the writer while writing
}

const (
	// rememberEvery is how often the file is written at most.
	rememberEvery = 200 * time.Millisecond

	// rememberRate is how many bytes of it are written in a second on average at most.
	rememberRate = 256 << 10

	memoryName = "directories"

	sumBytes = 4 // in front of the text, its CRC-32C
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// save writes what s knows after it has read a record, if it is time. The caller waits for
// the encoding only.
func (m *memory) save(s *paths.Stream, read uint64, now time.Time) {
	if m == nil || read == m.read || now.Before(m.due) || !m.writing.CompareAndSwap(false, true) {
		return
	}
	m.text.Reset()
	m.text.Write(make([]byte, sumBytes))
	if err := errors.Join(gob.NewEncoder(&m.text).Encode(m.mounts()), s.Save(&m.text)); err != nil {
		m.log.Error("what is known of directories is not saved", zap.Error(err))
		m.writing.Store(false)
		return
	}
	text := m.text.Bytes()
	binary.LittleEndian.PutUint32(text, crc32.Checksum(text[sumBytes:], castagnoli))
	m.read, m.due = read, now.Add(max(rememberEvery, time.Duration(m.text.Len())*time.Second/rememberRate))
	go m.write()
}

func (m *memory) write() {
	defer m.writing.Store(false)
	dir, err := safefile.Open(m.dir)
	if err == nil {
		err = errors.Join(dir.ReplaceInMemory(memoryName, 0o600, m.text.Bytes()), dir.Close())
	}
	if err != nil {
		m.log.Debug("what is known of directories is not saved; after a kill some names may stay unresolved", zap.Error(err))
	}
}

// load gives s what an earlier process knew. The journal has the records from oldest up to next.
func (m *memory) load(s *paths.Stream, oldest, next uint64) {
	text, err := safefile.ReadFile(filepath.Join(m.dir, memoryName))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = m.parse(s, text, oldest, next)
	}
	if err != nil {
		m.log.Info("what an earlier daemon knew of directories does not hold any more", zap.Error(err))
	}
}

func (m *memory) parse(s *paths.Stream, text []byte, oldest, next uint64) error {
	if len(text) < sumBytes || binary.LittleEndian.Uint32(text) != crc32.Checksum(text[sumBytes:], castagnoli) {
		return errors.New("damaged")
	}
	var before []host.Mount
	in := bytes.NewReader(text[sumBytes:])
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
