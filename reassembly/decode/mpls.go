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

// mplsPayload finds out what no field says: IP, an Ethernet pseudowire with the control word of RFC 4385 or
// without. The first nibble of IP is its version, that of the control word 0 (RFC 4928), but a destination address
// may begin with any nibble. So each reading that is possible is tried on what is there, and the one that fits
// best is taken. Of two that fit equally well, the nibble decides. A control word of zeros wins over an address
// that begins with them; another does not: a frame with a tag whose address begins with a nibble of zero looks
// like a control word and a frame without the tag.
func (w *walk) mplsPayload() Verdict {
	b := w.data
	if len(b) < 1 {
		return TruncatedMPLS
	}
	nibble, ethernet := b[0]>>4, w.ethernetFits(0)
	switch {
	case nibble == 4 && w.ipv4Fits(0) >= ethernet:
		w.next = headerIPv4
		return goOn
	case nibble == 6 && w.ipv6Fits(0) >= ethernet:
		w.next = headerIPv6
		return goOn
	}
	w.next = headerEthernet
	if nibble == 0 && len(b) >= 4 {
		control := w.ethernetFits(4)
		if control > ethernet || control == ethernet && binary.BigEndian.Uint32(b) == 0 {
			w.data, ethernet = b[4:], control
		}
	}
	if nibble == 1 && ethernet == noFit { // the channel of a pseudowire (RFC 4385 section 5)
		return NotIP
	}
	return goOn
}
