package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// blockCharge is what a block costs of Config.Buffer beside its records, so that many small ones are bounded too.
const blockCharge = 512

// draft is a segment from its first record until it is sealed.
type draft struct {
	// Under mu.
	blocks  []*block // that are not acknowledged
	records int      // acknowledged or not
	bytes   int64
	begun   time.Time
	asked   bool // to be sealed, takes no more records
	key     string

	// Under writing.
	file *file
}

// block is a records block, with room for its header. Once closed it is not changed, but for the header.
type block struct {
	buf     []byte
	records int
	closed  bool
}

func (b *block) charge() int { return len(b.buf) - headerSize + blockCharge }

// Append appends a copy of a record of at most [MaxRecord] bytes. It does no disk work: a record is durable after the
// next [Spool.Sync] or [Spool.Seal], and full segments are sealed by a goroutine of the spool's own. The error is
// [ErrFull] if memory is full because the disk is full, slow or failing, and [os.ErrClosed] after [Spool.Close]. After
// any error the record is lost, and counted in Stats.Lost.
func (s *Spool) Append(rec []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.append(rec)
	if err != nil {
		s.stats.Lost++
	}
	return err
}

// AppendWait is [Spool.Append] for a source that can wait: it waits for room instead of returning [ErrFull]. The error
// is ctx's cause if that ends first, or [os.ErrClosed]. A record that it does not take is not counted.
func (s *Spool) AppendWait(ctx context.Context, rec []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		err := s.append(rec)
		if !errors.Is(err, ErrFull) {
			return err
		}
		room := s.room
		s.waiters++
		s.need = 4 + len(rec) + blockCharge
		s.mu.Unlock()
		s.wake()
		select {
		case <-room:
			err = nil
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		s.mu.Lock()
		s.waiters--
		if err != nil {
			return err
		}
	}
}

// accepts returns an error if a record cannot be appended, however much room there is. The caller holds mu.
func (s *Spool) accepts(rec []byte) error {
	switch {
	case s.closed:
		return os.ErrClosed
	case s.err != nil:
		return s.err
	case len(rec) > MaxRecord:
		return fmt.Errorf("append record of %d bytes: the limit is %d", len(rec), MaxRecord)
	}
	return nil
}

// append does the work of Append. The caller holds mu.
func (s *Spool) append(rec []byte) error {
	if err := s.accepts(rec); err != nil {
		return err
	}
	n := 4 + len(rec)
	d := s.open()
	var b *block
	if d != nil && len(d.blocks) > 0 {
		b = d.blocks[len(d.blocks)-1]
	}
	fresh := b == nil || b.closed || len(b.buf)-headerSize+n > blockPayload
	charge := n
	if fresh {
		charge += blockCharge
	}
	if s.held+charge > s.cfg.Buffer && s.held > 0 {
		return ErrFull
	}
	if d != nil && d.records == maxRecords {
		return fmt.Errorf("append record: the segment is full with %d records and was not sealed", maxRecords)
	}
	if d == nil {
		d = &draft{begun: time.Now()}
		s.drafts = append(s.drafts, d)
	}
	if fresh {
		if b != nil {
			b.closed = true
		}
		b = &block{buf: s.buffer(n, len(d.blocks) > 0)}
		d.blocks = append(d.blocks, b)
	}
	b.buf = append(binary.LittleEndian.AppendUint32(b.buf, uint32(len(rec))), rec...)
	b.records++
	d.records++
	d.bytes += int64(n)
	s.held += charge
	s.poked += n
	s.stats.Appended++
	s.stats.Buffered++
	if s.full(d) {
		s.cut("")
		s.wake()
	} else if s.poked >= min(1<<20, s.cfg.Buffer/4) {
		s.poked = 0
		s.wake()
	}
	return nil
}

// full reports whether a draft has reached the size of a segment.
func (s *Spool) full(d *draft) bool {
	return s.cfg.SegmentRecords > 0 && d.records >= s.cfg.SegmentRecords ||
		s.cfg.SegmentBytes > 0 && d.bytes >= s.cfg.SegmentBytes
}

// buffer returns the buffer of a new block. It is small unless the block is likely to be filled, as the second block of
// a draft is.
func (s *Spool) buffer(n int, likely bool) []byte {
	if last := len(s.free) - 1; likely && last >= 0 && n <= blockPayload {
		b := s.free[last]
		s.free = s.free[:last]
		return b[:headerSize]
	}
	size := blockCharge
	if likely {
		size = headerSize + blockPayload
	}
	return make([]byte, headerSize, max(size, headerSize+n))
}

// open returns the draft that takes records, or nil. The caller holds mu.
func (s *Spool) open() *draft {
	if n := len(s.drafts); n > 0 && !s.drafts[n-1].asked {
		return s.drafts[n-1]
	}
	return nil
}

// cut asks for the open draft to be sealed, except by Close if the source can be read again. The caller holds mu.
func (s *Spool) cut(key string) {
	if d := s.open(); d != nil && !(s.closed && s.cfg.Rereadable) {
		d.asked, d.key = true, key
	}
}

func (s *Spool) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}
