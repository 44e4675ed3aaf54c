package decode

import "encoding/binary"

// gtp reads the header of a G-PDU (3GPP TS 29.281 section 5.1): flags, type, the length of what follows these eight
// octets, and the tunnel endpoint identifier. Other messages are no tunnel.
func (w *walk) gtp() Verdict {
	const version, gtpU, extension, sequence, number, gPDU = 0xe0, 0x30, 4, 2, 1, 255
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	if b[0]&(version|0x10) != gtpU {
		return w.unreadUDP(w.port)
	}
	if b[1] != gPDU {
		return NotTCP
	}
	w.data = b[8:]
	if !w.bound(int(binary.BigEndian.Uint16(b[2:]))) {
		return BadTunnel
	}
	w.received(tagGTP, binary.BigEndian.Uint32(b[4:]))
	if b[0]&(extension|sequence|number) == 0 {
		return w.gtpPayload()
	}
	if v := w.skip(4); v != goOn { // sequence number, N-PDU number, type of the next extension header
		return v
	}
	if b[0]&extension == 0 {
		return w.gtpPayload()
	}
	return w.gtpNext(b[11])
}

// gtpExtension reads an extension header (section 5.2.1): its length in words, and the type of the next in its last
// octet.
func (w *walk) gtpExtension() Verdict {
	b := w.data
	if len(b) < 1 {
		return TruncatedTunnel
	}
	size := int(b[0]) * 4
	if size == 0 {
		return BadTunnel
	}
	if v := w.skip(size); v != goOn {
		return v
	}
	return w.gtpNext(b[size-1])
}

// gtpNext sets what comes after a header that names the type of the next extension header.
func (w *walk) gtpNext(extension uint8) Verdict {
	if extension == 0 {
		return w.gtpPayload()
	}
	w.next = headerGTPExtension
	return goOn
}

// gtpPayload finds out what the session carries: IP, or Ethernet in 5G (TS 29.281 section 5.2.2.7), whose destination
// address may begin like IP.
func (w *walk) gtpPayload() Verdict {
	if len(w.data) == 0 {
		return TruncatedTunnel
	}
	if w.guess(0) {
		return goOn
	}
	return w.version()
}
