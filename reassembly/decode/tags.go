package decode

import "encoding/binary"

// tag skips a tag of n octets, after which comes what a frame has after its addresses.
func (w *walk) tag(n int) Verdict {
	b := w.data
	if len(b) < n+2 {
		return TruncatedVLAN
	}
	w.data = b[n+2:]
	return w.typeOrLength(binary.BigEndian.Uint16(b[n:]))
}

// Octets of tags that say nothing about the network: VN-tag (direction, two virtual interfaces) and E-tag of
// 802.1BR (priority, two channels) name ports of a bridge, Cisco's metadata (version, length, option, value) a
// group of users.
const (
	sizeVNTag = 4
	sizeETag  = 6
	sizeCisco = 6
)

// pbb reads the I-tag of IEEE 802.1Q clause 9.7: four octets, the last three of which name the service instance, then
// the customer's frame with its addresses.
func (w *walk) pbb() Verdict {
	b := w.data
	if len(b) < 4 {
		return TruncatedVLAN
	}
	w.name(tagPBB, binary.BigEndian.Uint32(b)&0xffffff)
	w.data, w.next = b[4:], headerEthernet
	return goOn
}

// macsec reads the SecTAG of IEEE 802.1AE clause 9.3: control bits, short length, packet number, and the
// identifier of the channel if SC is set. What was encrypted or changed (E, C) cannot be read. The check value at
// the frame is longer than the length that IP gives.
func (w *walk) macsec() Verdict {
	const version, sc, encrypted, changed = 0x80, 0x20, 0x08, 0x04
	b := w.data
	if len(b) < 1 {
		return TruncatedVLAN
	}
	if b[0]&(version|encrypted|changed) != 0 {
		return w.unreadType(etherMACsec)
	}
	if b[0]&sc != 0 {
		return w.tag(6 + 8)
	}
	return w.tag(6)
}

// trill reads the header of RFC 6325 section 3.2: version, length of the options in words, hop count, the
// nicknames of the two bridges. They differ by direction; the frame inside has a tag that names its network.
func (w *walk) trill() Verdict {
	b := w.data
	if len(b) < 6 {
		return TruncatedTunnel
	}
	if b[0]>>6 != 0 {
		return NotIP
	}
	if v := w.skip(6 + 4*int(binary.BigEndian.Uint16(b)>>6&31)); v != goOn {
		return v
	}
	w.next = headerEthernet
	return goOn
}

// nsh reads the header of RFC 8300 section 2: version, length in words, and the next protocol. The path that it names
// changes from hop to hop.
func (w *walk) nsh() Verdict {
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	size := int(b[1]&63) * 4
	if b[0]>>6 != 0 || size < 8 {
		return BadTunnel
	}
	if v := w.skip(size); v != goOn {
		return v
	}
	return w.nextProtocol(b[3])
}

// nextProtocol sets the header that a number of the registry of RFC 8300 section 9.1.4 announces, which VXLAN-GPE
// shares.
func (w *walk) nextProtocol(n uint8) Verdict {
	switch n {
	case 1:
		w.next = headerIPv4
	case 2:
		w.next = headerIPv6
	case 3:
		w.next = headerEthernet
	case 4:
		w.next = headerNSH
	case 5:
		w.next = headerMPLS
	default:
		return NotIP
	}
	return goOn
}

// arista reads the header that Arista's switches put in front of the EtherType: a subtype, of which 1 is a time, a
// version that says how long the time is, and the time.
func (w *walk) arista() Verdict {
	const timestamp, bits64, bits48 = 1, 0x10, 0x20
	b := w.data
	if len(b) < 4 {
		return TruncatedVLAN
	}
	if binary.BigEndian.Uint16(b) != timestamp {
		return NotIP
	}
	switch b[3] { // b[2] says which clock
	case bits64:
		return w.tag(4 + 8)
	case bits48:
		return w.tag(4 + 6)
	}
	return NotIP
}
