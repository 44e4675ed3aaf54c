package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// pendingRename is a closed file that has not got its last name yet. Nothing is written before it has: a crash would
// find records both in it and in the file that they were written to instead.
type pendingRename struct {
	from, to string  // to "": it is removed
	seg      Segment // that waits from then on, if it has records
	open     int     // records of it that are counted as open
	done     *draft  // whose records are acknowledged with it
	freed    int64   // bytes
}

// queueRename closes a draft's file and queues its last name.
func (s *Spool) queueRename(d *draft, records int, key string) {
	f := d.file
	d.file = nil
	f.Close()
	seg, _ := parseSealed(filepath.Join(s.cfg.Dir, sealedName(f.id, records, key)))
	seg.Sensor, seg.Bytes = s.cfg.Sensor, f.size
	r := pendingRename{from: f.Name(), to: seg.Path, seg: seg, open: f.acked}
	if records == 0 {
		r.to, r.freed = "", f.size
	}
	s.renames = append(s.renames, r)
}

// abandon gives up a draft's file after a failure. What it has acknowledged becomes a segment; the rest is still in
// memory.
func (s *Spool) abandon(d *draft, err error) {
	f := d.file
	switch {
	case f == nil:
	case errors.Is(err, ErrFull) && (f.acked == 0 || s.cfg.Rereadable):
		// Nothing failed. A file with records to load makes room sooner as a segment of its own; this is none.
	case s.cfg.Rereadable && f.acked > 0:
		s.drop(d)
		s.mu.Lock()
		s.err = fmt.Errorf("a segment larger than the memory of the spool was lost: read its source again: %w", err)
		s.unqueue(d)
		s.mu.Unlock()
		return
	default:
		s.sealAcked(d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(d.blocks); n > 0 && !d.asked && (d.file == nil || d.file.blocks < n) { // it may be filled on
		d.blocks[n-1].closed = false
	}
}

// unqueue removes a finished draft from those that wait. The caller holds mu.
func (s *Spool) unqueue(d *draft) {
	s.drafts = slices.DeleteFunc(s.drafts, func(w *draft) bool { return w == d })
}

// sealAcked makes a segment of what a draft's file has acknowledged, under the draft's key if that is all of it.
func (s *Spool) sealAcked(d *draft) {
	acked, key := d.file.acked, ""
	s.mu.Lock()
	d.records -= acked
	if len(d.blocks) == 0 {
		key = d.key
		s.unqueue(d)
	}
	s.mu.Unlock()
	s.queueRename(d, acked, key)
}

// drop gives up a draft and its file for good.
func (s *Spool) drop(d *draft) {
	if f := d.file; f != nil {
		acked := f.acked
		f.acked = 0
		s.queueRename(d, 0, "")
		s.mu.Lock()
		s.stats.Open -= int64(acked)
		s.stats.Dropped += int64(acked)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(d)
}

// forget drops the records of a draft that are in memory. The caller holds mu.
func (s *Spool) forget(d *draft) {
	s.stats.Dropped += int64(s.release(d, len(d.blocks)))
}

// finishRenames gives closed files their last names, durably.
func (s *Spool) finishRenames() error {
	if len(s.renames) == 0 {
		return nil
	}
	for _, r := range s.renames {
		var err error
		if r.to == "" {
			err = s.disk.remove(r.from)
		} else {
			err = s.disk.rename(r.from, r.to)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // an earlier attempt has done it
			return err
		}
	}
	if err := s.disk.fsyncDir(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.renames {
		if r.done != nil {
			s.stats.Open += int64(s.release(r.done, len(r.done.blocks)))
			s.unqueue(r.done)
			r.open = r.seg.Records
		}
		s.stats.Open -= int64(r.open)
		s.bytes.Add(-r.freed)
		if r.seg.Records > 0 {
			s.addSealed(r.seg)
		}
	}
	s.renames = nil
	return nil
}
