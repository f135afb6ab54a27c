package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A position is how far a file was read: the last batch of lines, and where in
// the journal it was to go. Both together tell after a kill which of them the
// journal has.
type position struct {
	File  fileID `json:"file"`
	From  int64  `json:"from"` // offset of the batch
	To    int64  `json:"to"`   // of what follows it
	Base  uint64 `json:"base"` // sequence of its first record in the journal
	Count uint64 `json:"count"`
	Tail  []byte `json:"tail,omitempty"` // the last bytes before To
}

// tailLen is how many bytes tell whether a file is still the one that was read.
const tailLen = 128

// A fileID tells files apart whatever they are called. An inode's number is
// given to another file at once; the time of birth is not.
type fileID struct {
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
	Born int64  `json:"born"` // ns, 0 where the file system does not know
}

// fileIDOf returns the ID of the file at path below the directory dir, or of
// dir itself with an empty path.
func fileIDOf(dir int, path string) (fileID, error) {
	var st unix.Statx_t
	err := unix.Statx(dir, path, unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st)
	return fileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, st.Btime.Sec*1e9 + int64(st.Btime.Nsec)}, err
}

// isFile reports whether path is the file.
func (id fileID) isFile(path string) bool {
	is, err := fileIDOf(unix.AT_FDCWD, path)
	return err == nil && is == id
}

// resume returns where to go on reading, and how many records to skip there
// because the journal, which will append next, has them already.
func (p *position) resume(next uint64) (offset int64, skip uint64) {
	switch {
	case next >= p.Base+p.Count:
		return p.To, 0
	case next > p.Base:
		return p.From, next - p.Base
	}
	return p.From, 0
}

// positionLen is the size of the file. It is written in place, so that a full
// disk does not matter, and is smaller than a page, so that a killed process
// leaves the old one or the new one.
const positionLen = 512

func readPosition(f *os.File) (p position, known bool, err error) {
	text := make([]byte, positionLen)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return p, false, err
	}
	if n == 0 {
		return p, false, nil
	}
	if err := json.Unmarshal(text[:n], &p); err != nil {
		return p, false, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return p, true, nil
}

func (p *position) write(f *os.File) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	padded := make([]byte, positionLen)
	for i := copy(padded, text); i < len(padded); i++ {
		padded[i] = ' '
	}
	_, err = f.WriteAt(padded, 0)
	return err
}
