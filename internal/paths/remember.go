package paths

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
)

// A stream that goes on after a kill knows what the one before it knew: without that, every
// directory would have to be found anew, and those of a removal under way never could be.
//
//	       Low            High
//	-------|--------------|------|-----------   the journal
//	 in the tree  perhaps in it  |  not in it
//	                             Resume goes back to Low, and tells the tree once more
//
// Facts that are told twice change nothing, since each has its event's place in time.

// remembered is what a stream knows besides its tree, for the process that comes after.
type remembered struct {
	Boot     string
	High     uint64 // sequence of the last record pushed
	Low      uint64 // of the first record of any event that the tree may not know of
	From, To int64  // see Stream.dropped
	Barrier  uint64
	Doubt    int64
}

// Save writes what the stream knows of directories, for Load.
func (s *Stream) Save(w io.Writer) error {
	r := remembered{s.boot, s.Read(), s.in.Heard(), s.dropped.from, s.dropped.to, s.barrier, s.doubt}
	if err := gob.NewEncoder(w).Encode(&r); err != nil {
		return err
	}
	return s.tree.Save(w)
}

// recalled is what a loaded tree knows.
type recalled struct {
	low  uint64 // the first record of which it may not know; 0 if none was loaded
	high uint64 // the last record of which it may know
}

// errOtherTime says that nothing in a file holds any more.
var errOtherTime = errors.New("of another boot or journal")

// Load takes what Save has written, before Resume. The journal has the records from
// oldest up to next: Resume goes back to where Save was, since what came after that is
// not known. After an error the stream knows nothing.
func (s *Stream) Load(in io.Reader, oldest, next uint64) error {
	var r remembered
	if err := gob.NewDecoder(in).Decode(&r); err != nil {
		return fmt.Errorf("read saved directories: %w", err)
	}
	if r.Boot != s.boot || r.High >= next || r.Low < oldest {
		return errOtherTime
	}
	if err := s.tree.Load(in); err != nil {
		return err
	}
	s.recalled = recalled{low: r.Low, high: r.High}
	s.dropped, s.barrier, s.doubt = loss{r.From, r.To}, r.Barrier, r.Doubt
	return nil
}
