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
	linkCiscoHDLC = 104
	linkWiFi      = 105
	linkFrame     = 107 // Frame Relay
	linkRadiotap  = 127
	linkERF       = 197
	linkMPLS      = 219
	linkNFLOG     = 239
	linkPKTAP     = 258
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
	case linkPPP:
		w.next = headerPPP
	case linkPPPHDLC, linkCiscoHDLC:
		w.next = headerHDLC
	case linkPPPoE:
		w.next = headerPPPoE
	case linkMPLS:
		w.next = headerMPLS
	case linkFrame:
		return w.frameRelay()
	case linkWiFi:
		w.next = headerWiFi
	case linkRadiotap:
		return w.radiotap()
	case linkERF:
		return w.erf()
	case linkNFLOG:
		return w.nflog()
	case linkPKTAP:
		return w.pktap()
	default:
		w.unreadLink(link)
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
