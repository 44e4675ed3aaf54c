package capture

import (
	"encoding/binary"
	"math/big"
	"time"
)

// naive reads a pcap file of version 2.4 in the simplest way, and says whether it is sound to its end.
func naive(b []byte) (frames []got, sound, known bool) {
	if len(b) < 24 {
		return nil, false, false
	}
	var o binary.ByteOrder = binary.LittleEndian
	if b[0] == 0xa1 {
		o = binary.BigEndian
	}
	unit, header := map[uint32]int64{0xa1b2c3d4: 1000, 0xa1b23c4d: 1, 0xa1b2cd34: 1000}[o.Uint32(b)], uint32(16)
	if o.Uint32(b) == 0xa1b2cd34 {
		header = 24
	}
	if unit == 0 || o.Uint16(b[4:]) != 2 || o.Uint16(b[6:]) != 4 {
		return nil, false, false
	}
	link := uint16(o.Uint32(b[20:]))
	for b = b[24:]; uint32(len(b)) >= header; {
		captured, length := o.Uint32(b[8:]), int(o.Uint32(b[12:]))
		if captured > 1<<20 || captured > uint32(len(b))-header {
			return frames, false, true
		}
		at := time.Unix(int64(o.Uint32(b)), int64(o.Uint32(b[4:]))*unit).UTC()
		frames = append(frames, got{at, string(b[header : header+captured]), max(length, int(captured)), link, 0})
		b = b[header+captured:]
	}
	return frames, len(b) == 0, true
}

// naiveInterface is an interface description of pcapng.
type naiveInterface struct {
	link    uint16
	snaplen uint32
	unit    *big.Int // ticks of a second
	offset  *big.Int // seconds
}

// naivePcapng reads a pcapng file as the draft describes it, with numbers of any size, and says whether it is sound.
func naivePcapng(b []byte) (frames []got, sound bool) {
	var o binary.ByteOrder = binary.LittleEndian
	var interfaces []naiveInterface
	for len(b) > 0 {
		if len(b) < 12 {
			return frames, false
		}
		if section := binary.LittleEndian.Uint32(b) == 0x0a0d0d0a; section {
			switch string(b[8:12]) {
			case "\x4d\x3c\x2b\x1a":
				o = binary.LittleEndian
			case "\x1a\x2b\x3c\x4d":
				o = binary.BigEndian
			default:
				return frames, false
			}
		}
		n := int(o.Uint32(b[4:]))
		if n < 12 || n%4 != 0 || n > 16<<20 || n > len(b) || o.Uint32(b[n-4:]) != uint32(n) {
			return frames, false
		}
		typ, body := o.Uint32(b), b[8:n-4]
		b = b[n:]
		switch typ {
		case 0x0a0d0d0a:
			if len(body) < 16 || o.Uint16(body[4:]) != 1 {
				return frames, false
			}
			interfaces = nil
		case 1:
			i, ok := naiveDescription(o, body)
			if !ok {
				return frames, false
			}
			interfaces = append(interfaces, i)
		case 2, 3, 6:
			fr, ok := naivePacket(o, typ, body, interfaces)
			if !ok {
				return frames, false
			}
			frames = append(frames, fr)
		}
	}
	return frames, true
}

func naiveDescription(o binary.ByteOrder, b []byte) (i naiveInterface, ok bool) {
	if len(b) < 8 {
		return i, false
	}
	i = naiveInterface{o.Uint16(b), o.Uint32(b[4:]), big.NewInt(1_000_000), new(big.Int)}
	for b = b[8:]; len(b) >= 4 && o.Uint16(b) != 0; {
		code, n := o.Uint16(b), int(o.Uint16(b[2:]))
		padded := 4 + (n+3)/4*4
		if padded > len(b) {
			return i, false
		}
		switch v := b[4 : 4+n]; {
		case code == 9 && n == 1 && v[0] < 128:
			i.unit = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v[0])), nil)
		case code == 9 && n == 1:
			i.unit = new(big.Int).Lsh(big.NewInt(1), uint(v[0]-128))
		case code == 14 && n == 8:
			i.offset = big.NewInt(int64(o.Uint64(v)))
		}
		b = b[padded:]
	}
	return i, true
}

func naivePacket(o binary.ByteOrder, typ uint32, b []byte, interfaces []naiveInterface) (fr got, ok bool) {
	header, index := 20, uint32(0)
	if typ == 3 {
		header = 4
	}
	if len(b) < header {
		return fr, false
	}
	switch typ {
	case 2:
		index = uint32(o.Uint16(b))
	case 6:
		index = o.Uint32(b)
	}
	if int64(index) >= int64(len(interfaces)) {
		return fr, false
	}
	i := interfaces[index]
	original := o.Uint32(b[header-4:])
	captured, at := original, time.Unix(0, 0).UTC()
	if typ != 3 {
		captured = o.Uint32(b[12:])
		at = i.time(uint64(o.Uint32(b[4:]))<<32 + uint64(o.Uint32(b[8:])))
	} else if i.snaplen > 0 {
		captured = min(original, i.snaplen)
	}
	if captured > 1<<20 || int(captured) > len(b)-header {
		return fr, false
	}
	return got{at, string(b[header : header+int(captured)]), int(max(original, captured)), i.link, 0}, true
}

// time gives a time between the years 1 and 9999; where the ticks alone lead beyond, no offset leads back.
func (i naiveInterface) time(ticks uint64) time.Time {
	nanos := new(big.Int).SetUint64(ticks)
	nanos.Mul(nanos, big.NewInt(1e9)).Quo(nanos, i.unit)
	sec, nsec := new(big.Int).QuoRem(nanos, big.NewInt(1e9), new(big.Int))
	first, last := big.NewInt(minTime.Unix()), big.NewInt(maxTime.Unix())
	if sec.Cmp(last) > 0 {
		return maxTime
	}
	sec.Add(sec, i.offset)
	switch {
	case sec.Cmp(last) > 0:
		return maxTime
	case sec.Cmp(first) < 0:
		return minTime
	}
	return time.Unix(sec.Int64(), nsec.Int64()).UTC()
}
