package store

import (
	"encoding/binary"
	"fmt"
	"time"
)

// coverageColumns are those of a record of coverage in COPY's binary form, in this order. Their number, its first two
// octets, distinguishes it from a row.
const coverageColumns = "since, before, sensor, program, interfaces, scope, version, started, stopped, " +
	"clock_synchronised, clock_offset, clock_error, frames_seen, frames_read, ring_full, undecoded, fragments_lost, " +
	"holes_given_up, octets_lost, sessions, sessions_encrypted, sessions_cut, rows, rows_lost, nic_dropped"

const coverageCount = 25

// Coverage is what a sensor saw and lost in an interval: what an answer about that time is based on. The table
// tap25.coverage has its columns, under names like these.
type Coverage struct {
	Since      time.Time `json:"since"`
	Before     time.Time `json:"before"` // the first moment after the interval
	Sensor     string    `json:"sensor"`
	Program    string    `json:"program"`    // sniff, replay or follow
	Interfaces []string  `json:"interfaces"` // that were up the whole time; nil: it read files
	Scope      string    `json:"scope"`      // SHA-256 of the scope in force, in hexadecimal digits; "": none
	Version    string    `json:"version"`    // of tap25
	Started    bool      `json:"started"`    // the sensor started at Since
	Stopped    bool      `json:"stopped"`    // it stopped at Before; without that, it crashed
	Clock      *Clock    `json:"clock"`      // nil: unknown
	CoverageCounts
}

// Clock is the state of a sensor's clock.
type Clock struct {
	Synchronised bool          `json:"synchronised"`
	Offset       time.Duration `json:"offset_ns"` // that is being corrected
	Error        time.Duration `json:"error_ns"`  // at most, as the kernel estimates it
}

// CoverageCounts are the counters of an interval.
type CoverageCounts struct {
	FramesSeen    int64  `json:"frames_seen"`    // on the interfaces, or in the file
	FramesRead    int64  `json:"frames_read"`    // of these, the ones that may hold mail
	RingFull      int64  `json:"ring_full"`      // frames that may hold mail, lost since a ring was full
	Undecoded     int64  `json:"undecoded"`      // frames that were cut or malformed
	FragmentsLost int64  `json:"fragments_lost"` // fragments of datagrams that were given up
	HolesGivenUp  int64  `json:"holes_given_up"` // octets waited for segments that were given up, for want of memory
	OctetsLost    int64  `json:"octets_lost"`    // of sessions, not captured
	Sessions      int64  `json:"sessions"`       // that began
	Encrypted     int64  `json:"sessions_encrypted"`
	Cut           int64  `json:"sessions_cut"` // that lost octets
	Rows          int64  `json:"rows"`         // in scope, RowsLost among them
	RowsLost      int64  `json:"rows_lost"`    // to a full spool
	NICDropped    *int64 `json:"nic_dropped"`  // frames that the network card had no room for; nil: unknown
}

// fields are the counters that are never unknown, in the order of coverageColumns.
func (c *CoverageCounts) fields() []*int64 {
	return []*int64{&c.FramesSeen, &c.FramesRead, &c.RingFull, &c.Undecoded, &c.FragmentsLost, &c.HolesGivenUp,
		&c.OctetsLost, &c.Sessions, &c.Encrypted, &c.Cut, &c.Rows, &c.RowsLost}
}

// Less returns these counters less those of before, which have counted from the same beginning.
func (c CoverageCounts) Less(before CoverageCounts) CoverageCounts { return c.plus(&before, -1) }

// Plus returns the sum of both.
func (c CoverageCounts) Plus(more CoverageCounts) CoverageCounts { return c.plus(&more, 1) }

func (c CoverageCounts) plus(o *CoverageCounts, times int64) CoverageCounts {
	sums := c.fields()
	for i, n := range o.fields() {
		*sums[i] += times * *n
	}
	if c.NICDropped != nil && o.NICDropped != nil {
		c.NICDropped = new(*c.NICDropped + times**o.NICDropped)
	}
	return c
}

// AppendCoverage appends c to b as a tuple of COPY's binary format, with times in microseconds. [DB.Load] takes it
// beside rows, and [ParseCoverage] reads it.
func AppendCoverage(b []byte, c *Coverage) []byte {
	b = binary.BigEndian.AppendUint16(b, coverageCount)
	b = appendInt64(b, c.Since.UnixMicro()-postgresEpoch)
	b = appendInt64(b, c.Before.UnixMicro()-postgresEpoch)
	b = appendText(b, &c.Sensor)
	b = appendText(b, &c.Program)
	b = appendTexts(b, c.Interfaces)
	if c.Scope == "" {
		b = appendNull(b)
	} else {
		b = appendText(b, &c.Scope)
	}
	b = appendText(b, &c.Version)
	b = appendBool(b, c.Started)
	b = appendBool(b, c.Stopped)
	if c.Clock == nil {
		b = appendNull(appendNull(appendNull(b)))
	} else {
		b = appendBool(b, c.Clock.Synchronised)
		b = appendInterval(b, c.Clock.Offset)
		b = appendInterval(b, c.Clock.Error)
	}
	for _, n := range c.fields() {
		b = appendInt64(b, *n)
	}
	return appendInt64p(b, c.NICDropped)
}

func appendBool(b []byte, v bool) []byte {
	b = append(b, 0, 0, 0, 1, 0)
	if v {
		b[len(b)-1] = 1
	}
	return b
}

// appendInterval appends d in the form of interval_send: microseconds, days, months.
func appendInterval(b []byte, d time.Duration) []byte {
	b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 16), uint64(d.Microseconds()))
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

// textOID is the type of a text, which PostgreSQL fixes (pg_type.dat).
const textOID = 25

// appendTexts appends a text[] in the form of array_send: dimensions, flags, type, and of the one dimension its length
// and lower bound; null for nil.
func appendTexts(b []byte, list []string) []byte {
	if list == nil {
		return appendNull(b)
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	dimensions := uint32(min(len(list), 1))
	for _, n := range []uint32{dimensions, 0, textOID} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	if dimensions > 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
		b = binary.BigEndian.AppendUint32(b, 1)
	}
	for _, s := range list {
		b = appendText(b, &s)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// IsCoverage reports whether a record of a spool is one of coverage, by the number of its columns.
func IsCoverage(record []byte) bool {
	return len(record) >= 2 && binary.BigEndian.Uint16(record) == coverageCount
}

// ParseCoverage reads what [AppendCoverage] made. It returns an error for anything else, and never panics.
func ParseCoverage(record []byte) (*Coverage, error) {
	if !IsCoverage(record) {
		return nil, fmt.Errorf("parse coverage: %w", errTuple)
	}
	t := tuple{b: record[2:]}
	c := &Coverage{Since: time.UnixMicro(t.int64() + postgresEpoch).UTC(),
		Before: time.UnixMicro(t.int64() + postgresEpoch).UTC(),
		Sensor: string(t.fixed(-1)), Program: string(t.fixed(-1)), Interfaces: t.texts()}
	if s := t.text(); s != nil {
		c.Scope = *s
		t.bad = t.bad || *s == ""
	}
	c.Version = string(t.fixed(-1))
	c.Started, c.Stopped = t.bool(), t.bool()
	c.Clock = t.clock()
	for _, n := range c.fields() {
		*n = t.int64()
	}
	c.NICDropped = t.int64p()
	if t.bad || len(t.b) > 0 {
		return nil, fmt.Errorf("parse coverage: %w", errTuple)
	}
	return c, nil
}

func (t *tuple) bool() bool {
	v := t.uint(1)
	t.bad = t.bad || v > 1
	return v == 1
}

// clock reads the three columns of a clock, which are null together.
func (t *tuple) clock() *Clock {
	synchronised, offset, most := t.column(), t.column(), t.column()
	if synchronised == nil && offset == nil && most == nil {
		return nil
	}
	c := &Clock{Synchronised: bigEndian(synchronised) == 1}
	t.bad = t.bad || len(synchronised) != 1 || synchronised[0] > 1
	c.Offset, c.Error = t.interval(offset), t.interval(most)
	return c
}

func (t *tuple) interval(b []byte) time.Duration {
	if t.bad = t.bad || len(b) != 16 || bigEndian(b[8:]) != 0; t.bad {
		return 0
	}
	micros := int64(bigEndian(b[:8]))
	t.bad = micros != time.Duration(micros*1000).Microseconds()
	return time.Duration(micros) * time.Microsecond
}

// texts reads a text[]. What is claimed of its length allocates nothing.
func (t *tuple) texts() []string {
	b := t.column()
	if b == nil {
		return nil
	}
	in := tuple{b: b}
	dimensions, flags, oid := in.uint32(), in.uint32(), in.uint32()
	count, bound := uint32(0), uint32(1)
	if dimensions > 0 {
		count, bound = in.uint32(), in.uint32()
	}
	list := []string{}
	for ; count > 0 && !in.bad; count-- {
		list = append(list, string(in.fixed(-1)))
	}
	t.bad = t.bad || in.bad || len(in.b) > 0 || dimensions > 1 || flags != 0 || oid != textOID || bound != 1 ||
		dimensions == 1 && len(list) == 0
	return list
}

// uint32 reads four octets that no length precedes.
func (t *tuple) uint32() (v uint32) {
	if t.bad = t.bad || len(t.b) < 4; t.bad {
		return 0
	}
	v = binary.BigEndian.Uint32(t.b)
	t.b = t.b[4:]
	return v
}
