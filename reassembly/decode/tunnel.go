package decode

import "encoding/binary"

// UDP destination ports of tunnels.
const (
	portVXLAN      = 4789 // RFC 7348
	portVXLANLinux = 8472 // Linux's default from before the number was assigned
	portVXLANGPE   = 4790
	portGeneve     = 6081 // RFC 8926
)

func isTunnel(port uint16) bool {
	return port == portVXLAN || port == portVXLANLinux || port == portVXLANGPE || port == portGeneve
}

// udp reads datagrams to the port of a tunnel.
func (w *walk) udp() Verdict {
	b := w.data
	if len(b) < 4 {
		return TruncatedUDP
	}
	switch binary.BigEndian.Uint16(b[2:]) {
	case portVXLAN, portVXLANLinux:
		w.next = headerVXLAN
	case portVXLANGPE:
		w.next = headerVXLANGPE
	case portGeneve:
		w.next = headerGeneve
	default:
		return NotTCP
	}
	if len(b) < 8 {
		return TruncatedUDP
	}
	w.data = b[8:]
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
		return NotTCP
	}
	w.name(tagVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	w.data, w.next = b[8:], headerEthernet
	return goOn
}

// vxlanGPE reads the header of draft-ietf-nvo3-vxlan-gpe section 3.
func (w *walk) vxlanGPE() Verdict {
	const valid, nextProtocol = 0x08, 0x04
	b := w.data
	if len(b) < 8 {
		return TruncatedTunnel
	}
	if b[0]&valid == 0 {
		return NotTCP
	}
	w.name(tagVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	w.data, w.next = b[8:], headerEthernet
	if b[0]&nextProtocol == 0 {
		return goOn
	}
	switch b[3] {
	case 1:
		w.next = headerIPv4
	case 2:
		w.next = headerIPv6
	case 3: // Ethernet
	case 5:
		w.next = headerMPLS
	default:
		return NotIP
	}
	return goOn
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
