package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// foundName is a file of the state directory.
const foundName = "kernel.found"

// Who changes settings, as Found has it.
const (
	ByRun   = "run"   // the daemon, which puts them back when it lets go
	ByApply = "apply" // a person, or the boot; they stay until all of ours is removed
)

// Found is what the kernel was set to before we changed it in this boot. It is
// kept in the state directory, because whoever puts it back is rarely the
// process that found it: a daemon is killed, restarted and upgraded.
type Found struct {
	Boot     string    `json:"boot_id"`
	Settings []Changed `json:"settings"` // in the order of changing

	dir string // the state directory
}

// Changed is one setting.
type Changed struct {
	Option string `json:"option"` // as in rule files: e, f, b, r, backlog_wait_time
	Found  uint32 `json:"found"`
	Set    uint32 `json:"set"`
	By     string `json:"by"`
}

// ReadFound reads what a state directory knows of this boot. What it knows of
// another one is void: the kernel has forgotten it, too. The result is never
// nil.
func ReadFound(dir, boot string) (*Found, error) {
	f := &Found{Boot: boot, dir: dir}
	text, err := safefile.ReadFile(filepath.Join(dir, foundName))
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	var read Found
	if err := json.Unmarshal(text, &read); err != nil {
		return f, fmt.Errorf("%s is not readable: %w", filepath.Join(dir, foundName), err)
	}
	if read.Boot == boot {
		f.Settings = read.Settings
	}
	return f, nil
}

// Note writes down what settings change in a kernel that is as st says. It is
// called before they are carried out, so that a kill cannot make us forget.
// What cannot be written is remembered all the same.
func (f *Found) Note(by string, st kaudit.Status, settings ...Setting) error {
	was := slices.Clone(f.Settings)
	for _, s := range settings {
		if now, ok := s.of(st); ok {
			f.note(Changed{s.Name, now, s.Value, by})
		}
	}
	if slices.Equal(was, f.Settings) {
		return nil
	}
	return f.save()
}

func (f *Found) note(c Changed) {
	for i := range slices.Backward(f.Settings) {
		last := &f.Settings[i]
		if last.Option != c.Option {
			continue
		}
		if last.By != c.By {
			break
		}
		if c.Found == last.Set { // nobody else changed it since
			c.Found = last.Found
		}
		*last = c
		return
	}
	if c.Found != c.Set {
		f.Settings = append(f.Settings, c)
	}
}

// PutBack sets what one of us changed, or all of us if by is empty, to what was
// found, the last first, and forgets it. What somebody else changed in the
// meantime stays as it is, and so does what lies under another one's change.
func (f *Found) PutBack(k Kernel, by string) error {
	st, err := k.Status()
	if err != nil {
		return err
	}
	var keep []Changed
	var errs []error
	for _, c := range slices.Backward(f.Settings) {
		covered := slices.ContainsFunc(keep, func(o Changed) bool { return o.Option == c.Option })
		if covered || by != "" && c.By != by {
			keep = append(keep, c)
			continue
		}
		s := Setting{Name: c.Option, Value: c.Found}
		if now, ok := s.of(st); !ok || now != c.Set || st.Enabled == kaudit.Immutable {
			continue
		}
		errs = append(errs, s.Do(k))
		*s.in(&st) = s.Value
	}
	slices.Reverse(keep)
	f.Settings = keep
	return errors.Join(append(errs, f.save())...)
}

// save writes the file, or removes it when it says nothing.
func (f *Found) save() (err error) {
	dir, err := safefile.Make(f.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if len(f.Settings) == 0 {
		if err := dir.Remove(foundName); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	return dir.ReplaceText(foundName, 0o600, append(text, '\n'))
}
