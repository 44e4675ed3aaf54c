package decode

import "encoding/binary"

// Link types, by their LINKTYPE_ numbers, and the DLT_ numbers of raw IP that
// some systems write instead (tcpdump.org, "Link-layer header types").
const (
	linkNull      = 0
	linkEthernet  = 1
	linkPPP       = 9
	linkRawDLT    = 12
	linkRawBSD    = 14
	linkPPPHDLC   = 50
	linkPPPoE     = 51
	linkRaw       = 101
	linkLoop      = 108
	linkLinuxSLL  = 113
	linkIPv4      = 228
	linkIPv6      = 229
	linkLinuxSLL2 = 276
)

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

// link sets the first header of a frame.
func (w *walk) link(link uint16) Verdict {
	switch link {
	case linkEthernet:
		w.next = headerEthernet
	case linkRaw, linkRawDLT, linkRawBSD:
		w.next = headerIP
	case linkIPv4:
		w.next = headerIPv4
	case linkIPv6:
		w.next = headerIPv6
	case linkLinuxSLL:
		return w.cooked(16, 14)
	case linkLinuxSLL2:
		return w.cooked(20, 0)
	case linkNull, linkLoop:
		return w.loopback()
	case linkPPP, linkPPPHDLC:
		w.next = headerPPP
	case linkPPPoE:
		w.next = headerPPPoE
	default:
		return UnknownLink
	}
	return goOn
}

// cooked reads Linux's cooked header of size octets with the protocol at an offset.
func (w *walk) cooked(size, at int) Verdict {
	const llc = 4 // ETH_P_802_2: no length in front
	if len(w.data) < size {
		return TruncatedLink
	}
	proto := binary.BigEndian.Uint16(w.data[at:])
	w.data = w.data[size:]
	if proto == llc {
		w.next = headerLLC
		return goOn
	}
	return w.etherType(proto)
}

// loopback reads the address family of BSD's loopback: in the byte order of the
// capturing host (NULL) or of the network (LOOP). A family fits in 16 bits, so a
// larger number has the other order.
func (w *walk) loopback() Verdict {
	if len(w.data) < 4 {
		return TruncatedLink
	}
	family := binary.BigEndian.Uint32(w.data)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(w.data)
	}
	w.data = w.data[4:]
	switch family {
	case 2:
		w.next = headerIPv4
	case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin
		w.next = headerIPv6
	default:
		return NotIP
	}
	return goOn
}

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

// pppoe reads the session header of RFC 2516 section 4.
func (w *walk) pppoe() Verdict {
	b := w.data
	if len(b) < 6 {
		return TruncatedPPP
	}
	if b[0] != 0x11 { // version, type
		return BadPPP
	}
	if b[1] != 0 { // code: not session data
		return NotIP
	}
	w.data = b[6:]
	if !w.bound(int(binary.BigEndian.Uint16(b[4:]))) {
		return BadPPP
	}
	w.next = headerPPP
	return goOn
}

// ppp reads address and control if they are there (RFC 1662), and the
// protocol in one octet or two (RFC 1661 section 2).
func (w *walk) ppp() Verdict {
	b := w.data
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 1 {
		return TruncatedPPP
	}
	proto, size := uint16(b[0]), 1
	if b[0]&1 == 0 { // the last octet of a protocol is odd
		if len(b) < 2 {
			return TruncatedPPP
		}
		proto, size = binary.BigEndian.Uint16(b), 2
	}
	w.data = b[size:]
	switch proto {
	case 0x0021:
		w.next = headerIPv4
	case 0x0057:
		w.next = headerIPv6
	case 0x0281, 0x0283:
		w.next = headerMPLS
	default:
		return NotIP
	}
	return goOn
}
