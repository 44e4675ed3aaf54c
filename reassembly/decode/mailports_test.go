package decode

import (
	"maps"
	"testing"

	"tap25/reassembly/decode/decodetest"
)

func TestDecoder_CountsSessionsOfMailPortsThatAreNotWatched(t *testing.T) {
	d := New([]uint16{26})
	const clientHello = "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"
	for _, s := range []struct{ src, dst, payload string }{
		{"192.0.2.25:587", "192.0.2.1:40000", "220 mx.example ESMTP\r\n"},
		{"192.0.2.1:40000", "192.0.2.25:587", "EHLO c\r\n"},
		{"192.0.2.25:587", "192.0.2.1:40001", "220-mx.example\r\n"},
		{"192.0.2.1:40001", "192.0.2.25:587", "HELO c\r\n"},
		{"[2001:db8::25]:25", "[2001:db8::1]:40000", "220 mx\r\n"},
		{"192.0.2.1:40000", "192.0.2.25:24", "LHLO c\r\n"},
		{"192.0.2.1:40000", "192.0.2.25:465", clientHello}, {"192.0.2.25:465", "192.0.2.1:40000", clientHello},
		{"192.0.2.25:465", "192.0.2.1:40001", "220 mx.example ESMTP\r\n"},
		{"192.0.2.1:40001", "192.0.2.25:465", "EHLO c\r\n"},
		// What is no beginning, or of no such port, or watched.
		{"192.0.2.1:40000", "192.0.2.25:2525", "GET / HTTP/1.1\r\n"},
		{"192.0.2.25:2525", "192.0.2.1:40000", "2201\r\n\r\n"},
		{"192.0.2.1:40000", "192.0.2.25:2525", "EHLO"}, {"192.0.2.1:40000", "192.0.2.25:2525", ""},
		{"192.0.2.1:40000", "192.0.2.25:80", "EHLO c\r\n"},
		{"192.0.2.1:587", "192.0.2.25:26", "EHLO c\r\n"},
	} {
		frame := decodetest.Segment{Src: s.src, Dst: s.dst, Flags: ACK, Payload: []byte(s.payload)}.IP(t).Data
		for size := range len(frame) + 1 { // cut, a frame may show no more that it is a beginning
			if size == len(frame) || size < 45 {
				var p Packet
				d.Decode(decodetest.Epoch, decodetest.LinkRaw, frame[:size], len(frame), &p)
			}
		}
	}
	seen := d.Elsewhere()
	want := map[uint16]int64{587: 2, 25: 1, 24: 1, 465: 1}
	if got := maps.Collect(seen.All()); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if seen.ClientHellos != 1 {
		t.Errorf("%d sessions begin with TLS, want 1", seen.ClientHellos)
	}
}
