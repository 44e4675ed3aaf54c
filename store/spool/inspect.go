package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// State is the kind of a file of a spool.
type State string

// The states of a file.
const (
	Waiting State = "waiting" // sealed
	Kept    State = "kept"    // loaded, and there in case the database loses it
	Writing State = "writing" // not sealed
	Refused State = "refused" // records that the database refused
	Damaged State = "damaged" // bytes of damaged places
	Newer   State = "newer"   // of a newer version
)

// File is a file of a spool, by its name and size.
type File struct {
	Segment // of a Writing, Refused or Damaged one Records is known to ReadFile alone
	State   State
}

// Inspect lists the files of a spool, oldest first, without opening it: another process may be using it. Instead of the
// directory it may be given one file. Errors are the file system's.
func Inspect(dir string) ([]File, error) {
	if file, ok := parseFile(dir); ok {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, fmt.Errorf("inspect spool: %w", err)
		}
		if file.Bytes = info.Size(); info.Mode().IsRegular() {
			return []File{file}, nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("inspect spool: %w; name the directory of a spool, or one file in it", err)
	}
	var files []File
	for _, e := range entries {
		file, ok := parseFile(filepath.Join(dir, e.Name()))
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // loaded or renamed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect spool: %w", err)
		}
		file.Bytes = info.Size()
		files = append(files, file)
	}
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return files, nil
}

// parseFile reads the name of a file of a spool.
func parseFile(path string) (File, bool) {
	for _, kind := range []struct {
		suffix string
		state  State
	}{{"", Waiting}, {suffixKept, Kept}, {suffixRefused, Refused}, {suffixDamaged, Damaged}} {
		base, ok := strings.CutSuffix(path, kind.suffix)
		if !ok {
			continue
		}
		if seg, ok := parseSealed(base); ok {
			seg.Path = path
			if kind.state != Waiting && kind.state != Kept {
				seg.Records = 0
			}
			return File{seg, kind.state}, true
		}
	}
	for _, suffix := range []string{suffixOpen, suffixDraft} {
		if i, ok := parseHidden(filepath.Base(path), suffix); ok {
			return File{Segment{Key: i.String(), Path: path, Sequence: i.seq, run: i.run}, Writing}, true
		}
	}
	return File{}, false
}

// Group is the records of a file that were refused for the same reason; of a file of another kind it is all records.
type Group struct {
	Reason  string // why the database refused them; else ""
	Records [][]byte
}

// ReadFile reads a file of a spool without opening the spool: a waiting, kept, refused or unsealed one. The tail of one
// that is being written is no damage. The error is [ErrNewer] for a file of a later version, and the file system's,
// such as [fs.ErrNotExist], if it cannot be read.
func ReadFile(path string) (file File, groups []Group, d Damage, err error) {
	file, ok := parseFile(path)
	if !ok || file.State == Damaged {
		return file, nil, d, fmt.Errorf("read %s: this is not the name of a segment", filepath.Base(path))
	}
	c, size, err := readContent(path, file.id())
	if err != nil {
		return file, nil, d, fmt.Errorf("read segment: %w", err)
	}
	if file.Bytes, file.Sensor = size, c.sensor; c.refused() {
		file.State = Newer
		return file, nil, d, fmt.Errorf("read %s: %w", filepath.Base(path), ErrNewer)
	}
	if file.State != Waiting && file.State != Kept {
		if file.Records = c.count(); c.seal != nil {
			file.Records, file.Key = max(file.Records, c.seal.total), c.seal.key
		}
	}
	records, d := c.recordsOf(file.Records, size)
	if file.State == Writing && d.Records == 0 {
		d = Damage{}
	}
	if file.State == Refused && d.Records == 0 {
		return file, c.byReason(records), d, nil
	}
	return file, []Group{{Records: records}}, d, nil
}

// ReadRefused returns the records of a segment that [Spool.SetAside] has kept in a file, by reason; none if there is no
// such file. The error is otherwise that of [ReadFile].
func ReadRefused(seg Segment) ([]Group, error) {
	_, groups, _, err := ReadFile(seg.refusedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return groups, err
}

// byReason divides records by the notes before them.
func (c *content) byReason(records [][]byte) (groups []Group) {
	slices.SortStableFunc(c.notes, func(a, b note) int { return cmp.Compare(a.index, b.index) })
	for i, n := range c.notes {
		end := len(records)
		if i+1 < len(c.notes) {
			end = min(end, c.notes[i+1].index)
		}
		groups = append(groups, Group{n.text, records[min(n.index, end):end]})
	}
	if len(c.notes) == 0 {
		groups = []Group{{Records: records}}
	}
	return groups
}
