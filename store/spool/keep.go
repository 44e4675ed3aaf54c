package spool

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// keepAtMost is how long after its load a segment may be asked for again. The database forgets the keys of loads after
// 30 days (store.PruneLoads): a segment that outlived its key would be loaded twice.
const keepAtMost = 20 * 24 * time.Hour

// kept is a segment that was loaded and stays for a while, in case the database loses it again.
type kept struct {
	Segment
	loaded time.Time
}

// Kept returns the segments that were loaded and are still there, oldest load first. It deletes those that were loaded
// more than 20 days ago: the database may have forgotten them.
func (s *Spool) Kept() (segs []Segment) {
	s.expire(time.Now().Add(-keepAtMost))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kept {
		segs = append(segs, k.Segment)
	}
	return segs
}

// Reenter makes kept segments wait again, because the database has lost them. One that was deleted meanwhile, to make
// room, does not come back.
func (s *Spool) Reenter(lost []Segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[id]bool{}
	for _, seg := range lost {
		ids[seg.id()] = true
	}
	var stay []kept
	for _, k := range s.kept {
		if !ids[k.id()] {
			stay = append(stay, k)
			continue
		}
		s.countKept(k, -1)
		k.Reentered = true
		s.addSealed(k.Segment)
	}
	s.kept = stay
}

// Expire deletes the segments that were loaded more than Config.Keep before a moment at which the server that they were
// loaded into has answered. While it does not, none expires: a standby that takes its place may lack them.
func (s *Spool) Expire(answered time.Time) { s.expire(answered.Add(-s.cfg.Keep)) }

func (s *Spool) expire(before time.Time) {
	for {
		k, ok := s.popKept(before)
		if !ok || !s.removeKept(k) {
			return
		}
	}
}

// Forget deletes all that is kept: for a source that has ended and can be read again.
func (s *Spool) Forget() { s.expire(time.Time{}) }

// popKept removes the oldest kept segment from the list if it was loaded before a time; zero: whenever it was loaded.
func (s *Spool) popKept(then time.Time) (k kept, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) == 0 || !then.IsZero() && !s.kept[0].loaded.Before(then) {
		return k, false
	}
	k, s.kept = s.kept[0], s.kept[1:]
	s.countKept(k, -1)
	return k, true
}

// removeKept deletes a segment that popKept returned. The directory is not synced: if a crash brings the file back, the
// database is asked about it again.
func (s *Spool) removeKept(k kept) bool {
	err := s.disk.remove(k.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.recordFault(err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kept = slices.Insert(s.kept, 0, k)
		s.countKept(k, 1)
		return false
	}
	s.bytes.Add(-k.Bytes)
	return true
}

// countKept counts a kept segment; with -1, one that is kept no more. The caller holds mu.
func (s *Spool) countKept(k kept, sign int64) {
	s.stats.Kept += sign * int64(k.Records)
	s.stats.KeptSegments += sign
	s.stats.KeptBytes += sign * k.Bytes
}

// evict deletes kept segments, oldest load first, until that many bytes are free, and returns how many it has freed.
func (s *Spool) evict(bytes int64) (freed int64) {
	for freed < bytes {
		k, ok := s.popKept(time.Time{})
		if !ok || !s.removeKept(k) {
			break
		}
		freed += k.Bytes
		s.mu.Lock()
		s.stats.KeptShort += int64(k.Records)
		s.mu.Unlock()
	}
	return freed
}

// boundKept holds what is kept to its share of the spool, and leaves twice the reserve of the disk to others.
func (s *Spool) boundKept() {
	s.mu.Lock()
	over := s.stats.KeptBytes - s.cfg.KeepBytes
	s.mu.Unlock()
	s.evict(over)
	if s.cfg.Reserve < 0 {
		return
	}
	if free, size, err := s.disk.room(); err == nil {
		s.evict(2*s.reserve(size) - free)
	}
}

// Reserve is how many bytes of a disk of a size a spool leaves free.
func Reserve(size int64) int64 { return min(64<<20, size/16) }

// reserve is [Reserve], or what Config says.
func (s *Spool) reserve(size int64) int64 { return cmp.Or(s.cfg.Reserve, Reserve(size)) }

// putAway renames a loaded segment to that of a kept one, or deletes it. That name is not synced: after a crash
// the segment may wait again, and its load finds that it is loaded. If the disk refuses the name, the segment is
// deleted, since what is loaded must make room.
func (s *Spool) putAway(seg Segment) (path string, err error) {
	if s.cfg.Keep > 0 && seg.Bytes <= s.cfg.KeepBytes {
		path = seg.sealedPath() + suffixKept
		if seg.Path == path {
			return path, nil
		}
		if err = s.disk.rename(seg.Path, path); err == nil {
			return path, nil
		}
	}
	if err := s.disk.remove(seg.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	s.recordFault(s.disk.fsyncDir())
	return "", nil
}

// foundKept enters a segment that an earlier process has kept. The time of its load is that of its renaming.
func (s *Spool) foundKept(seg Segment) {
	k := kept{Segment: seg, loaded: time.Now()}
	k.Sensor = s.cfg.Sensor
	f, err := os.Open(seg.Path)
	if err != nil {
		s.recordFault(err)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		k.Bytes = info.Size()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			if changed := time.Unix(st.Ctim.Unix()); changed.Before(k.loaded) {
				k.loaded = changed
			}
		}
	}
	sensor, newer := peek(f, seg.id(), k.Sensor)
	if s.bytes.Add(k.Bytes); newer {
		s.stats.Newer++
		return
	}
	k.Sensor = sensor
	at, _ := slices.BinarySearchFunc(s.kept, k, func(a, b kept) int { return a.loaded.Compare(b.loaded) })
	s.kept = slices.Insert(s.kept, at, k)
	s.countKept(k, 1)
}
