package spool

import (
	"bytes"
	"hash/crc32"
	"slices"
)

// Range is a place in a file, in bytes.
type Range struct{ Offset, Length int64 }

// Damage describes what a segment has lost.
type Damage struct {
	Records int     // that the count in the name promises and no intact block holds
	Bytes   int64   // of the file that are in no intact block of this segment
	Ranges  []Range // where those bytes are
}

// content is what the bytes of a segment file hold.
type content struct {
	blocks []recordsBlock // intact, in the order of the file
	notes  []note
	ranges []Range // in no intact block
	intact int     // blocks
	start  bool
	sensor string
	seal   *seal
	newer  bool // the first block claims a version that is newer
	looked int  // octets that checksums and lengths were computed of
}

// mostLooked bounds content.looked, in octets for one of the file, beyond the longest payload. Blocks that are not
// intact may lie in what others claim to be their payload, thousands deep; a damaged segment's do not.
const mostLooked = 16

type recordsBlock struct {
	index   int
	records [][]byte
	payload []byte
}

type note struct {
	index int
	text  string
}

// scan finds the intact blocks of a segment. Its records share data. If damaged blocks lie in each other so deep that
// mostLooked is reached, it passes over what the next of them claims.
func scan(data []byte, of id) content {
	c := content{newer: len(data) > 8 && string(data[:8]) == magic && data[8] > version}
	bad := 0 // where the bytes begin that are in no intact block
	for off := 0; off < len(data); {
		n, claims := c.readBlock(data[off:], of)
		if n > 0 {
			c.skip(bad, off)
			off += n
			bad = off
			continue
		}
		if c.looked > mostLooked*len(data) && claims > 0 {
			off += claims
			continue
		}
		next := bytes.Index(data[off+1:], []byte(magic))
		if next < 0 {
			break
		}
		off += 1 + next
	}
	c.skip(bad, len(data))
	return c
}

func (c *content) skip(from, to int) {
	if from < to {
		c.ranges = append(c.ranges, Range{int64(from), int64(to - from)})
	}
}

// readBlock reads the block at the beginning of b and returns its length, or 0 if no intact block of this segment is
// there; claims is then the length that an intact header gives, or 0.
func (c *content) readBlock(b []byte, of id) (n, claims int) {
	c.looked += headerSize
	h, ok := parseHeader(b)
	if !ok || h.id != of || len(b) < headerSize+int(h.length) {
		return 0, 0
	}
	end := headerSize + int(h.length)
	c.looked += int(h.length)
	if payload := b[headerSize:end]; crc32.Checksum(payload, castagnoli) != h.sum || !c.take(h, payload) {
		return 0, end
	}
	c.intact++
	return end, 0
}

// take reads the payload of a block whose checksums are right; it reports whether it is what the header says.
func (c *content) take(h header, payload []byte) bool {
	switch h.kind {
	case kindStart:
		c.start, c.sensor = true, string(payload)
	case kindRecords:
		c.looked += len(payload)
		records := splitRecords(payload, h.records)
		if records == nil {
			return false
		}
		c.blocks = append(c.blocks, recordsBlock{int(h.index), records, payload})
	case kindSeal:
		s, ok := parseSeal(h.version, payload)
		if !ok {
			return false
		}
		c.seal, c.sensor = &s, s.sensor
	case kindNote:
		c.notes = append(c.notes, note{int(h.index), string(payload)})
	default:
		return false
	}
	return true
}

// refused reports whether the file is of a newer version and nothing else.
func (c *content) refused() bool { return c.newer && c.intact == 0 }

// count is the number of records by the blocks' headers, for a file whose name does not have it.
func (c *content) count() int {
	n := 0
	for _, b := range c.blocks {
		n = max(n, b.index+len(b.records))
	}
	return n
}

// records are those of the first count that are intact, in order, and what is missing.
func (c *content) records(count int) ([][]byte, Damage) {
	slices.SortStableFunc(c.blocks, func(a, b recordsBlock) int { return a.index - b.index })
	var records [][]byte
	next := 0
	var taken [][]byte
	for _, b := range c.blocks {
		// A block beyond the count was never acknowledged; its records stand elsewhere. One below next is a second
		// copy.
		if b.index < next || b.index+len(b.records) > count {
			continue
		}
		records = append(records, b.records...)
		next = b.index + len(b.records)
		taken = append(taken, b.payload)
	}
	d := Damage{Records: count - len(records), Ranges: c.ranges}
	for _, r := range c.ranges {
		d.Bytes += r.Length
	}
	if d.Records > 0 || c.seal == nil || c.seal.total != count || c.seal.sum == nil {
		return records, d
	}
	sum := newSum(c.seal.version)
	for _, payload := range taken {
		sum.Write(payload)
	}
	if !bytes.Equal(sum.Sum(nil), c.seal.sum) { // a block's checksum was fooled, and there is no way to find out which
		return nil, Damage{Records: count}
	}
	return records, d
}
