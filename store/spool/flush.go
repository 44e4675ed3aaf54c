package spool

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"time"

	"tap25/store/numeral"
)

// file is the file that a draft is written to.
type file struct {
	*os.File
	id       id
	blocks   int // of draft.blocks that are written
	records  int // written
	acked    int // durable, no longer in draft.blocks
	size     int64
	unsynced int64
	named    bool // its name is durable
	sum      hash.Hash
}

// attempts is how often a flush continues with a fresh file after a failure; then it leaves the rest to the next flush.
const attempts = 3

// Sync makes durable what was appended before; if the source can be read again, what was sealed before. The error is
// [os.ErrClosed] after [Spool.Close], [ErrFull] if the disk or a limit of [Config] leaves no room, or the file
// system's. The records stay in memory after an error, and the next Sync tries again.
func (s *Spool) Sync() error {
	s.mu.Lock()
	closed, err := s.closed, s.err
	s.mu.Unlock()
	if closed {
		return os.ErrClosed
	}
	if err == nil {
		err = s.flush(true)
	}
	if err != nil {
		return fmt.Errorf("sync spool: %w", err)
	}
	return nil
}

// Run syncs each second and seals by age (Config.SegmentAge) until ctx ends. Then it syncs once more, and returns that
// error. Earlier errors are in Stats.LastFault. It returns [os.ErrClosed] if the spool is closed first.
func (s *Spool) Run(ctx context.Context) error {
	period := time.Second
	if s.cfg.SegmentAge > 0 {
		period = min(period, s.cfg.SegmentAge)
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.Sync()
		case <-tick.C:
		}
		s.mu.Lock()
		// Only if the disk keeps up: a failing one must not leave a crowd of small segments in memory.
		if d := s.open(); d != nil && len(s.drafts) == 1 && s.cfg.SegmentAge > 0 &&
			time.Since(d.begun) >= s.cfg.SegmentAge {
			s.cut("")
		}
		s.mu.Unlock()
		if err := s.Sync(); errors.Is(err, os.ErrClosed) {
			return err
		}
	}
}

// writer does the disk work that Append asks for, and retries each second what failed.
func (s *Spool) writer() {
	defer close(s.stopped)
	var again <-chan time.Time
	for {
		select {
		case <-s.stop:
			return
		case <-s.work:
		case <-again:
		}
		if again = nil; s.flush(false) != nil {
			again = time.After(time.Second)
		}
	}
}

// flush writes the waiting blocks and seals the drafts that are to be sealed. With all, it also syncs the open draft.
func (s *Spool) flush(all bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var err error
	for range attempts {
		err = s.flushOnce(all)
		if err == nil || errors.Is(err, ErrFull) {
			break
		}
		s.mu.Lock()
		s.stats.Faults++
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.stats.LastFault = err
	s.mu.Unlock()
	return err
}

// flushOnce writes the blocks of a draft that is to be sealed while the fsyncs of those before go on. Where the source
// can be read again its own fsync waits until they have their names: no segment is there without those before it.
func (s *Spool) flushOnce(all bool) error {
	if err := s.finishRenames(); err != nil {
		return err
	}
	for {
		d, blocks, asked, sync := s.nextDraft(all)
		if d == nil {
			if len(s.sealing) == 0 {
				return nil
			}
			if err := s.finishSeals(0); err != nil {
				return err
			}
			continue
		}
		err := s.write(d, blocks)
		left := 0
		if err == nil && asked && !s.cfg.Rereadable {
			left = maxSealing - 1
		}
		if sealErr := s.finishSeals(left); sealErr != nil {
			s.abandon(d, sealErr) // its file would sort before the fresh one of what could not be sealed
			return sealErr
		}
		switch {
		case errors.Is(err, ErrFull) && !s.cfg.Rereadable: // what has found room is loaded, which makes more
			if syncErr := s.sync(d); syncErr != nil {
				err = syncErr
			}
		case err != nil:
		case asked:
			err = s.seal(d)
		case sync:
			err = s.sync(d)
		}
		if err != nil {
			sealErr := s.finishSeals(0)
			s.abandon(d, err)
			return errors.Join(err, sealErr, s.finishRenames())
		}
		if !asked {
			return nil
		}
	}
}

// nextDraft returns the oldest draft, its blocks that are to be written, and whether to seal or to sync it. While
// others are being sealed, it is only the next that is to be sealed.
func (s *Spool) nextDraft(all bool) (d *draft, blocks []*block, asked, sync bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.drafts[len(s.sealing):]
	if len(waiting) == 0 || len(s.sealing) > 0 && !waiting[0].asked {
		return nil, nil, false, false
	}
	d = waiting[0]
	needed := s.waiters > 0 && s.held+s.need > s.cfg.Buffer // else the room that was made is for those who wait
	if s.cfg.Rereadable && !d.asked && s.held <= s.cfg.Buffer/2 && !needed {
		return nil, nil, false, false // it is acknowledged whole or not at all
	}
	all = all || d.asked || needed
	sync = all || s.held >= s.cfg.Buffer/4
	blocks = d.blocks
	if n := len(blocks); n > 0 && sync {
		blocks[n-1].closed = true
	} else if n > 0 && !blocks[n-1].closed {
		blocks = blocks[:n-1]
	}
	return d, blocks, d.asked, sync
}

// write writes the blocks that are not yet in the draft's file, as far as there is room. It creates the file if there
// is none.
func (s *Spool) write(d *draft, blocks []*block) error {
	written := 0
	if d.file != nil {
		written = d.file.blocks
	}
	for _, b := range blocks[written:] {
		if err := s.fits(int64(len(b.buf))); err != nil {
			return err
		}
		if d.file == nil {
			if err := s.create(d); err != nil {
				return err
			}
		}
		f := d.file
		header{version: version, kind: kindRecords, records: uint32(b.records), index: uint64(f.records),
			id: f.id}.put(b.buf)
		if err := s.writeBlock(f, b.buf); err != nil {
			return err
		}
		f.sum.Write(b.buf[headerSize:])
		f.blocks++
		f.records += b.records
	}
	return nil
}

// fits returns an error if n bytes more would not be within the limits, after it has deleted what is kept to make room.
func (s *Spool) fits(n int64) error {
	s.evict(s.bytes.Load() + n - s.cfg.MaxBytes)
	if held := s.bytes.Load(); held+n > s.cfg.MaxBytes {
		return fmt.Errorf("%w: it has %s of at most %s bytes", ErrFull, numeral.Grouped(held), numeral.Grouped(s.cfg.MaxBytes))
	}
	if s.cfg.MaxAge > 0 {
		s.mu.Lock()
		oldest := s.oldest()
		s.mu.Unlock()
		if !oldest.IsZero() && time.Since(oldest) > s.cfg.MaxAge {
			return fmt.Errorf("%w: its oldest segment has waited since %s", ErrFull, oldest.Format(time.RFC3339))
		}
	}
	if s.cfg.Reserve < 0 {
		return nil
	}
	free, size, err := s.disk.room()
	reserve := s.reserve(size)
	if err == nil && free-n < reserve && s.evict(reserve-(free-n)) > 0 {
		free, _, err = s.disk.room()
	}
	if err == nil && free-n < reserve {
		err = fmt.Errorf("%w: its disk has %s bytes free, and %s must stay free", ErrFull, numeral.Grouped(free),
			numeral.Grouped(reserve))
	}
	return err
}

func (s *Spool) create(d *draft) error {
	s.last = max(s.last+1, uint64(time.Now().UnixMicro()))
	i := id{s.last, s.run}
	suffix := suffixOpen
	if s.cfg.Rereadable {
		suffix = suffixDraft
	}
	f, err := s.disk.create(filepath.Join(s.cfg.Dir, i.hidden(suffix)))
	if err != nil {
		return err
	}
	d.file = &file{File: f, id: i, sum: newSum(version)}
	return s.writeBlock(d.file, newBlock(i, kindStart, 0, 0, []byte(s.cfg.Sensor)))
}

func (s *Spool) writeBlock(f *file, b []byte) error {
	f.size += int64(len(b))
	f.unsynced += int64(len(b))
	s.bytes.Add(int64(len(b)))
	return s.disk.write(f.File, b)
}

// sync syncs a draft's file and acknowledges what is in it.
func (s *Spool) sync(d *draft) error {
	f := d.file
	if f == nil || f.unsynced == 0 {
		return nil
	}
	if err := s.disk.fsync(f.File); err != nil {
		return err
	}
	if !f.named {
		if err := s.disk.fsyncDir(); err != nil {
			return err
		}
		f.named = true
	}
	f.unsynced = 0
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.release(d, f.blocks)
	f.acked += n
	f.blocks = 0
	s.stats.Open += int64(n)
	return nil
}

// release frees the memory of a draft's first blocks and returns their records; under mu.
func (s *Spool) release(d *draft, blocks int) (records int) {
	for _, b := range d.blocks[:blocks] {
		records += b.records
		s.held -= b.charge()
		if cap(b.buf) == headerSize+blockPayload && s.held+len(s.free)*blockPayload <= s.cfg.Buffer {
			s.free = append(s.free, b.buf)
		}
	}
	d.blocks = append([]*block(nil), d.blocks[blocks:]...)
	s.stats.Buffered -= int64(records)
	if records > 0 && !s.closed {
		close(s.room)
		s.room = make(chan struct{})
	}
	return records
}
