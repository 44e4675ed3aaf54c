package decode

import "encoding/binary"

// tzsp reads the header of the TaZmen Sniffer Protocol, by which access points and routers send what they receive:
// version, type, the protocol inside, then fields, of which two have no length.
func (w *walk) tzsp() Verdict {
	const received, transmit, ethernet, wifi, padding, end = 0, 1, 1, 18, 0, 1
	b := w.data
	if len(b) < 4 {
		return TruncatedTunnel
	}
	if b[0] != 1 || b[1] != received && b[1] != transmit {
		return w.unreadUDP(w.port)
	}
	switch binary.BigEndian.Uint16(b[2:]) {
	case ethernet:
		w.next = headerEthernet
	case wifi:
		w.next = headerWiFi
	default:
		return w.unreadUDP(w.port)
	}
	w.identified = true
	for b = b[4:]; ; w.steps++ {
		switch {
		case len(b) < 1:
			return TruncatedTunnel
		case b[0] == end:
			w.data = b[1:]
			return goOn
		case b[0] == padding:
			b = b[1:]
		case len(b) < 2 || 2+int(b[1]) > len(b):
			return TruncatedTunnel
		default:
			b = b[2+int(b[1]):]
		}
	}
}

// intercept reads what routers put in front of an intercepted packet: an identifier of the intercept, and that of
// a session, of 4 octets each. Juniper's routers send IP; Nokia's send IP or Ethernet, and may leave out the
// session. The bits that say so differ by release, so what follows decides.
func (w *walk) intercept() Verdict {
	if len(w.data) < 4 {
		return TruncatedTunnel
	}
	if !w.guess(8, 4) {
		return NotTCP
	}
	w.identified = true
	return goOn
}

// gue reads the header of draft-ietf-intarea-gue-09: of version 0 flags, the length in words, the protocol and 16
// bits of flags; of version 1 nothing, for its bits are those of an IP header's version.
func (w *walk) gue() Verdict {
	const control, length = 0x20, 31
	b := w.data
	if len(b) < 4 {
		return TruncatedTunnel
	}
	switch {
	case b[0]>>6 == 1:
		return w.version()
	case b[0]>>6 != 0:
		return w.unreadUDP(w.port)
	case b[0]&control != 0:
		return NotTCP
	}
	if v := w.skip(4 + 4*int(b[0]&length)); v != goOn {
		return v
	}
	return w.protocol(b[1], len(w.ip.src) == 16)
}

// teredo reads the headers of RFC 4380 section 5.1.1, which two octets distinguish from IPv6: how a server
// authenticates itself, and where a packet came from.
func (w *walk) teredo() Verdict {
	const origin, authentication = 0, 1
	b := w.data
	if len(b) < 4 {
		return TruncatedTunnel
	}
	switch kind := binary.BigEndian.Uint16(b); {
	case kind == authentication:
		return w.skip(4 + int(b[2]) + int(b[3]) + 8 + 1)
	case kind == origin:
		return w.skip(8)
	case b[0]>>4 != 6 || w.ipv6Fits(0) == noFit:
		return w.unreadUDP(w.port)
	}
	w.next = headerIPv6
	return goOn
}
