package smtp

import (
	"bytes"
	"net/netip"
	"strconv"
)

// clientAttributes is what an XCLIENT or XFORWARD command says of a client, as Postfix reads it: "ADDR=203.0.113.7
// PORT=40000", values in xtext (RFC 3461 section 4), an IPv6 address with "IPV6:" before it, [UNAVAILABLE] and
// [TEMPUNAVAIL] for what is not known.
type clientAttributes struct {
	address, port bool       // whether these are in it
	ip            netip.Addr // zero: not known
	number        uint16
}

// parseClientAttributes reads the arguments of XCLIENT or XFORWARD. What it cannot read is not known.
func parseClientAttributes(b []byte) clientAttributes {
	var a clientAttributes
	for {
		var word []byte
		if word, b = cutWord(b); len(word) == 0 {
			return a
		}
		name, value, ok := bytes.Cut(word, []byte("="))
		if !ok || len(value) > 3*maxAttribute {
			continue
		}
		switch {
		case bytes.EqualFold(name, []byte("ADDR")):
			a.address, a.ip = true, clientAddress(unescape(value, true, false))
		case bytes.EqualFold(name, []byte("PORT")):
			port, err := strconv.ParseUint(string(unescape(value, true, false)), 10, 16)
			if a.port, a.number = true, uint16(port); err != nil {
				a.number = 0
			}
		}
	}
}

// clientSize is what clientAttributes take of memory.
const clientSize = 48

// maxAttribute is longer than any address or port.
const maxAttribute = 64

func clientAddress(b []byte) netip.Addr {
	const ipv6 = "IPV6:"
	if len(b) > len(ipv6) && bytes.EqualFold(b[:len(ipv6)], []byte(ipv6)) {
		b = b[len(ipv6):]
	}
	ip, err := netip.ParseAddr(string(b))
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}
	}
	return ip.Unmap()
}

// update is the origin after the command that a came with. An attribute that is not in it stays as it was; who is at no
// address has no port.
func (a clientAttributes) update(o origin, by OriginBy) origin {
	if !a.address && !a.port {
		return o
	}
	if a.address {
		o.ip = a.ip
	}
	if a.port {
		o.port = a.number
	}
	o.by = by
	return o
}
