package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// The pcapng format, draft-ietf-opsawg-pcapng: blocks of
//
//	 0  type
//	 4  total length, a multiple of 4
//	 8  body
//	-4  total length again
//
// of which these matter here. All numbers are in the byte order of their section.
//
//	section header     interface        enhanced packet     packet (obsolete)     simple packet
//	 8  byte order      8  link type     8  interface        8  interface (16)     8  original length
//	12  version        10  reserved     12  time, high      10  drops (16)        12  the octets
//	16  section length 12  snaplen      16  time, low       12  time, high
//	24  options        16  options      20  captured        16  time, low
//	                                    24  original        20  captured
//	                                    28  the octets      24  original
//	                                        options         28  the octets, options
const (
	blockSection   = 0x0a0d0d0a // the same in both byte orders
	blockInterface = 1
	blockPacket    = 2
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = 0x1a2b3c4d

	optionEnd     = 0
	optionTSResol = 9
	optionTSOff   = 14

	minBlock = 12

	// maxBlock bounds what is kept in memory for one block: the longest frame and ample options. libpcap has the same
	// limit.
	maxBlock = 16 << 20

	// maxInterfaces bounds the interfaces of one section. The obsolete packet block can number no more.
	maxInterfaces = 1 << 16
)

func isPcapng(magic []byte) bool { return binary.LittleEndian.Uint32(magic) == blockSection }

// pcapng reads one file of that format, block by block; a frame is given only if its whole block is sound.
type pcapng struct {
	win        *window
	bigEndian  bool
	inSection  bool
	interfaces []ngInterface // of the current section
}

type ngInterface struct {
	link    uint16
	snaplen uint32
	resol   uint8 // if_tsresol: exponent of 10, or of 2 if the highest bit is set, negated
	offset  int64 // if_tsoffset: seconds to be added
}

func (r *pcapng) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if r.bigEndian {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (r *pcapng) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if r.bigEndian {
		v = bits.ReverseBytes32(v)
	}
	return v
}

// next reads blocks up to and including the next packet.
func (r *pcapng) next(fr *Frame) error {
	for {
		start := r.win.offset()
		typ, total, err := r.blockHeader(start)
		if err != nil {
			return err
		}
		switch typ {
		case blockSection, blockInterface, blockEnhanced, blockPacket, blockSimple:
		default: // statistics, names, secrets, comments, and types of the future
			if err := r.win.skip(total - 4); err != nil {
				return cut(err, "the block", start)
			}
			if err := r.trailer(total, start); err != nil {
				return err
			}
			continue
		}
		b, err := r.win.take(total)
		if err != nil {
			return cut(err, "the block", start)
		}
		if r.uint32(b[total-4:]) != uint32(total) {
			return errTrailer(start)
		}
		packet, err := r.block(typ, b[8:total-4], fr)
		if err != nil {
			return &offsetError{start, err}
		}
		if packet {
			return nil
		}
	}
}

// blockHeader looks at the type and length of the next block; a section header turns to its own byte order.
func (r *pcapng) blockHeader(start int64) (typ uint32, total int, err error) {
	h, err := r.win.peek(8)
	if err == io.EOF {
		return 0, 0, err // a clean end; all sections are closed by it
	}
	if err == nil {
		if typ = r.uint32(h); typ == blockSection {
			if h, err = r.win.peek(12); err == nil {
				err = r.byteOrder(h[8:], start)
			}
		}
	}
	if err != nil {
		return 0, 0, cut(err, "the block", start)
	}
	n := r.uint32(h[4:])
	switch {
	case n > maxBlock:
		return 0, 0, &offsetError{start, tooLong("block", uint64(n), maxBlock)}
	case n < minBlock || n%4 != 0:
		return 0, 0, &offsetError{start, damaged(fmt.Sprintf("the block that begins here claims %d octets, which no "+
			"block can have", n))}
	}
	return typ, int(n), nil
}

func (r *pcapng) byteOrder(magic []byte, start int64) error {
	switch {
	case binary.LittleEndian.Uint32(magic) == byteOrderMagic:
		r.bigEndian = false
	case binary.BigEndian.Uint32(magic) == byteOrderMagic:
		r.bigEndian = true
	case !r.inSection:
		return &offsetError{start, errNotCapture}
	default:
		return &offsetError{start, damaged("the section header that begins here has no byte order")}
	}
	return nil
}

// trailer checks the second length of a block whose body was skipped.
func (r *pcapng) trailer(total int, start int64) error {
	b, err := r.win.take(4)
	if err != nil {
		return cut(err, "the block", start)
	}
	if r.uint32(b) != uint32(total) {
		return errTrailer(start)
	}
	return nil
}

func errTrailer(start int64) error {
	return &offsetError{start, damaged("the two lengths of the block that begins here differ")}
}

// block reads the body of one block and reports whether it was a packet.
func (r *pcapng) block(typ uint32, b []byte, fr *Frame) (packet bool, err error) {
	switch typ {
	case blockSection:
		return false, r.section(b)
	case blockInterface:
		return false, r.addInterface(b)
	case blockSimple:
		return true, r.simple(b, fr)
	}
	if len(b) < 20 {
		return false, damaged("the packet block is too short")
	}
	index := r.uint32(b)
	if typ == blockPacket {
		index = uint32(r.uint16(b)) // the other 16 bits count drops
	}
	i, err := r.iface(index)
	if err != nil {
		return false, err
	}
	captured, original := r.uint32(b[12:]), r.uint32(b[16:])
	if captured > maxFrame || int(captured) > len(b)-20 {
		return false, damaged(fmt.Sprintf("the packet claims %d octets, its block has room for %d", captured,
			len(b)-20))
	}
	fr.Time = i.time(uint64(r.uint32(b[4:]))<<32 | uint64(r.uint32(b[8:])))
	fr.Data = b[20 : 20+captured : 20+captured]
	fr.Length = int(max(original, captured))
	fr.LinkType = i.link
	return true, nil
}

func (r *pcapng) iface(index uint32) (*ngInterface, error) {
	if uint64(index) >= uint64(len(r.interfaces)) {
		return nil, damaged(fmt.Sprintf("the packet names interface %d, but the section has %d interfaces so far",
			index, len(r.interfaces)))
	}
	return &r.interfaces[index], nil
}

// simple reads a simple packet block, which belongs to interface 0 and has neither time nor captured length. As
// with libpcap, its time is 1970: a made-up time near that of its neighbours would look like a true one.
func (r *pcapng) simple(b []byte, fr *Frame) error {
	i, err := r.iface(0)
	if err != nil {
		return err
	}
	if len(b) < 4 {
		return damaged("the simple packet block is too short")
	}
	original := r.uint32(b)
	captured := original
	if i.snaplen != 0 {
		captured = min(captured, i.snaplen)
	}
	if captured > maxFrame || int(captured) > len(b)-4 {
		return damaged(fmt.Sprintf("the packet claims %d octets, its block has room for %d", captured, len(b)-4))
	}
	fr.Time = time.Unix(0, 0).UTC()
	fr.Data = b[4 : 4+captured : 4+captured]
	fr.Length = int(original)
	fr.LinkType = i.link
	return nil
}

// section begins a new section: interfaces are numbered anew.
func (r *pcapng) section(b []byte) error {
	if len(b) < 16 {
		return damaged("the section header is too short")
	}
	if major, minor := r.uint16(b[4:]), r.uint16(b[6:]); major != 1 {
		return fmt.Errorf("pcapng version %d.%d is not supported: convert the file with editcap", major, minor)
	}
	r.inSection = true
	r.interfaces = r.interfaces[:0]
	return nil
}

func (r *pcapng) addInterface(b []byte) error {
	if len(b) < 8 {
		return damaged("the interface block is too short")
	}
	if len(r.interfaces) == maxInterfaces {
		return damaged(fmt.Sprintf("the section has more than %d interfaces", maxInterfaces))
	}
	i := ngInterface{link: r.uint16(b), snaplen: r.uint32(b[4:]), resol: 6}
	for o := b[8:]; len(o) >= 4; { // code, length, value padded to 32 bits; the end-of-options option may be missing
		code, n := r.uint16(o), int(r.uint16(o[2:]))
		if code == optionEnd {
			break
		}
		padded := (n + 3) &^ 3
		if padded > len(o)-4 {
			return damaged("an option of the interface is longer than its block")
		}
		v := o[4 : 4+n]
		switch {
		case code == optionTSResol && n == 1:
			i.resol = v[0]
		case code == optionTSOff && n == 8:
			hi, lo := r.uint32(v), r.uint32(v[4:])
			if !r.bigEndian {
				hi, lo = lo, hi
			}
			i.offset = int64(uint64(hi)<<32 | uint64(lo))
		}
		o = o[4+padded:]
	}
	r.interfaces = append(r.interfaces, i)
	return nil
}
