package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Kind is what a link records.
type Kind uint8

// The kinds of links.
const (
	Segment   Kind = 1 // rows of one segment were loaded
	Destroyed Kind = 2 // rows of a day were dropped: a destruction certificate
	Released  Kind = 3 // rows that legal holds had kept were dropped: a destruction certificate
	Coverage  Kind = 4 // minutes of coverage became longer rows
)

// String returns the word for a kind that tap25.links has.
func (k Kind) String() string {
	switch k {
	case Segment:
		return "segment"
	case Destroyed:
		return "destroyed"
	case Released:
		return "released"
	case Coverage:
		return "coverage"
	}
	return "unknown"
}

// Table says what the rows under a root are.
type Table uint8

// The tables.
const (
	Envelopes       Table = 1  // rows of a day's partition
	Misdated        Table = 2  // rows whose day gets no partition; the day is that of seen_at
	Held            Table = 3  // rows that a legal hold kept
	Minutes         Table = 4  // records of coverage, a minute each
	LongerCoverage  Table = 5  // records of coverage that took the place of minutes
	BeforeEvidence  Table = 6  // rows that were loaded before the chain began: their number alone, Hash is zero
	RootsOfTheDay   Table = 7  // rows that were dropped; Hash is the root over the roots of the links, see [DayRoot]
	UnsignedDropped Table = 8  // of the rows that were dropped, those of before the chain: their number alone
	MisdatedBefore  Table = 9  // all misdated rows of before the chain: their number alone, Day is zero
	HeldBefore      Table = 10 // all held rows of before the chain: their number alone, Day is zero
	ReleasedRows    Table = 11 // rows that were dropped from the held ones
)

// DayRows is the rows of a day: their number, and the root of the tree over them.
type DayRows struct {
	Table Table
	Day   int32 // UTC, as the number of days since 1970-01-01
	Rows  uint64
	Root  Hash
}

// Place is a place in a chain.
type Place struct {
	Key    Hash // fingerprint
	Number uint64
	Hash   Hash
}

// LostLink is a link that was signed and that the database did not have any more.
type LostLink struct {
	Number  uint64
	Hash    Hash
	Segment string // its rows are in the database again if a later link has this segment
}

// Link is a link of a chain. A chain is the links of one sensor that one key has signed.
type Link struct {
	Kind    Kind
	Sensor  string // "": the chain of destruction certificates
	Key     Hash   // fingerprint of the key that signs it
	Number  uint64 // 1 for the first of a chain; the next ones are greater by one, and by the number of lost links
	Prev    Hash   // of the link before in the chain, as the database has it; zero for the first
	Time    time.Time
	Version string // of tap25
	Segment string // key of the segment; of kind Coverage the sensor whose coverage was packed; else ""
	Reason  string // of a destruction, such as "retention: kept from 2024-03-01"
	Days    []DayRows

	// Before is the last link of the sensor's chain by another key, if the first link of a chain follows one: the key
	// was lost or replaced. Its Key is zero if there is none.
	Before Place

	// Lost are the links that the database has lost since they were committed, as after a failover to a standby that
	// lacked them: the latest ones, as far as the sensor remembers them, and the number of all.
	Lost      []LostLink
	LostCount uint64
}

// magic begins every link, so that no signature of one is that of anything else.
const magic = "tap25lnk"

const (
	version = 1

	// MaxLink bounds the octets of a link.
	MaxLink = 1 << 20
)

// Append appends the canonical encoding of a link to b: what is hashed and signed (docs/evidence.md). Times are
// microseconds.
func (l *Link) Append(b []byte) []byte {
	b = append(append(b, magic...), version, byte(l.Kind))
	b = appendText(b, l.Sensor)
	b = append(b, l.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, l.Number)
	b = append(b, l.Prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Time.UnixMicro()))
	b = appendText(appendText(appendText(b, l.Version), l.Segment), l.Reason)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.Days)))
	for _, d := range l.Days {
		b = d.append(b)
	}
	b = append(b, l.Before.Key[:]...)
	b = append(binary.BigEndian.AppendUint64(b, l.Before.Number), l.Before.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, l.LostCount)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.Lost)))
	for _, x := range l.Lost {
		b = append(binary.BigEndian.AppendUint64(b, x.Number), x.Hash[:]...)
		b = appendText(b, x.Segment)
	}
	return b
}

func (d *DayRows) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, byte(d.Table)), uint32(d.Day))
	return append(binary.BigEndian.AppendUint64(b, d.Rows), d.Root[:]...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// HashOf returns the hash of an encoded link, which the next link of the chain names.
func HashOf(encoded []byte) Hash { return sha256.Sum256(encoded) }
