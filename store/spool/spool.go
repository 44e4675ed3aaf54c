package spool

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrBusy is returned by [Open] if another process has the spool.
	ErrBusy = errors.New("another process uses this spool")

	// ErrFull is returned by [Spool.Append] if the memory for records that are not yet on disk is full, and by
	// [Spool.Sync] and [Spool.Seal] if the disk or one of the limits of [Config] leaves no room.
	ErrFull = errors.New("the spool is full")

	// ErrNewer is returned by [Spool.Read] and [ReadFile] if a later version of tap25 has written the segment.
	ErrNewer = errors.New("a newer tap25 wrote this segment")
)

// Config configures a [Spool]; zero values are the defaults.
type Config struct {
	Dir    string // made if it is missing
	Sensor string // written in each segment

	// Rereadable means that the source of the records can be read again, as a capture file can: what was not sealed is
	// dropped at Open. Such a source seals by itself, under a key that names the records; see SegmentRecords.
	Rereadable bool

	SegmentRecords int           // a segment is sealed at this many; default 10,000, -1: only by Seal
	SegmentBytes   int64         // or at this many bytes of records; default 8 MiB, -1: only by Seal
	SegmentAge     time.Duration // Run seals a segment this old; default 2 s, negative: never
	MaxBytes       int64         // size of all segments; default 10 GiB
	MaxAge         time.Duration // no more is written while the oldest segment waits for longer; default 0: any time
	// bytes to leave free on the file system; default 64 MiB or a sixteenth of it, -1: none
	Reserve int64
	Buffer  int // bytes of records in memory that are not yet on disk; default 16 MiB

	// Keep is how long a segment stays after its load was committed, in case a standby that lacks it takes the place of
	// the database; see [Spool.Kept]. Default 0: it is deleted at once. KeepBytes bounds what is kept; default a
	// quarter of MaxBytes.
	Keep      time.Duration
	KeepBytes int64

	fault func(op, path string) error // makes a call on the disk fail, in tests
}

func (c *Config) setDefaults() {
	c.SegmentRecords = cmp.Or(c.SegmentRecords, 10000)
	c.SegmentBytes = cmp.Or(c.SegmentBytes, 8<<20)
	c.SegmentAge = cmp.Or(c.SegmentAge, 2*time.Second)
	c.MaxBytes = cmp.Or(c.MaxBytes, 10<<30)
	c.Buffer = cmp.Or(c.Buffer, 16<<20)
	c.KeepBytes = cmp.Or(c.KeepBytes, c.MaxBytes/4)
}

// Spool is an open spool. Its methods may be called by several goroutines.
type Spool struct {
	cfg  Config
	disk disk
	lock *os.File // the directory
	run  uint64   // random

	work    chan struct{} // wakes the writing goroutine
	notify  chan struct{}
	stop    chan struct{}
	stopped chan struct{}

	// writing is held over all that is written to segments; its holder may take mu, never the other way round.
	writing sync.Mutex
	renames []pendingRename // of closed files, before anything else is written
	sealing []*sealing      // oldest first; none between the calls of flushOnce
	last    uint64          // sequence

	aside sync.Mutex // held over writing .refused and .damaged files

	bytes atomic.Int64 // of all files; atomic, so that the writing goroutine does not contend with Append for mu

	mu      sync.Mutex // never held over a call on the disk
	closed  bool
	err     error // why this spool takes no more
	drafts  []*draft
	room    chan struct{} // closed when memory was given back
	waiters int
	need    int                        // charge of the last of them
	free    [][]byte                   // buffers of blocks, to be used again
	poked   int                        // bytes appended since the writing goroutine was last woken
	held    int                        // bytes of memory charged
	sealed  []Segment                  // replaced, never changed: Sealed gives it away
	kept    []kept                     // oldest load first
	refused map[uint64]*refusedRecords // by sequence
	stats   Stats
}

// Open opens a spool, alone among all processes, and seals what a crash has left unsealed. The error is [ErrBusy] if
// another process has the spool, or else the file system's. Damage is no error: it is counted in [Stats]. The caller
// runs [Spool.Run] in a goroutine and calls [Spool.Close] at the end.
func Open(c Config) (*Spool, error) {
	c.setDefaults()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	dir, err := lock(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", c.Dir, err)
	}
	var run [8]byte
	rand.Read(run[:])
	s := &Spool{
		cfg: c, disk: disk{c.Dir, c.fault}, lock: dir, run: binary.LittleEndian.Uint64(run[:]),
		work: make(chan struct{}, 1), notify: make(chan struct{}, 1), stop: make(chan struct{}),
		stopped: make(chan struct{}),
		room:    make(chan struct{}), refused: map[uint64]*refusedRecords{},
	}
	if err := s.recover(); err != nil {
		dir.Close()
		return nil, fmt.Errorf("open spool %s: %w", c.Dir, err)
	}
	go s.writer()
	return s, nil
}

// Sealed returns the segments that wait to be loaded, oldest first. The caller must not change the slice.
func (s *Spool) Sealed() []Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealed
}

// Notify returns a channel that receives a value after segments were sealed; several seals may share one value.
func (s *Spool) Notify() <-chan struct{} { return s.notify }

// addSealed enters a segment that waits; under mu.
func (s *Spool) addSealed(seg Segment) {
	at, _ := slices.BinarySearchFunc(s.sealed, seg, func(a, b Segment) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.run, b.run))
	})
	s.sealed = slices.Insert(slices.Clip(s.sealed), at, seg)
	if seg.Reentered {
		s.stats.Reentering += int64(seg.Records)
	} else {
		s.stats.Waiting += int64(seg.Records)
	}
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

// Close seals what is unsealed, or drops it if its source can be read again, and gives the directory back. The error is
// [ErrFull] or the file system's if records could not be written; those are lost and counted as dropped. A second Close
// does nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.cut("")
	var dropped *draft
	if n := len(s.drafts); s.cfg.Rereadable && n > 0 && !s.drafts[n-1].asked {
		dropped, s.drafts = s.drafts[n-1], s.drafts[:n-1]
	}
	close(s.room)
	s.mu.Unlock()
	close(s.stop)
	<-s.stopped
	err := s.flush(true)
	s.writing.Lock()
	defer s.writing.Unlock()
	if dropped != nil {
		s.drop(dropped)
		err = cmp.Or(err, s.finishRenames())
	}
	s.mu.Lock()
	for _, d := range s.drafts { // which the disk did not take
		if s.forget(d); d.file != nil {
			d.file.Close()
		}
	}
	s.drafts = nil
	s.mu.Unlock()
	if s.lock.Close(); err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}
