package spool

import "time"

// Stats counts records, unless a field says otherwise. Each record that was found or appended is in one place:
//
//	Found + Appended = Buffered + Open + Waiting + Loaded + SetAside + Damaged + Dropped
type Stats struct {
	Found    int64 // in the directory at Open
	Appended int64

	Buffered int64 // in memory
	Open     int64 // on disk, acknowledged, in a segment that is not sealed
	Waiting  int64 // in sealed segments, and not set aside
	Loaded   int64 // removed after their load
	SetAside int64 // refused by the database, kept in a file
	Damaged  int64 // lost by damage on disk, counted when their segment is removed
	Dropped  int64 // of a source that can be read again, or that Close could not write

	Lost int64 // refused by Append: never in the spool

	// What was loaded and stays for a while is counted apart, since it is among Loaded, of this process or an earlier
	// one.
	Kept         int64 // in segments that are kept
	KeptSegments int64
	KeptBytes    int64
	KeptShort    int64 // in those that went before their time, since room was needed
	Reentering   int64 // in those that the database has lost and that wait again
	Reentered    int64 // loaded again
	KeptDamaged  int64 // lost by damage on disk to those that were loaded again

	Bytes          int64     // of all segments, the open one and those that are kept too
	OldestUnloaded time.Time // when the oldest segment that waits was begun; zero: none

	Newer       int64 // segments of a newer version, left alone
	Unrecovered int64 // files of a crash that could not be read or made durable, left for the next Open
	Faults      int64 // failed attempts to write; what they were to write is in memory, or was written by a later one
	LastFault   error // of the last attempt; nil when it went well
}

// Stats returns the state of all counters at one moment.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Bytes = s.bytes.Load()
	st.OldestUnloaded = s.oldest()
	return st
}

// oldest is when the oldest segment that waits for its first load was begun; zero: none waits. Under mu.
func (s *Spool) oldest() (t time.Time) {
	for _, seg := range s.sealed {
		if !seg.Reentered {
			return time.UnixMicro(int64(seg.Sequence)).UTC()
		}
	}
	return t
}
