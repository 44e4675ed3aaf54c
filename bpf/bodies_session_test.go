// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// session makes the frames of a random SMTP session, as a tap sees them. The client writes what it likes; the server
// reads it by RFC 5321 and RFC 3030, and answers.
type session struct {
	t      testing.TB
	r      *rand.Rand
	port   uint16
	six    bool
	tag    int
	seq    [2]uint32
	acked  [2]uint32 // what a side acknowledges
	frames []sent

	input  []byte // of the server, not read yet
	state  string // "", "data", "chunk"
	chunk  int
	answer bytes.Buffer
}

// sent is a frame of the session, with the segment in it.
type sent struct {
	frame   []byte
	from    int
	seq     uint32
	payload []byte
}

func newSession(t testing.TB, r *rand.Rand, port uint16) *session {
	s := &session{t: t, r: r, port: port, six: r.IntN(4) == 0, seq: [2]uint32{r.Uint32(), r.Uint32()}}
	if r.IntN(3) == 0 {
		s.seq[0] = -uint32(r.IntN(20000)) // the numbers wrap in a message
	}
	if r.IntN(4) == 0 {
		s.tag = 1 + r.IntN(4000)
	}
	s.begin()
	return s
}

// begin makes the handshake and the greeting.
func (s *session) begin() {
	s.send(0, nil, func(x *layers.TCP) { x.SYN, x.ACK = true, false })
	s.seq[0]++
	s.acked[1] = s.seq[0]
	s.send(1, nil, func(x *layers.TCP) { x.SYN = true })
	s.seq[1]++
	s.acked[0] = s.seq[1]
	s.reply("220 mx.example ESMTP\r\n")
}

// send makes a frame of a segment at the sender's present number.
func (s *session) send(from int, payload []byte, change ...func(*layers.TCP)) {
	src, dst, v4src, v4dst := testSrc6, testDst6, testSrc, testDst
	x := &layers.TCP{SrcPort: layers.TCPPort(s.port), DstPort: 25, Seq: s.seq[from], Ack: s.acked[from], ACK: true,
		Window: 65535}
	if from == 1 {
		src, dst, v4src, v4dst, x.SrcPort, x.DstPort = dst, src, v4dst, v4src, 25, x.SrcPort
	}
	for _, c := range change {
		c(x)
	}
	var packet []byte
	kind := 0x0800
	if s.six {
		n := &layers.IPv6{Version: 6, NextHeader: 6, HopLimit: 9, SrcIP: netip.MustParseAddr(src).AsSlice(),
			DstIP: netip.MustParseAddr(dst).AsSlice()}
		_ = x.SetNetworkLayerForChecksum(n)
		packet, kind = serialized(s.t, n, x, gopacket.Payload(payload)), 0x86dd
	} else {
		n := &layers.IPv4{Version: 4, TTL: 9, Protocol: 6, SrcIP: netip.MustParseAddr(v4src).AsSlice(),
			DstIP: netip.MustParseAddr(v4dst).AsSlice()}
		_ = x.SetNetworkLayerForChecksum(n)
		packet = serialized(s.t, n, x, gopacket.Payload(payload))
	}
	if s.tag > 0 {
		packet, kind = joined(be16(s.tag), be16(kind), packet), 0x8100
	}
	s.frames = append(s.frames, sent{ethernet(kind, packet), from, x.Seq, bytes.Clone(payload)})
}

func (s *session) reply(text string) {
	s.send(1, []byte(text), func(x *layers.TCP) { x.PSH = true })
	s.seq[1] += uint32(len(text))
}

// hear has the client receive all that the server has said.
func (s *session) hear() { s.acked[0] = s.seq[1] }

// write sends octets of the client in segments, and has the server read them.
func (s *session) write(text string, mss int) {
	for len(text) > 0 {
		n := min(mss, len(text))
		if s.r.IntN(12) == 0 {
			n = 1 + s.r.IntN(n)
		}
		part := []byte(text[:n])
		s.send(0, part, func(x *layers.TCP) { x.PSH = n == len(text) && s.r.IntN(4) > 0 || s.r.IntN(15) == 0 })
		s.seq[0] += uint32(n)
		text = text[n:]
		s.read(part)
		if s.acked[1] != s.seq[0] && s.r.IntN(3) == 0 {
			s.acked[1] = s.seq[0]
			s.send(1, nil)
		}
		if s.r.IntN(3) == 0 {
			s.speak()
		}
	}
	s.acked[1] = s.seq[0]
	s.speak()
}

// speak sends the answers that wait.
func (s *session) speak() {
	if s.answer.Len() > 0 {
		s.reply(s.answer.String())
		s.answer.Reset()
	}
}

// read is the server.
func (s *session) read(part []byte) {
	s.input = append(s.input, part...)
	for {
		switch s.state {
		case "data":
			text := append([]byte("\r\n"), s.input...)
			i := bytes.Index(text, []byte("\r\n.\r\n"))
			if i < 0 {
				return
			}
			s.input, s.state = text[i+5:], ""
			fmt.Fprintf(&s.answer, "250 queued as %d\r\n", s.r.IntN(1e6))
		case "chunk":
			n := min(s.chunk, len(s.input))
			if s.input, s.chunk = s.input[n:], s.chunk-n; s.chunk > 0 {
				return
			}
			s.state = ""
			fmt.Fprintf(&s.answer, "250 %d\r\n", s.r.IntN(1e6))
		default:
			line, rest, ok := bytes.Cut(s.input, []byte("\r\n"))
			if !ok {
				return
			}
			s.input = rest
			s.command(string(line))
		}
	}
}

func (s *session) command(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "EHLO":
		s.answer.WriteString("250-mx.example\r\n250-PIPELINING\r\n250-SIZE\r\n250 CHUNKING\r\n")
	case "DATA":
		s.answer.WriteString("354 go on\r\n")
		s.state = "data"
	case "BDAT":
		_, _ = fmt.Sscan(rest, &s.chunk)
		s.state = "chunk"
	case "MAIL", "RCPT", "RSET", "NOOP":
		s.answer.WriteString("250 OK\r\n")
	case "QUIT":
		s.answer.WriteString("221 bye\r\n")
	default:
		s.answer.WriteString("500 what\r\n")
	}
}

// text is a random message, in which much looks like the end of data.
func (s *session) text(n int) string {
	pieces := []string{"\r\n", "\r\n", "\r\n.", "\r\n..", ".", "\n", "\r", "\n.\n", "\r\n.\r", "\r.\r", "\n.\r\n", ".\r\n",
		"MAIL FROM:<smuggled@example.org>\r\n", "RCPT TO:<smuggled@example.net>\r\n", "a", "b c"}
	rare := 1 << s.r.IntN(13)
	var b strings.Builder
	for b.Len() < n {
		if s.r.IntN(rare) == 0 {
			b.WriteString(pieces[s.r.IntN(len(pieces))])
		} else {
			b.WriteString("The quick brown fox. "[:1+s.r.IntN(20)])
		}
		if s.r.IntN(10*rare) == 0 { // a message ends, and another mail follows at once
			fmt.Fprintf(&b, "\r\n.\r\nMAIL FROM:<c%d@example.org>\r\nRCPT TO:<d@example.net>\r\nDATA\r\n", b.Len())
		}
	}
	return b.String()
}

// talk makes the rest of the session.
func (s *session) talk() []sent {
	mss := []int{40, 250, 700, 1460}[s.r.IntN(4)]
	s.hear()
	say := func(text string) {
		s.write(text, mss)
		if s.r.IntN(20) > 0 {
			s.hear()
		}
	}
	say("EHLO client.example\r\n")
	for i := range 1 + s.r.IntN(4) {
		mail := fmt.Sprintf("MAIL FROM:<a%d@example.org>", i)
		if s.r.IntN(3) == 0 {
			mail += fmt.Sprintf(" SIZE=%d", s.r.IntN(100000))
		}
		mail += "\r\nRCPT TO:<b@example.net>\r\n"
		body := s.text(s.r.IntN(60 * mss))
		if s.r.IntN(3) > 0 {
			say(mail + "DATA\r\n")
			say(body + "\r\n.\r\n")
			continue
		}
		say(mail)
		for s.r.IntN(2) == 0 {
			say(fmt.Sprintf("BDAT %d\r\n%s", len(body), body))
		}
		say(fmt.Sprintf("BDAT %d LAST\r\n%s", len(body), body))
	}
	say("QUIT\r\n")
	return s.frames
}

// disturb has frames overtaken, repeated and missing. Copies may differ from what came first, be cut otherwise, or come
// before it, damaged.
func disturb(t testing.TB, r *rand.Rand, s *session, differ, cut, damage bool) (out [][]byte) {
	frames, rate := s.frames, 2<<r.IntN(9)
	var late [][]byte
	for i := range frames {
		f := frames[i]
		if n := len(f.payload); n > 0 && f.from == 0 && r.IntN(rate) == 0 {
			c := &session{t: t, r: r, port: s.port, six: s.six, tag: s.tag}
			copied := bytes.Clone(f.payload)
			c.seq[0], c.acked[0] = f.seq, ack(f.frame, s)
			if differ && r.IntN(4) == 0 {
				copied[r.IntN(n)] ^= 1
			}
			if cut && r.IntN(2) == 0 {
				k := 1 + r.IntN(n)
				c.send(0, copied[:k])
				c.seq[0], copied = c.seq[0]+uint32(k), copied[k:]
			}
			c.send(0, copied)
			for _, part := range c.frames {
				late = append(late, part.frame)
			}
		}
		if n := len(f.payload); damage && n > 0 && r.IntN(rate) == 0 {
			damaged := bytes.Clone(f.frame)
			damaged[len(damaged)-1-r.IntN(n)] ^= 4
			out = append(out, damaged)
		}
		switch {
		case r.IntN(20*rate) == 0: // it is not captured
		case i+1 < len(frames) && r.IntN(rate) == 0:
			frames[i], frames[i+1] = frames[i+1], frames[i]
			out = append(out, frames[i].frame)
		default:
			out = append(out, f.frame)
		}
		for len(late) > 0 && r.IntN(4) == 0 {
			out = append(out, late[0])
			late = late[1:]
		}
	}
	return out
}

// ack is the acknowledgment number in a frame of the session.
func ack(frame []byte, s *session) uint32 {
	at := 14 + 20 + 8
	if s.six {
		at += 20
	}
	if s.tag > 0 {
		at += 4
	}
	return binary.BigEndian.Uint32(frame[at:])
}
