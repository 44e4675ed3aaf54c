package decode

import "encoding/binary"

// watched reports whether one of the two ports at the front of b is in the set.
func (d *Decoder) watched(b []byte) bool {
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	for _, p := range d.ports {
		if p == src || p == dst {
			return true
		}
	}
	return false
}

// tcp reads the header of RFC 9293 section 3.1. Of the options only the window
// scale is read. Once the ports are known to be watched, p.Flow is set, whatever
// the verdict: Filter relies on it.
func (d *Decoder) tcp(w *walk, p *Packet) Verdict {
	b := w.data
	*p = Packet{}
	if len(b) < 4 {
		return TruncatedTCP
	}
	if !d.watched(b) {
		d.elsewhere.note(b)
		return OtherPort
	}
	p.Flow = Flow{addressOf(w.ip.src), addressOf(w.ip.dst), binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
	if len(b) < 20 {
		return TruncatedTCP
	}
	size := int(b[12]>>4) * 4
	if size < 20 || size > len(b)+w.cut {
		return BadTCP
	}
	p.header(b, size)
	p.TTL, p.Conflict, p.Joined = w.ip.ttl, w.ip.conflict, w.joined
	if w.path != 0 {
		p.Network, p.Path = w.network, w.path
	}
	p.Missing = len(b) + w.cut - size - len(p.Payload)
	if !d.IgnoreChecksums {
		p.verify(&w.ip, w.data, w.cut > 0)
	}
	return TCPPort
}

// header reads a header of a size, of whose options the snaplen may have cut off some, and what follows it.
func (p *Packet) header(b []byte, size int) {
	p.Seq, p.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.Flags = b[13] & (FIN | SYN | RST | PSH | ACK | URG)
	p.Window, p.Urgent = binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[18:])
	if p.Flags&SYN != 0 {
		p.WindowScale = windowScale(b[20:min(size, len(b))], size > len(b))
	}
	p.Payload = b[min(size, len(b)):]
}

// plain decodes a frame that is Ethernet, IPv4 without options and TCP of a watched port, captured whole. It reports
// whether it is one. If not, the walk decodes it; of one that is, the walk would say the same.
func (d *Decoder) plain(link uint16, frame []byte, p *Packet) bool {
	const ethernet, ipv4, least = 14, 20, 20
	flow, ok := PlainFlow(link, frame)
	if !ok || frame[ethernet]>>4 != 4 || !d.Watches(flow.SrcPort) && !d.Watches(flow.DstPort) {
		return false
	}
	ip := frame[ethernet:]
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if total < ipv4+least || total > len(ip) {
		return false
	}
	b := ip[ipv4:total]
	size := int(b[12]>>4) * 4
	if size < least || size > len(b) {
		return false
	}
	*p = Packet{} // a literal with fields would be copied
	p.Flow, p.TTL = flow, ip[8]
	p.header(b, size)
	if !d.IgnoreChecksums && !plainSums((*[ipv4]byte)(ip), b) {
		p.verify(&ipHeader{src: ip[12:16], dst: ip[16:20], header: ip[:ipv4]}, b, false)
	}
	return true
}

// verify checks the checksums of the segment and of its IPv4 header. A segment that
// the snaplen cut cannot be checked. Headers of tunnels around them are not the
// sender's and are not checked.
func (p *Packet) verify(ip *ipHeader, segment []byte, cut bool) {
	good, offload := true, false
	if !cut {
		good, offload = checkTCP(ip.src, ip.dst, segment)
	}
	p.ChecksumBad = !good
	p.ChecksumOffload = offload
	good, offload = !ip.offload, ip.offload
	if ip.header != nil {
		good, offload = checkIPv4(ip.header)
	}
	if !good {
		p.ChecksumOffload = offload && (!p.ChecksumBad || p.ChecksumOffload)
		p.ChecksumBad = true
	}
}

// MaxShift is the largest shift count of the window scale option (RFC 7323
// section 2.3).
const MaxShift = 14

// windowScale reads the window scale among the options of a SYN: the shift plus
// one, or 0 without it. If the snaplen has cut the options, the shift may be any.
func windowScale(options []byte, cut bool) uint8 {
	const end, noop, scale = 0, 1, 3
	for len(options) > 0 && options[0] != end {
		n := 1
		if options[0] != noop {
			if len(options) < 2 || options[1] < 2 {
				break
			}
			n = int(options[1])
		}
		if options[0] == scale && n == 3 && len(options) >= n {
			return 1 + min(options[2], MaxShift)
		}
		options = options[min(n, len(options)):]
	}
	if cut {
		return 1 + MaxShift
	}
	return 0
}
