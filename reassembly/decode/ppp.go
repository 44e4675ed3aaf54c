package decode

import "encoding/binary"

// pppoe reads the session header of RFC 2516 section 4.
func (w *walk) pppoe() Verdict {
	b := w.data
	if len(b) < 6 {
		return TruncatedPPP
	}
	if b[0] != 0x11 { // version, type
		return BadPPP
	}
	if b[1] != 0 { // code: not session data
		return NotIP
	}
	w.data = b[6:]
	if !w.bound(int(binary.BigEndian.Uint16(b[4:]))) {
		return BadPPP
	}
	w.along(tagPPPoE, uint64(binary.BigEndian.Uint16(b[2:])))
	w.next = headerPPP
	return goOn
}

// ppp reads address and control if they are there (RFC 1662), and the
// protocol in one octet or two (RFC 1661 section 2).
func (w *walk) ppp() Verdict {
	b := w.data
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 1 {
		return TruncatedPPP
	}
	proto, size := uint16(b[0]), 1
	if b[0]&1 == 0 { // the last octet of a protocol is odd
		if len(b) < 2 {
			return TruncatedPPP
		}
		proto, size = binary.BigEndian.Uint16(b), 2
	}
	w.data = b[size:]
	switch proto {
	case 0x0021:
		w.next = headerIPv4
	case 0x0057:
		w.next = headerIPv6
	case 0x0281, 0x0283:
		w.next = headerMPLS
	default:
		return w.unreadPPP(proto)
	}
	return goOn
}
