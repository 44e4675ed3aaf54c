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
	etherMPLS    = 0x8847
	etherMPLSUp  = 0x8848 // RFC 5332: upstream-assigned label, first meant for multicast
	etherPPPoE   = 0x8864 // session stage
	etherBridged = 0x6558 // transparent Ethernet bridging
	etherERSPAN  = 0x88be // types I and II
	etherERSPAN3 = 0x22eb

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
	if len(b) < 8 {
		return TruncatedLink
	}
	if b[3] != 0 || b[4] != 0 || b[5] != 0 && b[5] != 0xf8 { // 0000f8: bridge tunnel, 802.1H
		return NotIP
	}
	w.data = b[8:]
	return w.etherType(binary.BigEndian.Uint16(b[6:]))
}

// etherType sets the header that an EtherType announces.
func (w *walk) etherType(t uint16) Verdict {
	switch t {
	case etherIPv4:
		w.next = headerIPv4
	case etherIPv6:
		w.next = headerIPv6
	case etherVLAN, etherQinQ, etherQinQ1, etherQinQ2, etherQinQ3:
		w.next = headerVLAN
	case etherMPLS, etherMPLSUp:
		w.next = headerMPLS
	case etherPPPoE:
		w.next = headerPPPoE
	case etherBridged:
		w.next = headerEthernet
	default:
		return NotIP
	}
	return goOn
}
