package decode

import (
	"encoding/binary"
	"time"
)

// IP protocol numbers that may lead to TCP, from IANA's registry.
const (
	protoHopByHop = 0
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoDstOpts  = 60
	protoEtherIP  = 97 // RFC 3378
	protoMobility = 135
	protoMPLS     = 137 // RFC 4023
	protoHIP      = 139
	protoShim6    = 140
	protoEthernet = 143 // RFC 8986
	protoL2TP     = 115 // RFC 3931
)

// version reads the version of raw IP.
func (w *walk) version() Verdict {
	if len(w.data) < 1 {
		return TruncatedIPv4
	}
	switch w.data[0] >> 4 {
	case 4:
		w.next = headerIPv4
	case 6:
		w.next = headerIPv6
	default:
		return NotIP
	}
	return goOn
}

// ipv4 reads the header of RFC 791 section 3.1. A total length of zero is a packet
// larger than the field can say, captured before the network card segmented it: the
// rest of the frame belongs to it.
func (w *walk) ipv4() Verdict {
	b := w.data
	if len(b) < 20 {
		return TruncatedIPv4
	}
	size, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || size < 20 || total != 0 && (total < size || !w.bound(total)) {
		return BadIPv4
	}
	if len(w.data) < size {
		return TruncatedIPv4
	}
	w.between()
	w.ip.src, w.ip.dst, w.ip.to, w.ip.header = b[12:16], b[16:20], b[16:20], b[:size] // a literal would be copied
	w.ip.ttl, w.ip.conflict, w.ip.offload = b[8], false, false
	if size > 20 {
		w.ip.dst = sourceRouted(b[20:size], w.ip.dst)
	}
	w.data = w.data[size:]
	if v := w.protocol(b[9], false); v != goOn {
		return v
	}
	const moreFragments, dontFragment, offset = 0x2000, 0x4000, 0x1fff
	if flags := binary.BigEndian.Uint16(b[6:]); flags&(moreFragments|offset) != 0 {
		w.next = headerFragment
		w.frag = fragmentField{
			id: uint32(binary.BigEndian.Uint16(b[4:])), proto: b[9], offset: int(flags&offset) * 8,
			more: flags&moreFragments != 0, df: flags&dontFragment != 0,
		}
	}
	return goOn
}

// sourceRouted returns the final destination, if a source route (RFC 791) is not at
// its end yet: the last of its addresses, which is also the one that the TCP
// checksum covers and that answers come from.
func sourceRouted(options, dst []byte) []byte {
	const end, noop, loose, strict = 0, 1, 131, 137
	for len(options) > 0 && options[0] != end {
		if options[0] == noop {
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return dst
		}
		o := options[:options[1]]
		if (o[0] == loose || o[0] == strict) && len(o) >= 7 && int(o[2])+3 <= len(o) {
			return o[len(o)-4:]
		}
		options = options[len(o):]
	}
	return dst
}

// ipv6 reads the header of RFC 8200 section 3. A payload length of zero is a
// jumbogram, or a packet captured before the network card segmented it.
func (w *walk) ipv6() Verdict {
	const size = 40
	b := w.data
	if len(b) < size {
		return TruncatedIPv6
	}
	if b[0]>>4 != 6 {
		return BadIPv6
	}
	if n := int(binary.BigEndian.Uint16(b[4:])); n != 0 && !w.bound(size+n) {
		return BadIPv6
	}
	w.between()
	w.ip = ipHeader{src: b[8:24], dst: b[24:40], to: b[24:40], ttl: b[7]}
	w.data = w.data[size:]
	return w.protocol(b[6], true)
}

// protocol sets the header that a protocol number announces.
func (w *walk) protocol(proto uint8, v6 bool) Verdict {
	if proto == protoTCP { // nearly always
		w.next = headerTCP
		return goOn
	}
	next, known := protocolHeader(proto, v6)
	if !known {
		return w.unreadProtocol(proto)
	}
	w.next, w.proto = next, proto
	return goOn
}

// protocolHeader gives the header that a protocol number announces, if it leads on. ESP does not.
func protocolHeader(proto uint8, v6 bool) (next header, known bool) {
	switch proto {
	case protoTCP:
		return headerTCP, true
	case protoUDP:
		return headerUDP, true
	case protoGRE:
		return headerGRE, true
	case protoIPv4:
		return headerIPv4, true
	case protoIPv6:
		return headerIPv6, true
	case protoMPLS:
		return headerMPLS, true
	case protoEtherIP:
		return headerEtherIP, true
	case protoEthernet:
		return headerEthernet, true
	case protoL2TP:
		return headerL2TPv3, true
	case protoAH:
		return headerExtension, true
	case protoHopByHop, protoRouting, protoFragment, protoDstOpts, protoMobility, protoHIP, protoShim6:
		return headerExtension, v6
	}
	return 0, false
}

// extension reads an extension header of RFC 8200 section 4, or AH (RFC 4302).
func (w *walk) extension() Verdict {
	b := w.data
	if len(b) < 8 {
		return TruncatedIPv6
	}
	v6 := len(w.ip.src) == 16
	if w.proto == protoFragment {
		return w.fragmentHeader()
	}
	size := (int(b[1]) + 1) * 8
	if w.proto == protoAH {
		size = (int(b[1]) + 2) * 4
	}
	if size > len(b) {
		if size > len(b)+w.cut {
			return BadIPv6
		}
		return TruncatedIPv6
	}
	if w.proto == protoRouting {
		w.ip.dst = routed(b[:size], w.ip.dst)
	}
	w.data = b[size:]
	return w.protocol(b[0], v6)
}

// routed returns the final destination of a routing header with segments left:
// the last address of types 0 (RFC 2460) and 2 (RFC 6275), the first of a
// segment routing header (RFC 8754), which lists them backwards.
func routed(b, dst []byte) []byte {
	const sourceRoute, homeAddress, segmentRouting = 0, 2, 4
	addresses := b[8:]
	if b[3] == 0 || len(addresses) < 16 {
		return dst
	}
	switch b[2] {
	case sourceRoute, homeAddress:
		last := len(addresses) / 16 * 16
		return addresses[last-16 : last]
	case segmentRouting:
		return addresses[:16]
	}
	return dst
}

// fragmentHeader reads the header of RFC 8200 section 4.5. An atomic fragment
// is whole, and is never joined to others of its identification (RFC 6946).
func (w *walk) fragmentHeader() Verdict {
	b := w.data
	field := binary.BigEndian.Uint16(b[2:])
	w.data = b[8:]
	if field&^6 == 0 {
		return w.protocol(b[0], true)
	}
	w.next = headerFragment
	id := binary.BigEndian.Uint32(b[4:])
	w.frag = fragmentField{id: id, proto: b[0], offset: int(field &^ 7), more: field&1 != 0, v6: true}
	return goOn
}

// fragment passes a fragment to the defragmenter, and continues in the datagram
// that it completes.
func (d *Decoder) fragment(w *walk, t time.Time) Verdict {
	if d.frags == nil { // Filter: no state
		if w.frag.offset == 0 && w.protocol(w.frag.proto, w.frag.v6) != goOn {
			return NotTCP
		}
		return Fragment
	}
	f := &w.frag
	x := &piece{id: f.id, offset: f.offset, proto: f.proto, more: f.more, df: f.df, v6: f.v6}
	x.at, x.body, x.ip, x.path = t.UnixNano(), w.data, w.ip, w.path
	x.bad = w.cut > 0
	if w.ip.header != nil && !d.IgnoreChecksums {
		good, offload := checkIPv4(w.ip.header)
		x.bad = x.bad || !good && !offload
		x.ip.offload = !good && offload
	}
	x.reason = goOn
	if x.offset == 0 {
		x.reason = d.useless(w, x)
	}
	v := d.frags.add(x)
	if v != goOn {
		return v
	}
	whole := &d.frags.whole
	w.data, w.cut, w.ip, w.joined = whole.data, 0, whole.ip, true
	return w.protocol(whole.proto, x.v6)
}

// useless returns why a datagram cannot hold TCP of the ports, judged by its first
// fragment; goOn if it can.
func (d *Decoder) useless(w *walk, x *piece) Verdict {
	switch b := x.body; {
	case x.proto == protoTCP && len(b) >= 4 && !d.watched(b):
		return OtherPort
	case x.proto == protoUDP && len(b) >= 4 && d.tunnelOf(b) == headerNone:
		return w.unreadPort(b)
	}
	return w.protocol(x.proto, x.v6)
}
