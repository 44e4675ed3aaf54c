// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// conversation gives the frames of one mail with a body of full-size segments.
func conversation(t testing.TB, port uint16, full int) (frames [][]byte) {
	seq := [2]uint32{1000, 2000} // of client and server
	add := func(from int, payload string, flag func(*layers.TCP)) {
		network := &layers.IPv4{Version: 4, TTL: 9, Protocol: 6, SrcIP: net.ParseIP(testSrc),
			DstIP: net.ParseIP(testDst)}
		segment := &layers.TCP{SrcPort: layers.TCPPort(port), DstPort: 25, Seq: seq[from], Ack: seq[1-from], ACK: true,
			Window: 65535}
		if from == 1 {
			network.SrcIP, network.DstIP, segment.SrcPort, segment.DstPort = network.DstIP, network.SrcIP, 25,
				segment.SrcPort
		}
		flag(segment)
		if err := segment.SetNetworkLayerForChecksum(network); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, ethernet(0x0800, serialized(t, network, segment, gopacket.Payload(payload))))
		seq[from] += uint32(len(payload))
		if segment.SYN || segment.FIN {
			seq[from]++
		}
	}
	say := func(from int, payload string) { add(from, payload, func(*layers.TCP) {}) }
	add(0, "", func(s *layers.TCP) { s.SYN, s.ACK = true, false })
	add(1, "", func(s *layers.TCP) { s.SYN = true })
	say(1, "220 mx.example.org ESMTP\r\n")
	for _, dialogue := range [][2]string{
		{"EHLO client.example.org\r\n", "250 mx.example.org\r\n"}, {"MAIL FROM:<a@example.org>\r\n", "250 OK\r\n"},
		{"RCPT TO:<b@example.org>\r\n", "250 OK\r\n"}, {"DATA\r\n", "354 go on\r\n"},
	} {
		say(0, dialogue[0])
		say(1, dialogue[1])
	}
	for range full {
		say(0, strings.Repeat(strings.Repeat("x", 71)+"\r\n", 20))
	}
	say(0, ".\r\n")
	say(1, "250 OK\r\n")
	for from := range 2 {
		add(from, "", func(s *layers.TCP) { s.FIN = true })
	}
	return frames
}

// BenchmarkRing_ToRows gives what one worker takes for a frame, from the ring to the
// rows of its mails: 15 small frames and 200 full-size ones each.
func BenchmarkRing_ToRows(b *testing.B) {
	const mails, full = 60, 200
	f := load(b, Config{RingBytes: 64 << 20})
	var frames [][]byte
	for i := range uint16(mails) {
		frames = append(frames, conversation(b, 40000+i, full)...)
	}
	rounds, rows := 0, 0
	b.ResetTimer()
	for rounds < max(5, b.N/len(frames)) {
		rounds++
		b.StopTimer()
		assembler := reassembly.New(reassembly.Config{Emit: func(*smtp.Envelope) { rows++ }})
		for _, frame := range frames {
			run(b, f, frame)
		}
		var got Frame
		b.StartTimer()
		for f.Ring(0).Next(&got) {
			assembler.Frame(time.Unix(0, int64(got.Nanos)), linkEthernet, got.Data, got.Length)
		}
		assembler.Close()
	}
	n := float64(rounds * len(frames))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/frame")
	b.ReportMetric(n/b.Elapsed().Seconds(), "frames/s")
	b.ReportMetric(0, "ns/op")
	if rows != rounds*mails {
		b.Errorf("%d rows of %d mails", rows, rounds*mails)
	}
}
