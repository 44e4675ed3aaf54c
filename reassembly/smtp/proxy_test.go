package smtp

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

func named(ip string, port uint16) origin {
	return origin{ip: netip.MustParseAddr(ip), port: port, by: ByProxy}
}

func TestProxyLine_OfVersion1(t *testing.T) {
	long := "PROXY UNKNOWN " + strings.Repeat("f", maxProxyLine-len("PROXY UNKNOWN \r\n"))
	for _, c := range []struct {
		line string
		want origin
		ok   bool
	}{
		{"PROXY TCP4 203.0.113.7 198.51.100.25 55555 25", named("203.0.113.7", 55555), true},
		{"PROXY TCP6 2001:db8::7 2001:db8::25 55555 25", named("2001:db8::7", 55555), true},
		{"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:198.51.100.25 1 25", named("203.0.113.7", 1), true},
		{"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", named("255.255.255.255", 65535), true},
		{"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535",
			named("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535), true},
		{"PROXY UNKNOWN", origin{}, true},
		{"PROXY UNKNOWN ffff:: ffff:: 65535 65535", origin{}, true},
		{long, origin{}, true},
		{long + "f", origin{}, false},
		{"PROXY TCP4 203.0.113.7 198.51.100.25 55555", origin{}, false},
		{"PROXY TCP4 203.0.113.7 198.51.100.25 55555 25 9", origin{}, false},
		{"PROXY TCP4 203.0.113.7 198.51.100.25 65536 25", origin{}, false},
		{"PROXY TCP4 203.0.113.7 198.51.100.25 -1 25", origin{}, false},
		{"PROXY TCP4 2001:db8::7 2001:db8::25 55555 25", origin{}, false},
		{"PROXY TCP6 203.0.113.7 198.51.100.25 55555 25", origin{}, false},
		{"PROXY TCP6 fe80::1%eth0 fe80::2 55555 25", origin{}, false},
		{"PROXY TCP4  203.0.113.7 198.51.100.25 55555 25", origin{}, false},
		{"proxy TCP4 203.0.113.7 198.51.100.25 55555 25", origin{}, false},
		{"PROXY UNKNOWNX", origin{}, false},
		{"PROXY ", origin{}, false},
		{"PROXY", origin{}, false},
		{"", origin{}, false},
	} {
		if got, ok := proxyLine([]byte(c.line)); got != c.want || ok != c.ok {
			t.Errorf("%q gives %v %v, want %v %v", c.line, got, ok, c.want, c.ok)
		}
	}
}

// binaryHeader makes a header of version 2.
func binaryHeader(command, family byte, rest string) string {
	return proxySignature + string([]byte{command, family}) +
		string(binary.BigEndian.AppendUint16(nil, uint16(len(rest)))) + rest
}

const (
	addresses4 = "\xcb\x00\x71\x07\xc6\x33\x64\x19\xd9\x03\x00\x19"
	addresses6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xd9\x03\x00\x19"
	tlvs       = "\x03\x00\x04\r\n\r\n\x20\x00\x17\r\nMAIL FROM:<x@x.test>\r"
)

var binaryHeaders = []struct {
	name, header string
	want         origin
	ok           bool
}{
	{"TCP over IPv4", binaryHeader(0x21, 0x11, addresses4), named("203.0.113.7", 55555), true},
	{"with TLVs", binaryHeader(0x21, 0x11, addresses4+tlvs), named("203.0.113.7", 55555), true},
	{"TCP over IPv6", binaryHeader(0x21, 0x21, addresses6+tlvs), named("2001:db8::7", 55555), true},
	{"IPv4 in IPv6", binaryHeader(0x21, 0x21, strings.Repeat("\x00", 10)+"\xff\xff\xcb\x00\x71\x07"+addresses6[16:]),
		named("203.0.113.7", 55555), true},
	{"LOCAL", binaryHeader(0x20, 0x00, ""), origin{}, true},
	{"LOCAL with addresses", binaryHeader(0x20, 0x11, addresses4), origin{}, true},
	{"UNSPEC", binaryHeader(0x21, 0x00, tlvs), origin{}, true},
	{"UDP", binaryHeader(0x21, 0x12, addresses4), origin{}, true},
	{"UNIX", binaryHeader(0x21, 0x31, strings.Repeat("/var/run/x", 20)+strings.Repeat("\x00", 16)), origin{}, true},
	{"an unknown family", binaryHeader(0x21, 0x41, addresses4), origin{}, true},
	{"too short for its addresses", binaryHeader(0x21, 0x11, addresses4[:11]), origin{}, true},
	{"too short for its addresses, IPv6", binaryHeader(0x21, 0x21, addresses6[:35]), origin{}, true},
	{"the longest", binaryHeader(0x21, 0x11, addresses4+strings.Repeat("\r\nDATA\r\n", 8190)+"\r\n."),
		named("203.0.113.7", 55555), true},
	{"version 1 in it", binaryHeader(0x11, 0x11, addresses4), origin{}, false},
	{"version 3", binaryHeader(0x31, 0x11, addresses4), origin{}, false},
	{"an unknown command", binaryHeader(0x22, 0x11, addresses4), origin{}, false},
	{"an empty line", "\r\nEHLO client.example\r\n", origin{}, false},
	{"QUIT", "\r\n\r\n\x00\r\nQUIT\r\n", origin{}, false},
	{"EHLO", "EHLO client.example\r\n", origin{}, false},
}

// readBinary gives a header to the parser in pieces of size octets, 0 in one piece with commands after it.
func readBinary(t *testing.T, header string, size int) (origin, bool) {
	var p proxyBinary
	rest := header
	if size == 0 {
		rest, size = header+"EHLO client.example\r\n", 1<<20
	}
	for n := 0; ; {
		piece := rest[n:min(n+size, len(rest))]
		k, result := p.read([]byte(piece))
		if n += k; k == 0 || k > len(piece) {
			t.Fatalf("%d octets of %d were read", k, len(piece))
		}
		switch {
		case result == proxyWhole:
			if n != len(header) {
				t.Fatalf("%d octets of %d belong to the header", n, len(header))
			}
			return p.origin(), true
		case result == proxyNoSuch:
			if string(p.replay()) != rest[:n] {
				t.Fatalf("%q is to be read again, want %q", p.replay(), rest[:n])
			}
			return origin{}, false
		case n == len(rest):
			t.Fatal("the header goes on")
		}
	}
}

func TestProxyBinary_OfVersion2(t *testing.T) {
	for _, c := range binaryHeaders {
		for _, size := range []int{0, 1, 7, 16, 60_000} {
			if got, ok := readBinary(t, c.header, size); got != c.want || ok != c.ok {
				t.Errorf("%s in pieces of %d gives %v %v, want %v %v", c.name, size, got, ok, c.want, c.ok)
			}
		}
	}
}

// Octets that were missed after the fixed part belong to the header, and name nobody if they hold the addresses.
func TestProxyBinary_WithAHole(t *testing.T) {
	header := binaryHeader(0x21, 0x11, addresses4+tlvs)
	for from := range len(header) {
		for to := from + 1; to <= len(header); to++ {
			var p proxyBinary
			_, _ = p.read([]byte(header[:from]))
			n, result := p.lose(int64(to - from))
			switch {
			case from < proxyFixed:
				if n != 0 || result != proxyNoSuch || string(p.replay()) != header[:from] {
					t.Fatalf("%d to %d missed: %d passed over, result %d", from, to, n, result)
				}
				continue
			case n != int64(to-from):
				t.Fatalf("%d to %d missed: %d passed over", from, to, n)
			case to < len(header):
				if n, result := p.read([]byte(header[to:] + "EHLO")); n != len(header)-to || result != proxyWhole {
					t.Fatalf("%d to %d missed: %d read after the hole, result %d", from, to, n, result)
				}
			case result != proxyWhole:
				t.Fatalf("%d to %d missed: the header is not whole", from, to)
			}
			var want origin
			if from >= proxyFixed+proxyIPv4 {
				want = named("203.0.113.7", 55555)
			}
			if got := p.origin(); got != want {
				t.Fatalf("%d to %d missed: %v, want %v", from, to, got, want)
			}
		}
	}
}

// wantBinary reads a whole header as its specification has it, section 2.2.
func wantBinary(b []byte) (o origin, n int, result proxyResult) {
	for i := range min(len(b), len(proxySignature)) {
		if b[i] != proxySignature[i] {
			return origin{}, i + 1, proxyNoSuch
		}
	}
	switch {
	case len(b) > 12 && b[12] != 0x20 && b[12] != 0x21:
		return origin{}, 13, proxyNoSuch
	case len(b) < 16 || len(b) < 16+int(b[14])<<8+int(b[15]):
		return origin{}, len(b), proxyMore
	}
	n = 16 + int(b[14])<<8 + int(b[15])
	switch rest := b[16:n]; {
	case b[12] == 0x21 && b[13] == 0x11 && len(rest) >= 12:
		o = origin{ip: netip.AddrFrom4([4]byte(rest)), port: uint16(rest[8])<<8 + uint16(rest[9]), by: ByProxy}
	case b[12] == 0x21 && b[13] == 0x21 && len(rest) >= 36:
		o = origin{ip: netip.AddrFrom16([16]byte(rest)).Unmap(), port: uint16(rest[32])<<8 + uint16(rest[33]),
			by: ByProxy}
	}
	return o, n, proxyWhole
}

// FuzzProxyBinary reads its input in two pieces as a header of version 2, and compares with wantBinary.
func FuzzProxyBinary(f *testing.F) {
	for _, c := range binaryHeaders {
		f.Add([]byte(c.header), uint16(3))
		f.Add([]byte(c.header+"EHLO client.example\r\n"), uint16(20))
	}
	f.Fuzz(func(t *testing.T, input []byte, cut uint16) {
		want, wantN, wantResult := wantBinary(input)
		var p proxyBinary
		at := min(int(cut), len(input))
		n, result := p.read(input[:at])
		if result == proxyMore && n != at {
			t.Fatalf("%d of %d octets read", n, at)
		}
		if result == proxyMore {
			var k int
			k, result = p.read(input[at:])
			n += k
		}
		if n != wantN || result != wantResult || result == proxyWhole && p.origin() != want {
			t.Fatalf("%d octets, result %d, %v; want %d, %d, %v", n, result, p.origin(), wantN, wantResult, want)
		}
	})
}

// FuzzProxyLine: only what begins with PROXY, and is no longer than a header of version 1 may be, is one.
func FuzzProxyLine(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 198.51.100.25 55555 25"))
	f.Add([]byte("PROXY UNKNOWN ffff::"))
	f.Fuzz(func(t *testing.T, line []byte) {
		o, ok := proxyLine(line)
		switch {
		case ok && (!strings.HasPrefix(string(line), "PROXY ") || len(line) > maxProxyLine-2), !ok && o != origin{}:
			t.Fatalf("%q gives %v %v", line, o, ok)
		case o.ip.IsValid() != (o.by == ByProxy), o.ip.Zone() != "" || o.ip.Is4In6():
			t.Fatalf("%q gives %v", line, o)
		}
	})
}

func TestClientAttributes_OfPostfix(t *testing.T) {
	for _, c := range []struct {
		arguments string
		want      clientAttributes
	}{
		{"NAME=client.example ADDR=203.0.113.7",
			clientAttributes{address: true, ip: netip.MustParseAddr("203.0.113.7")}},
		{"addr=203.0.113.7 port=40000", clientAttributes{true, true, netip.MustParseAddr("203.0.113.7"), 40000}},
		{"ADDR=IPV6:2001:db8::7 PORT=1", clientAttributes{true, true, netip.MustParseAddr("2001:db8::7"), 1}},
		{"ADDR=ipv6:2001:DB8::7", clientAttributes{address: true, ip: netip.MustParseAddr("2001:db8::7")}},
		{"ADDR=2001:db8::7", clientAttributes{address: true, ip: netip.MustParseAddr("2001:db8::7")}},
		{"ADDR=IPV6:::ffff:203.0.113.7", clientAttributes{address: true, ip: netip.MustParseAddr("203.0.113.7")}},
		{"ADDR=+3203.0.113.7 PORT=4+3000", clientAttributes{true, true, netip.MustParseAddr("203.0.113.7"), 4000}},
		{"ADDR=2+303.0.113.7 PORT=4+30", clientAttributes{true, true, netip.MustParseAddr("203.0.113.7"), 40}},
		{"ADDR=[UNAVAILABLE] PORT=[TEMPUNAVAIL]", clientAttributes{address: true, port: true}},
		{"ADDR=[tempunavail]", clientAttributes{address: true}},
		{"ADDR= PORT=", clientAttributes{address: true, port: true}},
		{"ADDR=client.example PORT=65536", clientAttributes{address: true, port: true}},
		{"ADDR=fe80::1%eth0", clientAttributes{address: true}},
		{"ADDR=" + strings.Repeat("+31", 100), clientAttributes{}},
		{"NAME=x HELO=ADDR=203.0.113.7 ADDRESS=203.0.113.7", clientAttributes{}},
		{"ADDR", clientAttributes{}},
		{"", clientAttributes{}},
	} {
		if got := parseClientAttributes([]byte(c.arguments)); got != c.want {
			t.Errorf("%q gives %v, want %v", c.arguments, got, c.want)
		}
	}
}

func TestClientAttributes_LeaveWhatTheyDoNotName(t *testing.T) {
	o := named("203.0.113.7", 55555)
	for _, c := range []struct {
		arguments string
		want      origin
	}{
		{"NAME=client.example HELO=client.example", o},
		{"PORT=1", origin{ip: o.ip, port: 1, by: ByXCLIENT}},
		{"ADDR=192.0.2.9", origin{ip: netip.MustParseAddr("192.0.2.9"), port: 55555, by: ByXCLIENT}},
		{"ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE]", origin{by: ByXCLIENT}},
	} {
		if got := parseClientAttributes([]byte(c.arguments)).update(o, ByXCLIENT); got != c.want {
			t.Errorf("%q gives %v, want %v", c.arguments, got, c.want)
		}
	}
}

// FuzzClientAttributes: whatever is claimed, the address is one of IPv4 or IPv6 without a zone, or none.
func FuzzClientAttributes(f *testing.F) {
	f.Add([]byte("NAME=x ADDR=IPV6:2001:db8::7 PORT=40000"))
	f.Add([]byte("ADDR=2+303.0.113.7 PORT=[UNAVAILABLE]"))
	f.Fuzz(func(t *testing.T, arguments []byte) {
		a := parseClientAttributes(arguments)
		if a.ip.Zone() != "" || a.ip.Is4In6() || a.ip.IsValid() && !a.address || a.number != 0 && !a.port {
			t.Fatalf("%q gives %v", arguments, a)
		}
	})
}
