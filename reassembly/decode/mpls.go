package decode

import "encoding/binary"

// mpls reads one label (RFC 3032 section 2.1).
func (w *walk) mpls() Verdict {
	b := w.data
	if len(b) < 4 {
		return TruncatedMPLS
	}
	w.data = b[4:]
	w.label(binary.BigEndian.Uint32(b) >> 12)
	if b[2]&1 == 0 { // bottom of stack
		return goOn
	}
	w.labelled = false
	return w.mplsPayload()
}

// label notes a label for the path. An entropy label (RFC 6790) differs between flows; it comes after its indicator,
// one of the reserved labels, which have a meaning of their own.
func (w *walk) label(l uint32) {
	const indicator, firstFree = 7, 16
	if !w.labelled {
		w.labelled = true
		w.name(tagMPLS, 0)
	}
	if l >= firstFree && !w.entropy {
		w.along(tagMPLS, uint64(l))
	}
	w.entropy = l == indicator
}

// mplsPayload finds out by the first nibble what no field says (RFC 4928): IP's
// version, 0 for the control word of a pseudowire (RFC 4385), 1 for its
// associated channel. An Ethernet pseudowire without control word begins with
// any nibble: it is assumed if the EtherType at its place leads on.
func (w *walk) mplsPayload() Verdict {
	b := w.data
	if len(b) < 1 {
		return TruncatedMPLS
	}
	w.next = headerEthernet
	switch nibble := b[0] >> 4; {
	case nibble == 4 && (b[0]&15 >= 5 || !ethernetAt(b, 0)):
		w.next = headerIPv4
	case nibble == 6 && (w.ipv6Fits() || !ethernetAt(b, 0)):
		w.next = headerIPv6
	case nibble == 0 && len(b) >= 4 && ethernetAt(b, 4):
		w.data = b[4:]
	case nibble == 1 && !ethernetAt(b, 0):
		return NotIP
	}
	return goOn
}

// ipv6Fits reports whether data can be an IPv6 packet, by its length.
func (w *walk) ipv6Fits() bool {
	return len(w.data) < 6 || 40+int(binary.BigEndian.Uint16(w.data[4:])) <= len(w.data)+w.cut
}

// ethernetAt reports whether an Ethernet frame whose EtherType leads on may begin
// at b[at].
func ethernetAt(b []byte, at int) bool {
	var w walk
	return len(b) >= at+14 && w.etherType(binary.BigEndian.Uint16(b[at+12:])) == goOn
}
