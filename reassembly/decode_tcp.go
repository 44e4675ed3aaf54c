package reassembly

import (
	"encoding/binary"
	"net/netip"
)

// watched tells whether one of the two ports at the front of b is in the set.
func (d *decoder) watched(b []byte) bool {
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	for _, p := range d.ports {
		if p == src || p == dst {
			return true
		}
	}
	return false
}

// tcp reads the header of RFC 9293 section 3.1. Options are
// passed over, but for the window scale. From
// the ports on, p.src is valid, whatever the verdict.
func (d *decoder) tcp(w *walk, p *packet) verdict {
	b := w.data
	*p = packet{}
	if len(b) < 4 {
		return truncatedTCP
	}
	if !d.watched(b) {
		return otherPort
	}
	p.src = netip.AddrPortFrom(address(w.ip.src), binary.BigEndian.Uint16(b))
	p.dst = netip.AddrPortFrom(address(w.ip.dst), binary.BigEndian.Uint16(b[2:]))
	if len(b) < 20 {
		return truncatedTCP
	}
	size := int(b[12]>>4) * 4
	if size < 20 || size > len(b)+w.cut {
		return badTCP
	}
	p.seq, p.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.flags = b[13] & (tcpFIN | tcpSYN | tcpRST | tcpPSH | tcpACK | tcpURG)
	p.window, p.urgent = binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[18:])
	p.ttl, p.conflict = w.ip.ttl, w.ip.conflict
	if p.flags&tcpSYN != 0 {
		p.scaling = scaling(b[20:min(size, len(b))], size > len(b))
	}
	p.payload = b[min(size, len(b)):]
	p.missing = len(b) + w.cut - size - len(p.payload)
	if !d.ignoreChecksums {
		w.verify(p)
	}
	return tcpPort
}

// verify checks what can be checked of the segment and its IPv4 header. The
// headers of tunnels around them are not the sender's and do not matter.
func (w *walk) verify(p *packet) {
	good, offload := true, false
	if w.cut == 0 {
		good, offload = checkTCP(w.ip.src, w.ip.dst, w.data)
	}
	p.checksumBad = !good
	p.checksumOffload = offload
	good, offload = !w.ip.offload, w.ip.offload
	if w.ip.header != nil {
		good, offload = checkIPv4(w.ip.header)
	}
	if !good {
		p.checksumOffload = offload && (!p.checksumBad || p.checksumOffload)
		p.checksumBad = true
	}
}
