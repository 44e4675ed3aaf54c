package spool

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// recover enters the files that earlier processes left. It fails only if the directory cannot be read.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	sealed := map[id]bool{}
	for _, e := range entries {
		path := filepath.Join(s.cfg.Dir, e.Name())
		if seg, ok := parseSealed(path); ok && e.Type().IsRegular() {
			sealed[seg.id()] = true
			s.last = max(s.last, seg.Sequence)
			s.found(seg)
		}
	}
	for _, e := range entries {
		path := filepath.Join(s.cfg.Dir, e.Name())
		if seg, ok := parseKept(path); ok && e.Type().IsRegular() && !sealed[seg.id()] {
			sealed[seg.id()] = true
			s.last = max(s.last, seg.Sequence)
			s.foundKept(seg)
		}
	}
	for _, e := range entries {
		path := filepath.Join(s.cfg.Dir, e.Name())
		if strings.HasSuffix(path, suffixTmp) {
			s.recordFault(s.disk.remove(path))
		}
		for _, suffix := range []string{suffixOpen, suffixDraft} {
			i, ok := parseHidden(e.Name(), suffix)
			switch {
			case !ok || !e.Type().IsRegular():
			case sealed[i]: // what recoverFile copied, before it came to remove this
				s.renames = append(s.renames, pendingRename{from: path})
			default:
				s.last = max(s.last, i.seq)
				s.recoverFile(path, i, suffix == suffixDraft)
			}
		}
	}
	s.recordFault(s.finishRenames())
	return nil
}

// recordFault counts a disk error; the operation is retried later.
func (s *Spool) recordFault(err error) {
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stats.Faults++
		s.stats.LastFault = err
	}
}

// found enters a sealed segment.
func (s *Spool) found(seg Segment) {
	seg.Sensor = s.cfg.Sensor
	f, err := os.Open(seg.Path)
	if err != nil { // Read will report it
		s.recordFault(err)
	} else {
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			seg.Bytes = info.Size()
		}
		sensor, newer := peek(f, seg.id(), seg.Sensor)
		if s.bytes.Add(seg.Bytes); newer {
			s.stats.Newer++
			return
		}
		seg.Sensor = sensor
	}
	s.stats.Found += int64(seg.Records)
	s.addSealed(seg)
}

// peek reads a segment's sensor from its start block; only if that is damaged, from the rest of the file.
func peek(f *os.File, of id, fallback string) (sensor string, newer bool) {
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	var c content
	if c.readBlock(head[:n], of); c.intact > 0 && c.start {
		return c.sensor, false
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return fallback, false
	}
	c = scan(data, of)
	if !c.start && c.seal == nil {
		return fallback, c.refused()
	}
	return c.sensor, false
}

// recoverFile seals what is intact of a file that was being written.
func (s *Spool) recoverFile(path string, i id, draft bool) {
	data, synced, err := s.readSynced(path)
	if err != nil {
		s.recordFault(err)
		s.stats.Unrecovered++
		return
	}
	c := scan(data, i)
	if s.bytes.Add(int64(len(data))); c.refused() {
		s.stats.Newer++
		return
	}
	n, key := c.count(), ""
	whole := n > 0 && c.seal != nil && c.seal.total == n
	if whole && c.seal.key != i.String() {
		key = c.seal.key
	}
	r := pendingRename{from: path}
	s.stats.Found += int64(n)
	switch {
	case draft && !whole:
		s.stats.Dropped += int64(n)
		r.freed = int64(len(data))
	case n == 0 && len(c.ranges) > 0: // nothing that could be counted, but something
		r.to, r.freed = filepath.Join(s.cfg.Dir, sealedName(i, 0, "")+suffixDamaged), int64(len(data))
	case n == 0:
		r.freed = int64(len(data))
	default:
		r.seg, _ = parseSealed(filepath.Join(s.cfg.Dir, sealedName(i, n, key)))
		r.seg.Bytes, r.seg.Sensor = int64(len(data)), s.cfg.Sensor
		if c.start || c.seal != nil {
			r.seg.Sensor = c.sensor
		}
		r.to, r.open = r.seg.Path, n
		s.stats.Open += int64(n)
		if !synced && !s.copied(&r, i, data) {
			return
		}
	}
	s.renames = append(s.renames, r)
}

// copied writes a segment to another file, because its own cannot be synced.
func (s *Spool) copied(r *pendingRename, i id, data []byte) bool {
	err := s.disk.replace(filepath.Join(s.cfg.Dir, i.hidden(suffixTmp)), r.to, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		s.recordFault(err)
		s.stats.Unrecovered++ // its records stay counted as open
		return false
	}
	r.to = ""
	return true
}

// readSynced reads a file after making it durable: after a kill its bytes may be in the kernel's memory alone.
func (s *Spool) readSynced(path string) (data []byte, synced bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	syncErr := s.disk.fsync(f)
	s.recordFault(syncErr)
	data, err = io.ReadAll(f)
	return data, syncErr == nil, err
}
