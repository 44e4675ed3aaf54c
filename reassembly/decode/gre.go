package decode

import "encoding/binary"

// gre reads the header of RFC 2784 with the key and sequence number of RFC 2890
// and the routing of RFC 1701. Version 1 is PPTP's.
func (w *walk) gre() Verdict {
	const checksum, routing, key, sequence, version = 0x8000, 0x4000, 0x2000, 0x1000, 7
	b := w.data
	if len(b) < 4 {
		return TruncatedTunnel
	}
	flags, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&version != 0 {
		return w.pptp()
	}
	size := 4
	if flags&(checksum|routing) != 0 {
		size += 4
	}
	id := size
	if flags&key != 0 {
		size += 4
	}
	if flags&sequence != 0 {
		size += 4
	}
	if v := w.skip(size); v != goOn {
		return v
	}
	if flags&key != 0 {
		w.greKey(binary.BigEndian.Uint32(b[id:]), proto)
	}
	if flags&routing != 0 {
		if v := w.greRouting(); v != goOn {
			return v
		}
	}
	switch {
	case proto == etherERSPAN && flags&sequence == 0: // type I: no header of its own
		w.next, w.identified = headerEthernet, true
	case proto == etherERSPAN:
		w.next, w.identified = headerERSPAN2, true
	case proto == etherERSPAN3:
		w.next, w.identified = headerERSPAN3, true
	default:
		return w.etherType(proto)
	}
	return goOn
}

// pptp reads the header of RFC 2637 section 4.1, after which PPP follows, unless the packet only acknowledges. PPP that
// is encrypted or compressed has a protocol number of its own.
func (w *walk) pptp() Verdict {
	const key, sequence, acknowledgment, mask = 0x2000, 0x1000, 0x0080, 0x2007
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	flags := binary.BigEndian.Uint16(b)
	if flags&mask != key|1 || binary.BigEndian.Uint16(b[2:]) != etherPPP {
		return w.unreadProtocol(protoGRE)
	}
	if flags&sequence == 0 {
		return NotTCP
	}
	size := 12
	if flags&acknowledgment != 0 {
		size += 4
	}
	if v := w.skip(size); v != goOn {
		return v
	}
	if !w.bound(int(binary.BigEndian.Uint16(b[4:]))) {
		return BadTunnel
	}
	w.received(tagPPTP, uint32(binary.BigEndian.Uint16(b[6:])))
	w.next = headerPPP
	return goOn
}

// greKey notes the key of RFC 2890. Of NVGRE (RFC 7637 section 3.2) it is an identifier of 24 bits, of which those up
// to 0xfff are reserved, and 8 bits that differ between flows. Linux has bridges in GRE whose key is any number.
func (w *walk) greKey(key uint32, proto uint16) {
	if proto == etherBridged && key>>8 > 0xfff {
		w.name(tagNVGRE, key>>8)
		w.along(tagNVGRE, uint64(key))
		return
	}
	w.name(tagGRE, key)
}

// greRouting skips source route entries up to the empty one (RFC 1701).
func (w *walk) greRouting() Verdict {
	for {
		b := w.data
		if len(b) < 4 {
			return TruncatedTunnel
		}
		if v := w.skip(4 + int(b[3])); v != goOn {
			return v
		}
		if b[0] == 0 && b[1] == 0 && b[3] == 0 {
			return goOn
		}
	}
}

// erspanTruncated is the bit, in types II and III (draft-foschiano-erspan
// section 4), that is set if the switch mirrored only the front of the frame.
const erspanTruncated = 0x04

// erspan2 reads the 8 octets of type II:
//
//	Ver:4 VLAN:12 | COS:3 En:2 T:1 Session:10 | Reserved:12 Index:20
func (w *walk) erspan2() Verdict {
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	switch b[0] >> 4 {
	case 1:
	case 2: // type III under type II's protocol number
		w.next = headerERSPAN3
		return goOn
	default:
		return BadTunnel
	}
	if b[2]&erspanTruncated != 0 {
		w.cut = maxCut
	}
	w.data, w.next = b[8:], headerEthernet
	return goOn
}

// erspan3 reads the 12 octets of type III and the 8 of its platform:
//
//	Ver:4 VLAN:12 | COS:3 BSO:2 T:1 Session:10 | Timestamp:32 | SGT:16 | P:1 FT:5 HwID:6 D:1 Gra:2 O:1
func (w *walk) erspan3() Verdict {
	b := w.data
	if len(b) < 12 {
		return TruncatedTunnel
	}
	if b[0]>>4 != 2 {
		return BadTunnel
	}
	size := 12
	if b[11]&1 != 0 { // O: platform subheader
		size += 8
	}
	if v := w.skip(size); v != goOn {
		return v
	}
	if b[2]&erspanTruncated != 0 {
		w.cut = maxCut
	}
	const ethernet, ip = 0, 2
	switch b[10] >> 2 & 31 { // FT: frame type
	case ethernet:
		w.next = headerEthernet
	case ip:
		w.next = headerIP
	default:
		return NotIP
	}
	return goOn
}
