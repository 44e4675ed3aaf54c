package decode

import "encoding/binary"

// EtherTypes, from IEEE's registry, and those that only GRE carries.
const (
	etherIPv4    = 0x0800
	etherIPv6    = 0x86dd
	etherVLAN    = 0x8100 // 802.1Q
	etherQinQ    = 0x88a8 // 802.1ad
	etherQinQ1   = 0x9100 // before 802.1ad had a number
	etherQinQ2   = 0x9200
	etherQinQ3   = 0x9300
	etherQinQ4   = 0x8200
	etherMPLS    = 0x8847
	etherMPLSUp  = 0x8848 // RFC 5332: upstream-assigned label, first meant for multicast
	etherPPPoE   = 0x8864 // session stage
	etherBridged = 0x6558 // transparent Ethernet bridging
	etherERSPAN  = 0x88be // types I and II
	etherERSPAN3 = 0x22eb
	etherPPP     = 0x880b
	etherVNTag   = 0x8926 // Cisco's, before 802.1BR
	etherETag    = 0x893f // 802.1BR
	etherCisco   = 0x8909 // Cisco metadata, security group tags
	etherPBB     = 0x88e7 // 802.1ah
	etherMACsec  = 0x88e5 // 802.1AE
	etherTRILL   = 0x22f3 // RFC 6325
	etherNSH     = 0x894f // RFC 8300
	etherArista  = 0xd28b

	maxLength802_3 = 1500 // at most this is a length, at least minEtherType a type (802.3 section 3.2.6)
	minEtherType   = 1536
)

func (w *walk) ethernet() Verdict {
	if len(w.data) < 14 {
		return TruncatedLink
	}
	v := binary.BigEndian.Uint16(w.data[12:])
	w.data = w.data[14:]
	return w.typeOrLength(v)
}

// vlan reads a tag: two octets of priority and VLAN, then what a frame has
// after its addresses.
func (w *walk) vlan() Verdict {
	if len(w.data) < 4 {
		return TruncatedVLAN
	}
	v := binary.BigEndian.Uint16(w.data[2:])
	if id := binary.BigEndian.Uint16(w.data) & 0xfff; id != 0 { // 0 is a priority without a VLAN
		w.name(tagVLAN, uint32(id))
	}
	w.data = w.data[4:]
	return w.typeOrLength(v)
}

func (w *walk) typeOrLength(v uint16) Verdict {
	if v > maxLength802_3 {
		return w.etherType(v)
	}
	if !w.bound(int(v)) {
		return BadLink
	}
	w.next = headerLLC
	return goOn
}

// llc reads an 802.2 header; only SNAP (RFC 1042) leads to IP.
func (w *walk) llc() Verdict {
	b := w.data
	if len(b) < 3 {
		return TruncatedLink
	}
	if b[0] != 0xaa || b[1] != 0xaa || b[2] != 3 {
		return NotIP
	}
	w.data, w.next = b[3:], headerSNAP
	return goOn
}

// snap reads an organisation and what it gives a meaning to: an EtherType, or, of 802.1, a bridged frame (RFC 2427
// section 4.2).
func (w *walk) snap() Verdict {
	const ethernet, bridgeTunnel, ieee8021 = 0, 0x0000f8, 0x0080c2
	const withFCS, withoutFCS = 1, 7
	b := w.data
	if len(b) < 5 {
		return TruncatedLink
	}
	w.data = b[5:]
	kind := binary.BigEndian.Uint16(b[3:])
	switch organisation := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]); {
	case organisation == ethernet || organisation == bridgeTunnel: // 802.1H
		return w.etherType(kind)
	case organisation == ieee8021 && (kind == withFCS || kind == withoutFCS):
		w.next = headerEthernet
		return goOn
	}
	return NotIP
}

// etherType sets the header that an EtherType announces.
func (w *walk) etherType(t uint16) Verdict {
	if t == etherIPv4 { // nearly always
		w.next = headerIPv4
		return goOn
	}
	next, known := etherHeader(t)
	if !known {
		return w.unreadType(t)
	}
	w.next = next
	return goOn
}

// etherHeader gives the header that an EtherType announces, if it leads on.
func etherHeader(t uint16) (next header, known bool) {
	switch t {
	case etherIPv4:
		return headerIPv4, true
	case etherIPv6:
		return headerIPv6, true
	case etherVLAN, etherQinQ, etherQinQ1, etherQinQ2, etherQinQ3, etherQinQ4:
		return headerVLAN, true
	case etherMPLS, etherMPLSUp:
		return headerMPLS, true
	case etherPPPoE:
		return headerPPPoE, true
	case etherBridged:
		return headerEthernet, true
	case etherPPP:
		return headerPPP, true
	case etherVNTag:
		return headerVNTag, true
	case etherETag:
		return headerETag, true
	case etherCisco:
		return headerCisco, true
	case etherPBB:
		return headerPBB, true
	case etherMACsec:
		return headerMACsec, true
	case etherTRILL:
		return headerTRILL, true
	case etherNSH:
		return headerNSH, true
	case etherArista:
		return headerArista, true
	}
	return 0, false
}
