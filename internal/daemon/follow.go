package daemon

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// A follower reads the lines that are appended to a file, through rotations.
// It begins at the file's end, and after a restart where the journal ends.
type follower struct {
	*waker
	lines
	path   string
	events int // inotify on the file's directory
	state  *os.File
	buf    []byte
	gone   func(detail string) // lines were rotated away unread
	cut    func()              // lines were cut off the file, maybe unread

	file *os.File // nil while there is none
	at   position
	skip uint64 // records at at.To that the journal has already
}

// openFollower follows path. state is where it remembers how far it is, next
// the sequence of the record that the journal will append next.
func openFollower(path, state string, next uint64, l lines, gone func(string), cut func()) (_ *follower, err error) {
	f := &follower{lines: l, path: path, events: -1, buf: make([]byte, tailLen+maxLine), gone: gone, cut: cut}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if f.waker, err = newWaker(); err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	if f.events, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make inotify: %w", err)
	}
	if _, err = unix.InotifyAddWatch(f.events, filepath.Dir(path), unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVE); err != nil {
		return nil, fmt.Errorf("watch %s: %w", filepath.Dir(path), err)
	}
	if f.state, err = openState(state, os.O_RDWR|os.O_CREATE); err != nil {
		return nil, err
	}
	pos, known, err := readPosition(f.state)
	if err != nil {
		return nil, err
	}
	if !known {
		return f, f.begin()
	}
	return f, f.goOn(pos, next)
}

// begin opens the file at its end: what is older is for replay.
func (f *follower) begin() error {
	err := f.open(f.path, 0)
	if f.file == nil || err != nil {
		return err
	}
	end, err := f.file.Seek(0, io.SeekEnd)
	f.at.From, f.at.To = end, end
	return errors.Join(err, f.at.write(f.state))
}

// goOn opens the file that was read last, whatever its name is now.
func (f *follower) goOn(pos position, next uint64) error {
	offset, skip := pos.resume(next)
	all, err := rotated(f.path)
	if err != nil {
		return err
	}
	for _, path := range all {
		if pos.File.isFile(path) {
			f.skip = skip
			if err := f.open(path, pos.To); err != nil || f.file == nil {
				return err
			}
			f.at.Tail = pos.Tail
			if changed, err := f.isChanged(); changed || err != nil {
				return err
			}
			f.at.From, f.at.To, f.at.Tail = offset, offset, nil
			return nil
		}
	}
	f.gone(f.path + " was rotated away while nobody read it")
	if len(all) == 0 {
		return nil
	}
	return f.open(all[0], 0)
}

// rotated returns a log and its older files, log.1 being the youngest of them,
// oldest first.
func rotated(log string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(log))
	if err != nil {
		return nil, err
	}
	age := map[string]int{}
	var all []string
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), filepath.Base(log)+".")
		if n, err := strconv.Atoi(number); ok && err == nil {
			path := log + "." + number
			age[path] = n
			all = append(all, path)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(age[b], age[a]) })
	if _, err := os.Stat(log); err == nil {
		all = append(all, log)
	}
	return all, nil
}

// open makes path the file that is read, from offset. It may be missing.
func (f *follower) open(path string, offset int64) error {
	if f.file != nil {
		if err := f.file.Close(); err != nil {
			return err
		}
		f.file = nil
	}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := fileIDOf(int(file.Fd()), "")
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.at = file, position{File: id, From: offset, To: offset}
	return nil
}

// Receive waits for lines. base is the sequence that the first will have.
func (f *follower) Receive(base uint64) ([][]byte, error) {
	if f.stopped.Load() {
		return nil, os.ErrClosed
	}
	recs, err := f.read(base)
	if len(recs) > 0 || err != nil {
		return recs, err
	}
	const lookAnyway = 1000 // ms, should a file system not tell
	if _, err := f.wait(f.events, lookAnyway); err != nil {
		return nil, err
	}
	for { // what happened does not matter, only that something did
		if n, err := unix.Read(f.events, make([]byte, 4096)); n <= 0 || err != nil {
			break
		}
	}
	if f.stopped.Load() {
		return nil, nil
	}
	return f.read(base)
}

// read returns the next lines as records, and writes down where they are from
// before anybody has them.
func (f *follower) read(base uint64) ([][]byte, error) {
	text, err := f.next()
	if len(text) == 0 || err != nil {
		return nil, err
	}
	recs := f.split(text)
	skip := min(f.skip, uint64(len(recs)))
	f.skip -= skip
	recs = recs[skip:]
	f.at.From, f.at.To = f.at.To, f.at.To+int64(len(text))
	f.at.Tail = slices.Clone(text[max(0, len(text)-tailLen):])
	f.at.Base, f.at.Count = base-skip, skip+uint64(len(recs)) // those skipped went before
	if err := f.at.write(f.state); err != nil {
		return nil, fmt.Errorf("write %s: %w", f.state.Name(), err)
	}
	return recs, nil
}

// next returns whole lines at the present place, and goes to the next file at
// the end of one that was rotated.
func (f *follower) next() ([]byte, error) {
	if f.file == nil {
		return nil, f.open(f.path, 0)
	}
	rotated := f.isRotated() // asked before reading: nothing is appended after
	tail := len(f.at.Tail)
	n, err := f.file.ReadAt(f.buf[:tail+maxLine], f.at.To-int64(tail))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	if n < tail || !bytes.Equal(f.buf[:tail], f.at.Tail) {
		return nil, f.beginAgain()
	}
	text := f.buf[tail:n]
	end := bytes.LastIndexByte(text, '\n') + 1
	switch {
	case end > 0:
	case len(text) == maxLine, len(text) > 0 && rotated:
		end = len(text) // a line too long, or one that was never finished
	case rotated:
		return nil, f.younger()
	case len(text) == 0:
		_, err := f.isChanged()
		return nil, err
	}
	return text[:end], nil
}

// isRotated reports whether path is another file by now.
func (f *follower) isRotated() bool {
	id, err := fileIDOf(unix.AT_FDCWD, f.path)
	return err == nil && id != f.at.File
}

// younger opens the file that was begun after the present one.
func (f *follower) younger() error {
	all, err := rotated(f.path)
	if err != nil || len(all) == 0 {
		return err
	}
	for i, path := range all[:len(all)-1] {
		if f.at.File.isFile(path) {
			return f.open(all[i+1], 0)
		}
	}
	if len(all) > 1 {
		f.gone(f.path + " was rotated faster than it could be read")
	}
	return f.open(all[0], 0)
}

// isChanged begins anew where the file was cut in place, and reports whether it was.
// It may have grown again since: then the last bytes that were read are not there.
func (f *follower) isChanged() (bool, error) {
	st, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	tail := make([]byte, len(f.at.Tail))
	if st.Size() >= f.at.To {
		n, err := f.file.ReadAt(tail, f.at.To-int64(len(tail)))
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if bytes.Equal(tail[:n], f.at.Tail) {
			return false, nil
		}
	}
	return true, f.beginAgain()
}

// beginAgain reads a file from its beginning that was cut in place.
func (f *follower) beginAgain() error {
	f.log.Warn("file was cut short: reading it from its beginning", zap.String("file", f.path), zap.Int64("read_before", f.at.To))
	f.at.From, f.at.To, f.at.Tail, f.skip = 0, 0, nil, 0
	f.cut()
	return nil
}

// Close gives back all it holds.
func (f *follower) Close() error {
	var errs []error
	if f.file != nil {
		errs = append(errs, f.file.Close())
	}
	if f.state != nil {
		errs = append(errs, f.state.Close())
	}
	if f.events >= 0 {
		errs = append(errs, unix.Close(f.events))
	}
	if f.waker != nil {
		errs = append(errs, f.waker.Close())
	}
	return errors.Join(errs...)
}
