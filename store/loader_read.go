package store

import (
	"tap25/store/evidence"
	"tap25/store/spool"
)

// aheadBytes bounds the files of segments that are read before their turn.
const aheadBytes = 16 << 20

// segment is a segment and what was read of it.
type segment struct {
	spool.Segment
	rows   [][]byte           // and records of coverage
	roots  []evidence.DayRows // of these, if all are sound and somebody signs them
	damage spool.Damage
	sound  bool // every record is a row, or coverage
}

func (s segment) batch() batch {
	return batch{sensor: s.Sensor, key: s.Key, records: s.rows, roots: s.roots}
}

// read reads a segment. Any goroutine may call it.
func (l *Loader) read(seg spool.Segment) (s segment, err error) {
	s = segment{Segment: seg, sound: true}
	s.rows, s.damage, err = l.cfg.Spool.Read(seg)
	for _, r := range s.rows {
		s.sound = s.sound && checkRecord(r) == ""
	}
	if s.sound && l.cfg.Signer != nil {
		s.roots = rootsOf(s.rows)
	}
	return s, err
}

// readAhead begins to read and hash the segments whose turn comes next, in a goroutine of its own, so that the server
// does not wait for the disk between two transactions. The caller calls wait, which returns when that is done, before
// the next load. A segment that cannot be read is left to that load.
func (l *Loader) readAhead(behind []spool.Segment) (wait func()) {
	next, _ := l.next(behind)
	before, ended := l.ahead, make(chan map[string]segment, 1)
	go func() {
		read, bytes := map[string]segment{}, int64(0)
		for _, seg := range next {
			if bytes += seg.Bytes; bytes > aheadBytes {
				break
			}
			s, ok := before[seg.Path]
			var err error
			if !ok {
				s, err = l.read(seg)
			}
			if err == nil {
				read[seg.Path] = s
			}
		}
		ended <- read
	}()
	return func() { l.ahead = <-ended }
}

// leave skips a segment whose file cannot be read.
func (l *Loader) leave(seg spool.Segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unread[seg.Path] = true
	l.stats.Unread++
}
