package decode

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDecode_SyntheticCaptures: each of these holds one mail in an encapsulation,
// and nothing but its SMTP connection.
func TestDecode_SyntheticCaptures(t *testing.T) {
	for _, name := range []string{"25-qinq-88a8", "27-mpls-2labels", "29-erspan-II", "31-ip-in-ip", "33-ipv6-hopbyhop",
		"35-ipv4-fragments"} {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("..", "..", "testdata", "synthetic", name+".pcap"))
			if err != nil {
				t.Fatal(err)
			}
			// A pcap file: 24 octets, the last 4 the link type; before each packet
			// seconds, microseconds, octets captured, octets on the wire.
			le := binary.LittleEndian
			if le.Uint32(file) != 0xa1b2c3d4 {
				t.Fatal("not a little-endian pcap file")
			}
			link := uint16(le.Uint32(file[20:]))
			d, streams, frames, segments := New(nil), map[uint16][]byte{}, 0, 0
			for rest := file[24:]; len(rest) > 0; {
				at := time.Unix(int64(le.Uint32(rest)), int64(le.Uint32(rest[4:]))*1000)
				size, wire := int(le.Uint32(rest[8:])), int(le.Uint32(rest[12:]))
				data := rest[16 : 16+size]
				rest = rest[16+size:]
				frames++
				var p Packet
				switch v := d.Decode(at, link, data, wire, &p); {
				case v == TCPPort && (p.ChecksumBad || p.Missing > 0 || p.Conflict):
					t.Errorf("frame %d: bad %v, missing %d, conflict %v", frames, p.ChecksumBad, p.Missing, p.Conflict)
				case v == TCPPort:
					segments++
					streams[p.DstPort] = append(streams[p.DstPort], p.Payload...)
				case v != Fragment:
					t.Errorf("frame %d: %v", frames, v)
				}
			}
			for _, want := range []string{"MAIL FROM:", "RCPT TO:", "DATA\r\n", "\r\n.\r\n"} {
				if !bytes.Contains(streams[DefaultPort], []byte(want)) {
					t.Errorf("%d octets to the server without %q", len(streams[DefaultPort]), want)
				}
			}
			_, s := d.Stats()
			if s.In != s.Reassembled || int64(frames) != int64(segments)+s.In-s.Datagrams {
				t.Errorf("%d frames, %d segments, %+v", frames, segments, s)
			}
		})
	}
}
