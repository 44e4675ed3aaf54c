package decode

import "encoding/binary"

// radiotap reads what a wireless card puts in front of an 802.11 frame (radiotap.org): version, length, and bit
// masks of the fields that follow, each aligned to its size. One field matters: whether the 802.11 header is
// padded to four octets.
func (w *walk) radiotap() Verdict {
	const more, clock, flags, padded = 1 << 31, 1, 2, 0x20
	b := w.data
	if len(b) < 8 {
		return TruncatedLink
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if b[0] != 0 || size < 8 {
		return BadLink
	}
	if size > len(b) {
		return TruncatedLink
	}
	w.data, w.next = b[size:], headerWiFi
	b = b[:size]
	present, at := binary.LittleEndian.Uint32(b[4:]), 8
	for mask := present; mask&more != 0; at, w.steps = at+4, w.steps+1 {
		if at+4 > size {
			return BadLink
		}
		mask = binary.LittleEndian.Uint32(b[at:])
	}
	if present&clock != 0 {
		at = (at+7)&^7 + 8
	}
	w.padded = present&flags != 0 && at < size && b[at]&padded != 0
	return goOn
}

// wifi reads the header of an 802.11 data frame (IEEE 802.11 section 9.3.2): frame control, duration, three
// addresses, sequence control; a fourth address between two access points, two octets of QoS, and four of HT
// control if they are there. What is encrypted, in fragments, or several frames in one is not read.
func (w *walk) wifi() Verdict {
	const (
		kind, data, noData, qos             = 0x0c, 0x08, 0x40, 0x80 // of the first octet
		toDS, fromDS, more, protected, plus = 1, 2, 4, 0x40, 0x80    // of the second
		aggregate                           = 0x80                   // of the QoS field
	)
	b := w.data
	if len(b) < 2 {
		return TruncatedLink
	}
	if b[0]&(kind|3) != data || b[0]&noData != 0 { // the lowest two bits are a version
		return NotIP
	}
	size := 24
	if b[1]&(toDS|fromDS) == toDS|fromDS {
		size += 6
	}
	control := size
	if b[0]&qos != 0 {
		size += 2
		if b[1]&plus != 0 {
			size += 4
		}
	}
	if w.padded {
		size = (size + 3) &^ 3
	}
	if len(b) < size {
		return TruncatedLink
	}
	if b[1]&(protected|more) != 0 || b[22]&15 != 0 || b[0]&qos != 0 && b[control]&aggregate != 0 {
		return w.unreadLink(linkWiFi)
	}
	w.data, w.next = b[size:], headerLLC
	return goOn
}
