package hostile

import (
	"net/netip"
	"strings"
)

// The two sides of a session.
const (
	fromClient = iota
	fromServer
)

// session is one TCP connection, both of whose ends may be the attacker's.
type session struct {
	w    *Wire
	ends [2]netip.AddrPort
	next [2]uint32 // sequence numbers
	wrap func(packet []byte) []byte
}

// session gives the i-th of many connections to the server.
func (w *Wire) session(i int) *session {
	return &session{w: w, ends: [2]netip.AddrPort{client(i), server},
		next: [2]uint32{uint32(i)*7919 + 1, uint32(i)*104729 + 1}, wrap: ipFrame}
}

// raw sends a segment as it is.
func (s *session) raw(p Segment) { s.w.frame(s.wrap(p.Packet())) }

// segment is the next of one side.
func (s *session) segment(from int, flags uint8, payload string) Segment {
	p := Segment{Src: s.ends[from], Dst: s.ends[1-from], Flags: flags, Seq: s.next[from], Payload: payload}
	if flags&ACK != 0 {
		p.Ack = s.next[1-from]
	}
	return p
}

// send sends the next segment of one side.
func (s *session) send(from int, flags uint8, payload string) {
	s.raw(s.segment(from, flags, payload))
	s.next[from] += uint32(len(payload))
	if flags&(SYN|FIN) != 0 {
		s.next[from]++
	}
}

// at sends a segment of the client's at an offset from what it sends next.
func (s *session) at(offset int, payload string) {
	p := s.segment(fromClient, PSH|ACK, payload)
	p.Seq += uint32(offset)
	s.w.made.Commands += strings.Count(payload, "\n")
	s.raw(p)
}

// wrongAt does the same with a wrong checksum.
func (s *session) wrongAt(offset int, payload string) {
	p := s.segment(fromClient, PSH|ACK, payload)
	p.Seq += uint32(offset)
	p.BadSum = true
	s.raw(p)
}

func (s *session) say(from int, payload string) {
	if from == fromClient {
		s.w.made.Commands += strings.Count(payload, "\n")
	}
	s.send(from, PSH|ACK, payload)
}

func (s *session) client(payload string) { s.say(fromClient, payload) }
func (s *session) server(payload string) { s.say(fromServer, payload) }
func (s *session) ack(from int)          { s.send(from, ACK, "") }

// lose lets octets pass that nobody captures.
func (s *session) lose(from, n int) { s.next[from] += uint32(n) }

func (s *session) open() {
	s.send(fromClient, SYN, "")
	s.send(fromServer, SYN|ACK, "")
	s.ack(fromClient)
}

const hello = "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"

// begin opens the session and greets.
func (s *session) begin() *session {
	s.open()
	s.server("220 mx\r\n")
	s.client("EHLO h\r\n")
	s.server(hello)
	return s
}

// mail begins a transaction, with a recipient or more.
func (s *session) mail(rcpts int) *session {
	s.client("MAIL FROM:<a@b.example>\r\n" + strings.Repeat("RCPT TO:<u@e.example>\r\n", rcpts))
	s.server(strings.Repeat("250 ok\r\n", 1+rcpts))
	return s
}

// data begins a message.
func (s *session) data() *session {
	s.mail(1)
	s.client("DATA\r\n")
	s.server("354 go\r\n")
	return s
}

// full is as many lines as a segment holds.
func full(line string) string { return strings.Repeat(line, 1400/len(line)) }
