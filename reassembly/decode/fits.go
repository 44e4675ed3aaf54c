package decode

import "encoding/binary"

// fit is how well the octets at some place fit a header, if only their content can decide that.
type fit uint8

const (
	noFit      fit = iota
	mayFit         // nothing contradicts it
	likelyFits     // its length says so, too
	surelyFits     // its checksum does
)

// guessedTags bounds the tags that are passed in search of an IP header.
const guessedTags = 4

// ethernetFits tries an Ethernet frame at an offset of data: its EtherType must lead on, through tags if it has some,
// and what it leads to must fit, as far as it was captured.
func (w *walk) ethernetFits(at int) fit {
	if len(w.data) < at+14 {
		return noFit
	}
	try := walk{data: w.data[at:], cut: w.cut, next: headerEthernet}
	for range 1 + guessedTags + 1 {
		is := try.next
		switch is {
		case headerIPv4:
			return try.ipv4Fits(0)
		case headerIPv6:
			return try.ipv6Fits(0)
		case headerSNAP:
			return mayFit
		}
		switch v := try.passTag(); {
		case v == goOn:
		case (is == headerEthernet || is == headerVLAN || is == headerLLC) && v != TruncatedVLAN:
			return noFit
		default:
			return mayFit
		}
	}
	return mayFit
}

// passTag reads a header of Ethernet, or of a tag whose length says where the next EtherType is. At any other it ends.
func (w *walk) passTag() Verdict {
	switch w.next {
	case headerEthernet:
		return w.ethernet()
	case headerVLAN:
		return w.vlan()
	case headerLLC, headerVNTag, headerETag, headerCisco, headerMACsec, headerArista:
		return w.rare()
	}
	return NotIP
}

// ipv4Fits tries an IPv4 header at an offset of data. A checksum of zero was left to the network card.
func (w *walk) ipv4Fits(at int) fit {
	b := w.data[at:]
	if len(b) < 20 {
		return w.partFits(b, 4)
	}
	size, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || size < 20 || total != 0 && (total < size || total > len(b)+w.cut) {
		return noFit
	}
	if len(b) < size {
		return mayFit
	}
	good, zero := checkIPv4(b[:size])
	switch {
	case good:
		return surelyFits
	case zero:
		return likelyFits
	}
	return mayFit
}

// ipv6Fits tries an IPv6 header at an offset of data. It has no checksum, but a length that most often reaches
// just to the end of the frame: Ethernet pads none that holds TCP.
func (w *walk) ipv6Fits(at int) fit {
	const size = 40
	b := w.data[at:]
	if len(b) < size {
		return w.partFits(b, 6)
	}
	end := size + int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case b[0]>>4 != 6 || end > len(b)+w.cut:
		return noFit
	case end == len(b)+w.cut && protocolSeen(b[6]):
		return likelyFits
	}
	return mayFit
}

// partFits tries the front of an IP header, the rest of which was not captured.
func (w *walk) partFits(b []byte, version uint8) fit {
	if w.cut == 0 || len(b) > 0 && b[0]>>4 != version {
		return noFit
	}
	return mayFit
}

// protocolSeen reports whether a number is that of a protocol that is seen after IPv6: what leads on, ICMPv6, ESP, no
// next header, OSPF, PIM, SCTP.
func protocolSeen(proto uint8) bool {
	switch proto {
	case 50, 58, 59, 89, 103, 132:
		return true
	}
	_, known := protocolHeader(proto, true)
	return known
}

// ipFits tries IP of either version at an offset of data.
func (w *walk) ipFits(at int) (fit, header) {
	if at < len(w.data) {
		switch w.data[at] >> 4 {
		case 4:
			return w.ipv4Fits(at), headerIPv4
		case 6:
			return w.ipv6Fits(at), headerIPv6
		}
	}
	return noFit, headerIP
}

// pppFits tries PPP with IP inside at an offset of data, with address and control or without.
func (w *walk) pppFits(at int) fit {
	try := walk{data: w.data[min(at, len(w.data)):], cut: w.cut}
	if try.ppp() != goOn || try.next != headerIPv4 && try.next != headerIPv6 {
		return noFit
	}
	f, h := try.ipFits(0)
	if h != try.next {
		return noFit
	}
	return f
}

// guess finds out what is at one of these offsets of data: Ethernet, IP, or PPP with IP inside. The best fit is
// taken, of equal ones the first. It reports whether anything fits.
func (w *walk) guess(offsets ...int) bool {
	best, next, from := noFit, headerEthernet, 0
	for _, at := range offsets {
		ip, version := w.ipFits(at)
		for _, c := range [...]struct {
			fit  fit
			next header
		}{{ip, version}, {w.ethernetFits(at), headerEthernet}, {w.pppFits(at), headerPPP}} {
			if c.fit > best {
				best, next, from = c.fit, c.next, at
			}
		}
	}
	if best == noFit {
		return false
	}
	w.data, w.next = w.data[from:], next
	return true
}
