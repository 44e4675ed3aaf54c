package decode

import "encoding/binary"

// l2tp reads the front of L2TP in UDP: version 2 (RFC 2661 section 3.1), or version 3 (RFC 3931 section 4.1.2.1),
// whose session identifier comes after two octets that are reserved. Control messages are no tunnel.
func (w *walk) l2tp() Verdict {
	const control, length, sequence, offset, version = 0x8000, 0x4000, 0x0800, 0x0200, 15
	b := w.data
	if len(b) < 4 {
		return TruncatedTunnel
	}
	flags := binary.BigEndian.Uint16(b)
	switch {
	case flags&control != 0:
		return NotTCP
	case flags&version == 3:
		w.data, w.next = b[4:], headerL2TPv3
		return goOn
	case flags&version != 2:
		return w.unreadUDP(w.port)
	}
	size := 2
	if flags&length != 0 {
		size += 2
	}
	ids := size
	size += 4
	if flags&sequence != 0 {
		size += 4
	}
	if flags&offset != 0 {
		if len(b) < size+2 {
			return TruncatedTunnel
		}
		size += 2 + int(binary.BigEndian.Uint16(b[size:]))
	}
	if v := w.skip(size); v != goOn {
		return v
	}
	w.received(tagL2TP, binary.BigEndian.Uint32(b[ids:]))
	w.next = headerPPP
	return goOn
}

// l2tpv3 reads a session header of RFC 3931 section 4.1. Both sides have agreed on the length of the cookie (0, 4
// or 8 octets), on whether a sublayer of 4 octets follows, and on what is inside; no field says so.
func (w *walk) l2tpv3() Verdict {
	b := w.data
	if len(b) < 4 {
		return TruncatedTunnel
	}
	session := binary.BigEndian.Uint32(b)
	if session == 0 { // a control message, in IP
		return NotTCP
	}
	w.data = b[4:]
	if !w.guess(0, 4, 8, 12) {
		return w.unreadProtocol(protoL2TP)
	}
	w.received(tagL2TP, session)
	return goOn
}
