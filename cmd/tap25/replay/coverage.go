package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"tap25/capture"
	"tap25/store"
	"tap25/store/stream"
)

const (
	// mostCovered bounds the records of a file whose clock is wild. Frames of more days count for the day before them.
	mostCovered = 400

	// digested is how many octets of a frame name it: its headers, with the checksum of the rest.
	digested = 128
)

// coverer makes the coverage of capture files from the times of their frames: for each file a record for each UTC day
// of which it has frames, from its first to its last; two days that follow one another meet at midnight.
type coverer struct {
	totals func() store.CoverageCounts // counted up to the last frame
	files  []fileCoverage              // that were read

	reading bool
	file    int // capture.Frame.File
	sum     hash.Hash
	days    map[int32]*dayCoverage // by number, from 1970-01-01
	number  int32                  // of the day of the last frame
	day     *dayCoverage           // that counts now
	before  store.CoverageCounts   // totals when it began to
}

// fileCoverage is the coverage of a file. Its digest is of the times, lengths and headers of its frames, so that a file
// that is compressed, renamed or read from a pipe has the same.
type fileCoverage struct {
	digest string
	days   []dayCoverage
}

type dayCoverage struct {
	since, before time.Time
	counts        store.CoverageCounts
}

// frame notes a frame before it is read.
func (c *coverer) frame(f *capture.Frame) {
	if !c.reading || f.File != c.file {
		c.end()
		c.reading, c.file, c.sum, c.days, c.before = true, f.File, sha256.New(), map[int32]*dayCoverage{}, c.totals()
	}
	var name [16]byte
	binary.LittleEndian.PutUint64(name[:], uint64(f.Time.UnixNano()))
	binary.LittleEndian.PutUint32(name[8:], uint32(f.Length))
	binary.LittleEndian.PutUint32(name[12:], crc32.Checksum(f.Data[:min(len(f.Data), digested)], castagnoli))
	c.sum.Write(name[:])

	number := store.DayNumber(f.Time)
	if c.day == nil || number != c.number {
		c.turn(number)
	}
	if number != c.number {
		return
	}
	at := f.Time.Truncate(time.Microsecond)
	if at.Before(c.day.since) || c.day.since.IsZero() {
		c.day.since = at
	}
	if end := at.Add(time.Microsecond); end.After(c.day.before) {
		c.day.before = end
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// turn makes another day count, if there is room for it.
func (c *coverer) turn(number int32) {
	day := c.days[number]
	if day == nil && len(c.days) == mostCovered {
		return
	}
	c.settle()
	if day == nil {
		day = &dayCoverage{}
		c.days[number] = day
	}
	c.number, c.day = number, day
}

// settle adds what was counted since the day began to count.
func (c *coverer) settle() {
	now := c.totals()
	if c.day != nil {
		c.day.counts = c.day.counts.Plus(now.Less(c.before))
	}
	c.before = now
}

// end ends the file that is being read, if there is one: what is counted later is not its.
func (c *coverer) end() {
	if !c.reading {
		return
	}
	c.settle()
	done := fileCoverage{digest: hex.EncodeToString(c.sum.Sum(nil))}
	for _, n := range slices.Sorted(maps.Keys(c.days)) {
		d := *c.days[n]
		if c.days[n-1] != nil {
			d.since = store.DayOf(n)
		}
		if c.days[n+1] != nil {
			d.before = store.DayOf(n + 1)
		}
		done.days = append(done.days, d)
	}
	c.files = append(c.files, done)
	c.reading, c.day, c.days = false, nil, nil
}

// take returns the files that were read since the last call.
func (c *coverer) take() []fileCoverage {
	files := c.files
	c.files = nil
	return files
}

// cover spools the coverage of files, each in a segment of its own, which its digest names: a repetition adds nothing.
// No record reaches out of the period: rows from there were left out.
func (c *Config) cover(s *stream.Stream, program string, files []fileCoverage) error {
	for _, f := range files {
		records := 0
		for _, d := range f.days {
			since, before, some := c.Period.clip(d.since, d.before)
			if !some {
				continue
			}
			records++
			record := &store.Coverage{
				Since: since, Before: before, Sensor: s.Sensor(), Program: program, Version: c.Version,
				CoverageCounts: d.counts,
			}
			if c.Scope != nil {
				record.Scope = c.Scope.Digest()
			}
			if err := s.Cover(record); err != nil {
				return err
			}
		}
		if records == 0 {
			continue
		}
		if err := s.Seal("coverage-" + c.withSettings(f.digest)); err != nil {
			return err
		}
	}
	return nil
}
