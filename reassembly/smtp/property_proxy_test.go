package smtp_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"tap25/reassembly/smtp"
)

// drawProxyHeader draws a header of the PROXY protocol of either version, and whom it names.
func drawProxyHeader(t *rapid.T) (header string, ip netip.Addr, port uint16) {
	v4, v6 := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")
	port = uint16(rapid.IntRange(1, 65535).Draw(t, "port"))
	rest := strings.Repeat("\r\nMAIL FROM:<tlv@evil.example>\r\n.\r\n", rapid.IntRange(0, 40).Draw(t, "TLVs"))
	binaryHeader := func(command, family byte, rest string) string {
		head := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
		return string(binary.BigEndian.AppendUint16(head, uint16(len(rest)))) + rest
	}
	ports := string(binary.BigEndian.AppendUint16(nil, port)) + "\x00\x19"
	switch rapid.IntRange(0, 5).Draw(t, "header") {
	case 0:
		return "PROXY TCP4 " + v4.String() + " 198.51.100.25 " + text16(port) + " 25\r\n", v4, port
	case 1:
		return "PROXY TCP6 " + v6.String() + " 2001:db8::25 " + text16(port) + " 25\r\n", v6, port
	case 2:
		return "PROXY UNKNOWN\r\n", netip.Addr{}, 0
	case 3:
		return binaryHeader(0x21, 0x11, string(v4.AsSlice())+"\xc6\x33\x64\x19"+ports+rest), v4, port
	case 4:
		return binaryHeader(0x21, 0x21, string(v6.AsSlice())+strings.Repeat("\x25", 16)+ports+rest), v6, port
	}
	return binaryHeader(0x20, 0x00, rest), netip.Addr{}, 0
}

func text16(n uint16) string {
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

// putBefore puts a header before what the client sends: in a segment of its own, or in the client's first. The server's
// greeting comes before it has received that, or after.
func putBefore(t *rapid.T, header string, events []event) []event {
	n, apart := int64(len(header)), rapid.Bool().Draw(t, "header apart")
	after := rapid.Bool().Draw(t, "greeting after the header")
	var all []event
	if apart {
		all = append(all, event{dir: smtp.FromClient, t: epoch, data: []byte(header)})
	}
	for _, e := range events {
		switch {
		case e.dir == smtp.FromServer && (e.acked > 0 || after):
			e.acked += n
		case e.dir == smtp.FromClient && !apart:
			e.data = append([]byte(header), e.data...)
			apart = true
		}
		all = append(all, e)
	}
	return all
}

// A header of the PROXY protocol changes no row but for the client that it names.
func TestProperty_ProxyHeaderChangesNoRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session, ended := drawSession(t, false)
		s := transmit(t, session, false)
		s.ended = ended
		header, ip, port := drawProxyHeader(t)
		plain := s.run(s.events)
		rows := s.run(shuffle(t, chop(t, putBefore(t, header, s.events))))
		if len(rows) != len(plain) {
			t.Fatalf("%d rows, %d without the header", len(rows), len(plain))
		}
		for i, e := range rows {
			if e.OriginIP != ip || e.OriginPort != port || (e.OriginBy == smtp.ByProxy) != ip.IsValid() {
				t.Fatalf("row %d names %v:%d by %v, want %v:%d", i+1, e.OriginIP, e.OriginPort, e.OriginBy, ip, port)
			}
			e.OriginIP, e.OriginPort, e.OriginBy = netip.Addr{}, 0, smtp.ByNobody
			e.Flags &^= smtp.Smuggling // which depends on the order of the capture
			plain[i].Flags &^= smtp.Smuggling
			if got, want := show(rowMap(e)), show(rowMap(plain[i])); got != want {
				t.Fatalf("row %d:\ngot  %s\nwant %s", i+1, got, want)
			}
		}
	})
}
