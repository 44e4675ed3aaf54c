package decode

import "encoding/binary"

// UDP ports of tunnels. Datagrams are sent to them; of L2TP and Teredo, one end may have another port.
const (
	portVXLAN      = 4789 // RFC 7348
	portVXLANLinux = 8472 // Linux's default from before the number was assigned
	portVXLANGPE   = 4790
	portGeneve     = 6081 // RFC 8926
	portGTP        = 2152 // 3GPP TS 29.281
	portL2TP       = 1701
	portMPLS       = 6635 // RFC 7510
	portGUE        = 6080 // draft-ietf-intarea-gue
	portTeredo     = 3544 // RFC 4380
	portTZSP       = 37008

	// DefaultInterceptPort is the UDP port of lawful intercepts that is read if none is given: the one that Juniper's
	// routers and what reads their mirrors begin with.
	DefaultInterceptPort = 30030
)

// tunnelOf returns the header that follows a UDP header, judged by the ports at its front; headerNone if they are those
// of no tunnel.
func (d *Decoder) tunnelOf(b []byte) header {
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	switch dst {
	case portVXLAN, portVXLANLinux:
		return headerVXLAN
	case portVXLANGPE:
		return headerVXLANGPE
	case portGeneve:
		return headerGeneve
	case portGTP:
		return headerGTP
	case portL2TP:
		return headerL2TP
	case portMPLS:
		return headerMPLS
	case portGUE:
		return headerGUE
	case portTeredo:
		return headerTeredo
	case portTZSP:
		return headerTZSP
	}
	if d.intercepts == nil && dst == DefaultInterceptPort {
		return headerIntercept
	}
	for _, p := range d.intercepts {
		if p == dst {
			return headerIntercept
		}
	}
	switch src {
	case portL2TP:
		return headerL2TP
	case portTeredo:
		return headerTeredo
	}
	return headerNone
}

// udp reads datagrams to the port of a tunnel.
func (d *Decoder) udp(w *walk) Verdict {
	b := w.data
	if len(b) < 4 {
		return TruncatedUDP
	}
	next := d.tunnelOf(b)
	if next == headerNone {
		return w.unreadPort(b)
	}
	if len(b) < 8 {
		return TruncatedUDP
	}
	w.data, w.next, w.port = b[8:], next, binary.BigEndian.Uint16(b[2:])
	return goOn
}

// vxlan reads the header of RFC 7348 section 5, or of its group policy
// extension. Without a valid network identifier it is no VXLAN: a client may use the
// port, too.
func (w *walk) vxlan() Verdict {
	const valid = 0x08
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	if b[0]&valid == 0 {
		return w.unreadUDP(w.port)
	}
	w.name(tagVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	w.data, w.next = b[8:], headerEthernet
	return goOn
}

// vxlanGPE reads the header of draft-ietf-nvo3-vxlan-gpe section 3: that of VXLAN,
// in which a flag says that the last octet of the first word is the next protocol.
func (w *walk) vxlanGPE() Verdict {
	const nextProtocol = 0x04
	b := w.data
	if v := w.vxlan(); v != goOn || b[0]&nextProtocol == 0 {
		return v
	}
	return w.nextProtocol(b[3])
}

// geneve reads the header of RFC 8926 section 3.4 and skips its options.
func (w *walk) geneve() Verdict {
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	if b[0]>>6 != 0 { // version
		return BadTunnel
	}
	size := 8 + int(b[0]&0x3f)*4
	if v := w.skip(size); v != goOn {
		return v
	}
	w.name(tagGeneve, binary.BigEndian.Uint32(b[4:])>>8)
	return w.etherType(binary.BigEndian.Uint16(b[2:]))
}

// skip drops a tunnel header of n octets.
func (w *walk) skip(n int) Verdict {
	if n > len(w.data) {
		if n > len(w.data)+w.cut {
			return BadTunnel
		}
		return TruncatedTunnel
	}
	w.data = w.data[n:]
	return goOn
}

// etherIP reads the two octets of RFC 3378: version 3, reserved bits.
func (w *walk) etherIP() Verdict {
	b := w.data
	if len(b) < 2 {
		return TruncatedTunnel
	}
	if b[0]>>4 != 3 {
		return BadTunnel
	}
	w.data, w.next = b[2:], headerEthernet
	return goOn
}
