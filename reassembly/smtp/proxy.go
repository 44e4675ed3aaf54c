package smtp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// origin is the client that somebody else than the tap names: a claim of the peer.
type origin struct {
	ip   netip.Addr // zero: not known
	port uint16
	by   OriginBy
}

// maxProxyLine is the longest header of PROXY protocol version 1, with its CRLF, by its specification.
const maxProxyLine = 107

// proxyLine reads a header of PROXY protocol version 1 without its line end, such as "PROXY TCP4 203.0.113.7
// 198.51.100.25 55555 25". What follows UNKNOWN is to be ignored.
func proxyLine(line []byte) (o origin, ok bool) {
	if len(line) > maxProxyLine-len("\r\n") {
		return origin{}, false
	}
	words := bytes.Split(line, []byte(" "))
	if len(words) < 2 || string(words[0]) != "PROXY" {
		return origin{}, false
	}
	kind := string(words[1])
	if kind == "UNKNOWN" {
		return origin{}, true
	}
	if kind != "TCP4" && kind != "TCP6" || len(words) != 6 {
		return origin{}, false
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		ip, err := netip.ParseAddr(string(words[2+i]))
		port, portErr := strconv.ParseUint(string(words[4+i]), 10, 16)
		if err != nil || portErr != nil || ip.Is4() != (kind == "TCP4") || ip.Zone() != "" {
			return origin{}, false
		}
		ends[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return origin{ip: ends[0].Addr(), port: ends[0].Port(), by: ByProxy}, true
}

// proxySignature begins a header of PROXY protocol version 2. A line end and QUIT are in it, so that a server of SMTP
// that does not know the protocol hangs up.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

const (
	proxyFixed = len(proxySignature) + 4 // version and command, family and transport, length of what follows
	proxyIPv4  = 2*4 + 2*2               // addresses and ports, source first
	proxyIPv6  = 2*16 + 2*2
)

// proxyBinary reads a header of PROXY protocol version 2, in pieces of any size, and keeps no more of it than the fixed
// part and two addresses. After these there may be 64 KiB of TLVs, which are counted and not kept.
type proxyBinary struct {
	head [proxyFixed + proxyIPv6]byte
	n    int // octets of head that were read
	left int // octets after the fixed part that are still to come
	torn bool
}

// proxyResult is what a piece was.
type proxyResult uint8

const (
	proxyMore   proxyResult = iota // the header goes on
	proxyWhole                     // it is whole
	proxyNoSuch                    // this is none: what was read is in replay
)

// read reads the head of data and returns how much of it belongs to the header.
func (p *proxyBinary) read(data []byte) (n int, result proxyResult) {
	for n < len(data) && p.n < proxyFixed {
		p.head[p.n] = data[n]
		p.n++
		n++
		switch at := p.n - 1; {
		case at < len(proxySignature) && p.head[at] != proxySignature[at],
			at == len(proxySignature) && (p.head[at]>>4 != 2 || p.head[at]&15 > 1):
			return n, proxyNoSuch
		case p.n == proxyFixed:
			p.left = int(binary.BigEndian.Uint16(p.head[proxyFixed-2:]))
		}
	}
	if p.n < proxyFixed {
		return n, proxyMore
	}
	more := min(len(data)-n, p.left)
	if !p.torn {
		p.n += copy(p.head[p.n:], data[n:n+more])
	}
	if p.left -= more; p.left > 0 {
		return n + more, proxyMore
	}
	return n + more, proxyWhole
}

// lose passes over octets of the header that were missed, and returns how many of lost these are. Before its length is
// known it passes over none.
func (p *proxyBinary) lose(lost int64) (n int64, result proxyResult) {
	if p.n < proxyFixed {
		return 0, proxyNoSuch
	}
	n = min(lost, int64(p.left))
	p.left -= int(n)
	p.torn = p.torn || p.n < len(p.head)
	if p.left > 0 {
		return n, proxyMore
	}
	return n, proxyWhole
}

// tornAddress reports whether octets of the address were missed, or may have been.
func (p *proxyBinary) tornAddress() bool {
	want := map[byte]int{0x11: proxyIPv4, 0x21: proxyIPv6}[p.head[len(proxySignature)+1]]
	return p.torn && p.n < proxyFixed+want
}

// replay is what was read of what turned out to be no header.
func (p *proxyBinary) replay() []byte { return p.head[:p.n] }

// origin is what a whole header says. A connection that the proxy made for itself (LOCAL), one that is no TCP over IP,
// and addresses of which octets were missed name nobody.
func (p *proxyBinary) origin() origin {
	const command, family = len(proxySignature), len(proxySignature) + 1
	addresses := p.head[proxyFixed:p.n]
	if p.head[command]&15 != 1 {
		return origin{}
	}
	switch {
	case p.head[family] == 0x11 && len(addresses) >= proxyIPv4:
		ip, _ := netip.AddrFromSlice(addresses[:4])
		return origin{ip: ip, port: binary.BigEndian.Uint16(addresses[8:]), by: ByProxy}
	case p.head[family] == 0x21 && len(addresses) >= proxyIPv6:
		ip, _ := netip.AddrFromSlice(addresses[:16])
		return origin{ip: ip.Unmap(), port: binary.BigEndian.Uint16(addresses[32:]), by: ByProxy}
	}
	return origin{}
}
