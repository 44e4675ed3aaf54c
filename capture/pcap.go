package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// The pcap format, draft-ietf-opsawg-pcap. All numbers are in the byte order of the machine that wrote the file.
//
//	file header                          packet record
//	 0  magic number                      0  seconds since 1970, unsigned
//	 4  major, minor version (16 bits)    4  microseconds, or nanoseconds
//	 8  not used                          8  captured length
//	12  not used                         12  original length
//	16  snaplen                          16  interface, protocol, type: "modified" files only
//	20  FCS, link type (lower 16 bits)   16 or 24: the captured octets
//	24
const (
	pcapMicroseconds = 0xa1b2c3d4
	pcapNanoseconds  = 0xa1b23c4d
	pcapModified     = 0xa1b2cd34 // A. Kuznetsov's patch of libpcap, as in Red Hat 6.x: 8 octets more in each record

	pcapHeader         = 24
	pcapRecord         = 16
	pcapRecordModified = 24
)

// pcap reads one file of that format. The snaplen of the header is not used: writers exceed it, and 0 means none; a
// frame is as long as its record says. An original length below the captured one, written by some tools, is taken as
// equal.
type pcap struct {
	win    *window
	swap   bool // written in big-endian order
	record int  // length of the record header
	link   uint16
	nanos  uint32 // nanoseconds in a unit of the record's fraction
	minor  uint16
}

func (r *pcap) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if r.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (r *pcap) readHeader() error {
	magic, err := r.win.peek(4)
	if err != nil {
		return err
	}
	v := binary.LittleEndian.Uint32(magic)
	if !pcapMagic(v) {
		v = bits.ReverseBytes32(v)
		r.swap = true
		if !pcapMagic(v) {
			return &offsetError{0, errNotCapture}
		}
	}
	r.record, r.nanos = pcapRecord, 1000
	switch v {
	case pcapNanoseconds:
		r.nanos = 1
	case pcapModified:
		r.record = pcapRecordModified
	}
	h, err := r.win.take(pcapHeader)
	if err != nil {
		return cut(err, "the file header", 0)
	}
	version := r.uint32(h[4:])
	if r.swap { // two numbers of 16 bits, not one of 32
		version = bits.RotateLeft32(version, 16)
	}
	major := uint16(version)
	r.minor = uint16(version >> 16)
	if major != 2 {
		return &offsetError{4, fmt.Errorf("pcap version %d.%d is not supported: convert the file with editcap", major,
			r.minor)}
	}
	r.link = uint16(r.uint32(h[20:]))
	return nil
}

func pcapMagic(v uint32) bool {
	return v == pcapMicroseconds || v == pcapNanoseconds || v == pcapModified
}

func (r *pcap) next(fr *Frame) error {
	start := r.win.offset()
	h, err := r.win.take(r.record)
	if err != nil {
		if err == io.EOF {
			return err
		}
		return cut(err, "the packet record", start)
	}
	sec, frac := r.uint32(h), r.uint32(h[4:])
	captured, original := r.uint32(h[8:]), r.uint32(h[12:])
	if r.minor < 3 || r.minor == 3 && captured > original {
		// libpcap before 2.3 wrote the two lengths in the other order, and some 2.3 files are mislabelled.
		captured, original = original, captured
	}
	if captured > maxFrame {
		return &offsetError{start, tooLong("packet record", uint64(captured), maxFrame)}
	}
	data, err := r.win.take(int(captured))
	if err != nil {
		return cut(err, "the packet record", start)
	}
	// In 64 bits: a damaged fraction of a second may be up to 2^32 µs and carries into the seconds.
	fr.Time = time.Unix(int64(sec), int64(frac)*int64(r.nanos)).UTC()
	fr.Data = data
	fr.Length = int(max(original, captured))
	fr.LinkType = r.link
	return nil
}

// cut describes the end of the input in the middle of something that began at start.
func cut(err error, what string, start int64) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	return fmt.Errorf("the capture is cut off inside %s that begins at byte %d: tap25 read everything before it; "+
		"if the file is still being written or copied, read it again later", what, start)
}

func tooLong(what string, n, limit uint64) error {
	return fmt.Errorf("the %s that begins here claims %d octets, but the limit is %d: the capture is damaged from "+
		"here on; tap25 read everything before it", what, n, limit)
}

func damaged(reason string) error {
	return errors.New(reason + ": the capture is damaged from here on; tap25 read everything before it")
}
