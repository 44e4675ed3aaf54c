package decode_test

import (
	"encoding/hex"
	"fmt"
	"time"

	"tap25/reassembly/decode"
)

// A frame is decoded to the TCP segment in it, through its VLAN tag and its IP header.
func ExampleDecoder_Decode() {
	const ethernet = 1 // LINKTYPE_ETHERNET
	frame, err := hex.DecodeString(
		"020000000002" + "020000000001" + "8100" + "0007" + "0800" + // Ethernet, VLAN 7
			"450000410000000040068e60c000020ac6336419" + // IPv4
			"9c410019000003e8000007d05018ffff7f800000" + // TCP
			"4d41494c2046524f4d3a3c6140612e6578616d706c653e0d0a")
	if err != nil {
		panic(err)
	}
	d := decode.New([]uint16{25, 587})
	var p decode.Packet
	received := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if v := d.Decode(received, ethernet, frame, len(frame), &p); v != decode.TCPPort {
		fmt.Println("no segment of a watched port:", v)
		return
	}
	fmt.Println(p.Source(), "->", p.Destination())
	fmt.Printf("sequence number %d, %q\n", p.Seq, p.Payload) // valid until the next call of Decode
	fmt.Println("ACK:", p.Flags&decode.ACK != 0, "bad checksum:", p.ChecksumBad)

	v := d.Decode(received, ethernet, frame[:20], len(frame), &p)
	fmt.Println("cut to 20 octets:", v)
	// Output:
	// 192.0.2.10:40001 -> 198.51.100.25:25
	// sequence number 1000, "MAIL FROM:<a@a.example>\r\n"
	// ACK: true bad checksum: false
	// cut to 20 octets: truncated_ipv4
}
