package spool

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// refusedRecords are those of a segment that were set aside since this Open.
type refusedRecords struct {
	records int
	groups  []refusedGroup
}

type refusedGroup struct {
	reason  string
	records [][]byte
}

// Read returns the intact records of a segment from [Spool.Sealed], in order, and what of it is damaged. The records
// share memory of their own, which the caller may keep. The error is [ErrNewer] for a segment of a later version, or
// the file system's; damage is no error.
func (s *Spool) Read(seg Segment) (records [][]byte, d Damage, err error) {
	c, size, err := readContent(seg.Path, seg.id())
	if err == nil && c.refused() {
		err = ErrNewer
	}
	if err != nil {
		return nil, d, fmt.Errorf("read segment: %w", err)
	}
	records, d = c.recordsOf(seg.Records, size)
	return records, d, nil
}

func readContent(path string, of id) (c content, size int64, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return c, 0, err
	}
	return scan(data, of), int64(len(data)), nil
}

// recordsOf is [content.records], which reports all as damaged if every block is intact and the seal's checksum is
// wrong.
func (c *content) recordsOf(count int, size int64) ([][]byte, Damage) {
	records, d := c.records(count)
	if d.Records > 0 && d.Ranges == nil && records == nil && len(c.blocks) > 0 {
		d.Ranges, d.Bytes = []Range{{0, size}}, size
	}
	return records, d
}

// waiting finds a segment among those that wait; under mu.
func (s *Spool) waiting(seg Segment) int {
	return slices.IndexFunc(s.sealed, func(w Segment) bool { return w.id() == seg.id() })
}

// Loaded ends the waiting of a segment that was loaded, with the damage that [Spool.Read] found in it: if records were
// lost, the bytes of the damaged places are kept in a file beside it. The segment is kept for Config.Keep, or deleted.
// A crash that undoes this brings the segment back under the same key. It is an error if the segment does not wait;
// others are the file system's, after which it still waits.
func (s *Spool) Loaded(seg Segment, d Damage) error {
	s.aside.Lock()
	defer s.aside.Unlock()
	s.mu.Lock()
	at := s.waiting(seg)
	s.mu.Unlock()
	if at < 0 {
		return fmt.Errorf("remove segment %s: it does not wait", seg.id())
	}
	if d.Records > 0 {
		if err := s.keepDamaged(seg, d); err != nil {
			return fmt.Errorf("keep damaged bytes of a segment: %w", err)
		}
	}
	path, err := s.putAway(seg)
	if err != nil {
		return fmt.Errorf("remove segment: %w", err)
	}
	s.ended(seg, path, d)
	s.boundKept()
	s.wake() // there is room
	return nil
}

// ended counts a segment that was loaded; path is where it is kept, or empty.
func (s *Spool) ended(seg Segment, path string, d Damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.waiting(seg)
	known := s.sealed[at]
	s.sealed = slices.Concat(s.sealed[:at], s.sealed[at+1:])
	left := known.Records
	if r := s.refused[seg.Sequence]; r != nil {
		left -= r.records
		delete(s.refused, seg.Sequence)
	}
	damaged := min(d.Records, left)
	if known.Reentered {
		s.stats.Reentering -= int64(known.Records)
		s.stats.Reentered += int64(left - damaged)
		s.stats.KeptDamaged += int64(damaged)
	} else {
		s.stats.Waiting -= int64(left)
		s.stats.Damaged += int64(damaged)
		s.stats.Loaded += int64(left - damaged)
	}
	if path == "" {
		if s.bytes.Add(-known.Bytes); s.cfg.Keep > 0 {
			s.stats.KeptShort += int64(known.Records)
		}
		return
	}
	k := kept{known, time.Now()}
	k.Path, k.Reentered = path, false
	s.kept = append(s.kept, k)
	s.countKept(k, 1)
}

// keepDamaged copies the damaged places of a segment.
func (s *Spool) keepDamaged(seg Segment, d Damage) error {
	f, err := os.Open(seg.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.disk.replace(s.tmp(seg), seg.sealedPath()+suffixDamaged, func(w io.Writer) error {
		for _, r := range d.Ranges {
			if _, err := fmt.Fprintf(w, "%s offset %d length %d\n", filepath.Base(seg.Path), r.Offset,
				r.Length); err != nil {
				return err
			}
			if _, err := io.Copy(w, io.NewSectionReader(f, r.Offset, r.Length)); err != nil {
				return err
			}
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Spool) tmp(seg Segment) string { return filepath.Join(s.cfg.Dir, seg.id().hidden(suffixTmp)) }

// SetAside keeps records of a segment that the database refused, and the reason, in a file beside it, which is durable
// on return; see [ReadRefused]. Several calls add up; the first after an Open replaces what an earlier process set
// aside of the same segment, whose load it repeats. It is an error if the segment does not wait or has fewer records.
func (s *Spool) SetAside(seg Segment, recs [][]byte, reason string) error {
	if len(recs) == 0 {
		return nil
	}
	s.aside.Lock()
	defer s.aside.Unlock()
	s.mu.Lock()
	at, r := s.waiting(seg), s.refused[seg.Sequence]
	s.mu.Unlock()
	if r == nil {
		r = &refusedRecords{}
	}
	if at < 0 || r.records+len(recs) > seg.Records {
		return fmt.Errorf("set aside %d records of segment %s: it does not wait, or has fewer records", len(recs),
			seg.id())
	}
	reason = reason[:min(len(reason), blockPayload)]
	groups := append(slices.Clone(r.groups), refusedGroup{reason, cloneRecords(recs)})
	err := s.disk.replace(s.tmp(seg), seg.refusedPath(), func(w io.Writer) error {
		return writeRefused(w, seg, groups)
	})
	if err != nil {
		return fmt.Errorf("set aside %d records: %w", len(recs), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.groups = groups
	r.records += len(recs)
	s.refused[seg.Sequence] = r
	if !s.sealed[s.waiting(seg)].Reentered { // else they were counted when it was first loaded
		s.stats.SetAside += int64(len(recs))
		s.stats.Waiting -= int64(len(recs))
	}
	return nil
}

func cloneRecords(recs [][]byte) [][]byte {
	clones := make([][]byte, len(recs))
	for i, r := range recs {
		clones[i] = slices.Clone(r)
	}
	return clones
}

// writeRefused writes a segment whose records blocks come after notes with the reasons.
func writeRefused(w io.Writer, seg Segment, groups []refusedGroup) error {
	index := 0
	sum := newSum(version)
	put := func(k kind, records int, payload []byte) error {
		_, err := w.Write(newBlock(seg.id(), k, index, records, payload))
		return err
	}
	err := put(kindStart, 0, []byte(seg.Sensor))
	for _, g := range groups {
		if err == nil {
			err = put(kindNote, 0, []byte(g.reason))
		}
		var payload []byte
		n := 0
		for i, r := range g.records {
			payload = append(binary.LittleEndian.AppendUint32(payload, uint32(len(r))), r...)
			n++
			last := i == len(g.records)-1
			if !last && len(payload)+4+len(g.records[i+1]) <= blockPayload {
				continue
			}
			if err == nil {
				err = put(kindRecords, n, payload)
			}
			sum.Write(payload)
			index += n
			payload, n = payload[:0], 0
		}
	}
	if err == nil {
		err = put(kindSeal, 0, seal{version, index, sum.Sum(nil), seg.Key, seg.Sensor}.payload())
	}
	return err
}
