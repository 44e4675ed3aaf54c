package decode

import "encoding/binary"

// erf reads Endace's header: time, type, flags, the length of the record, a count of losses, the length on the
// wire. Bit 7 of the type says that an extension header of 8 octets follows, whose first bit says the same.
func (w *walk) erf() Verdict {
	const hdlc, ethernet, colorHDLC, colorEthernet, dsmEthernet, hashEthernet, ipv4, ipv6 = 1, 2, 10, 11, 16, 20, 22, 23
	b := w.data
	if len(b) < 16 {
		return TruncatedLink
	}
	kind, size := b[8]&0x7f, int(binary.BigEndian.Uint16(b[10:]))
	wire := int(binary.BigEndian.Uint16(b[14:]))
	at := 16
	for more := b[8]; more&0x80 != 0; at, w.steps = at+8, w.steps+1 {
		if len(b) < at+8 {
			return TruncatedLink
		}
		more = b[at]
	}
	switch kind {
	case hdlc, colorHDLC:
		w.next = headerHDLC
	case ethernet, colorEthernet, dsmEthernet, hashEthernet:
		at += 2 // an offset and a reserved octet
		w.next = headerEthernet
	case ipv4:
		w.next = headerIPv4
	case ipv6:
		w.next = headerIPv6
	default:
		return w.unreadLink(linkERF)
	}
	if size < at || size > len(b)+w.cut {
		return BadLink
	}
	if len(b) < at {
		return TruncatedLink
	}
	w.data = b[at:min(size, len(b))]
	w.cut = max(wire-len(w.data), 0)
	w.data = w.data[:min(wire, len(w.data))] // a record is padded to 8 octets
	return goOn
}

// nflog reads what Linux' packet filter logs: family, version, group, then fields. A field has its length, which
// counts its four octets of header, its type, and padding to four octets; both numbers are in the order of the
// host.
func (w *walk) nflog() Verdict {
	const payload = 9
	b := w.data
	if len(b) < 4 {
		return TruncatedLink
	}
	if b[1] != 0 {
		return BadLink
	}
	for b = b[4:]; len(b) >= 4; w.steps++ {
		size, kind := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])
		if size > len(b)+w.cut || kind > 0xff { // the other order
			size, kind = int(binary.BigEndian.Uint16(b)), binary.BigEndian.Uint16(b[2:])
		}
		if size < 4 {
			return BadLink
		}
		if kind&0x7fff == payload {
			w.data, w.next = b[4:], headerIP
			if !w.bound(size - 4) {
				return BadLink
			}
			return goOn
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return NotIP
}

// pktap reads the header that Darwin puts in front of a packet of any interface: its own length, a type of record,
// the link type. All are in the order of the host.
func (w *walk) pktap() Verdict {
	const packet = 1
	b := w.data
	if len(b) < 12 {
		return TruncatedLink
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if binary.LittleEndian.Uint32(b) > 0xffff {
		order = binary.BigEndian
	}
	size, link := order.Uint32(b), order.Uint32(b[8:])
	if size < 12 || order.Uint32(b[4:]) != packet || link == linkPKTAP || link > 0xffff {
		return BadLink
	}
	if int64(size) > int64(len(b)) {
		return TruncatedLink
	}
	w.data = b[size:]
	return w.link(uint16(link))
}

// frameRelay reads an address of Q.922 of two octets or four, then what RFC 2427 puts behind it, or the EtherType
// that Cisco's routers do.
func (w *walk) frameRelay() Verdict {
	const last, control, ipv4, ipv6, snap = 1, 3, 0xcc, 0x8e, 0x80
	b := w.data
	if len(b) < 4 {
		return TruncatedLink
	}
	var circuit uint32
	switch {
	case b[0]&last != 0:
		return BadLink
	case b[1]&last != 0:
		circuit = uint32(b[0]>>2)<<4 | uint32(b[1]>>4)
		b = b[2:]
	case b[2]&last == 0 && b[3]&last != 0:
		circuit = uint32(b[0]>>2)<<17 | uint32(b[1]>>4)<<13 | uint32(b[2]>>1)<<6 | uint32(b[3]>>2)
		b = b[4:]
	default:
		return BadLink
	}
	w.name(tagDLCI, circuit)
	if len(b) < 2 {
		return TruncatedLink
	}
	if b[0] != control {
		w.data = b[2:]
		return w.etherType(binary.BigEndian.Uint16(b))
	}
	if b[1] == 0 { // padding
		b = b[1:]
	}
	if len(b) < 2 {
		return TruncatedLink
	}
	w.data = b[2:]
	switch b[1] {
	case ipv4:
		w.next = headerIPv4
	case ipv6:
		w.next = headerIPv6
	case snap:
		w.next = headerSNAP
	default:
		return NotIP
	}
	return goOn
}

// hdlc reads Cisco's HDLC (RFC 1547 section 4.3.1): address, control, EtherType. What does not begin so is PPP,
// which the same link types have.
func (w *walk) hdlc() Verdict {
	const unicast, multicast = 0x0f, 0x8f
	b := w.data
	if len(b) < 4 {
		return TruncatedLink
	}
	if b[0] != unicast && b[0] != multicast || b[1] != 0 {
		w.next = headerPPP
		return goOn
	}
	w.data = b[4:]
	return w.etherType(binary.BigEndian.Uint16(b[2:]))
}
