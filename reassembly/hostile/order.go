package hostile

import (
	"strings"
	"time"
)

// Segments of one connection out of order, over each other, or beyond reason.
var orderShapes = []Shape{
	{"every second octet missing, forward", Small, checkerboard(forward)},
	{"every second octet missing, backward", Small, checkerboard(backward)},
	{"every second octet missing, at random", Small, checkerboard(shuffled)},
	{"every second octet missing, in replies", Small, checkerboardOfReplies},
	{"every second full segment missing, at random", Commands, checkerboardFull},
	{"segments backward, then the hole filled", Small, backfill},
	{"segments twice", Small, twice},
	{"overlaps with the same octets", Small, overlaps(false)},
	{"overlaps with other octets", Small, overlaps(true)},
	{"overlaps with other octets after a hole", Small, overlapsBehindHole},
	{"decoys of recipients that the peer never gets", Commands, decoys},
	{"decoys after the window", Commands, oldDecoys},
	{"segments with wild numbers", Small, wildNumbers(false)},
	{"segments with wild numbers that are acknowledged later", Small, wildNumbers(true)},
	{"acknowledgments with wild numbers", Small, wildAcks},
	{"acknowledgments far ahead", Small, acksAhead},
	{"keep-alives", Small, keepAlives},
	{"urgent octets", Small, urgent},
	{"segments with wrong checksums", Small, wrongSums},
	{"octets with wrong checksums and gaps, at random", Small, wrongOctets},
	{"octets with wrong checksums, and a right segment over many of them", Small, wrongThenRight},
	{"segments with wrong checksums that are acknowledged octet by octet", Small, wrongAcknowledged},
	{"FIN in the middle, and more after it", Small, finsInTheMiddle},
	{"RST in the middle, and more after it", Small, resetsInTheMiddle},
	{"handshakes in the middle of a connection", Small, handshakesInTheMiddle},
	{"two connections on the same ports", Small, rivals},
	{"sequence numbers that wrap", Small, wraps},
}

func forward(_ *Wire, n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

func backward(_ *Wire, n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = n - 1 - i
	}
	return order
}

func shuffled(w *Wire, n int) []int { return w.random.Perm(n) }

func checkerboard(order func(*Wire, int) []int) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for _, i := range order(w, max(w.want-w.made.Frames, 0)) {
			s.at(2*i+1, "A")
		}
	}
}

func checkerboardOfReplies(w *Wire) {
	s := w.session(0).begin().mail(1)
	for i := 0; w.room(); i++ {
		p := s.segment(fromServer, PSH|ACK, "2")
		p.Seq += uint32(2*i + 1)
		s.raw(p)
		if i%1000 == 999 {
			s.client("NOOP\r\n")
		}
	}
}

func checkerboardFull(w *Wire) {
	s := w.session(0).begin()
	text := full("NOOP\r\n")
	for w.room() {
		for _, i := range w.random.Perm(500) {
			s.at(2*len(text)*i+len(text), text)
		}
		w.wait(long)
		s.lose(fromClient, 1000*len(text))
		s.ack(fromServer)
	}
}

func backfill(w *Wire) {
	s := w.session(0).begin()
	line := "NOOP " + strings.Repeat("x", 57) + "\r\n"
	for w.room() {
		for i := 1000; i >= 0; i-- {
			s.at(len(line)*i, line)
		}
		s.lose(fromClient, len(line)*1001)
		s.server("250 ok\r\n")
	}
}

func twice(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.client("NOOP\r\n")
		s.at(-6, "NOOP\r\n")
		s.server("250 ok\r\n")
	}
}

// overlaps sends a flight that nobody acknowledges, and parts of it again and again.
func overlaps(other bool) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for range 45 {
			s.client(strings.Repeat("A", 1400))
		}
		for i := 0; w.room(); i++ {
			text := "A"
			if other {
				text = string(rune('B' + i%2))
			}
			s.at(i*7%60000-63000, strings.Repeat(text, 1400))
		}
	}
}

func overlapsBehindHole(w *Wire) {
	s := w.session(0).begin()
	for i := 0; w.room(); i++ {
		s.at(1+i*7%60000, strings.Repeat(string(rune('B'+i%2)), 300))
	}
}

// decoys sends a recipient that dies on the way, commands behind it, and then the recipient that counts.
func decoys(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.mail(1)
		s.client("RCPT TO:<harmless@good.x>\r\n")
		for range 30 {
			s.client(full("NOOP\r\n"))
		}
		s.at(-30*len(full("NOOP\r\n"))-27, "RCPT TO:<wanted__@evil.x>\r\n")
		for range 30 {
			s.server(full("250 ok\r\n")[:233*6])
		}
	}
}

// oldDecoys sends again what no history holds any more, with other octets.
func oldDecoys(w *Wire) {
	s := w.session(0).begin().mail(1)
	sent := 0
	for w.before(20) {
		s.client(full("NOOP\r\n"))
		sent += len(full("NOOP\r\n"))
	}
	for i := 0; w.room(); i++ {
		s.at(i*11%(sent/3)-sent, "RCPT TO:<wanted__@evil.x>\r\n")
	}
}

func wildNumbers(acknowledged bool) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for i := 0; w.room(); i++ {
			s.at(1<<21+i%5000*9, "NOOP abc\r\n")
			if acknowledged && i%64 == 63 {
				p := s.segment(fromServer, ACK, "")
				p.Ack += 1<<21 + uint32(i%5000*9)
				s.raw(p)
			}
		}
	}
}

func wildAcks(w *Wire) {
	s := w.session(0).begin()
	for i := 0; w.room(); i++ {
		p := s.segment(fromClient, PSH|ACK, "NOOP\r\n")
		p.Ack += uint32(i) * 2654435761
		s.raw(p)
	}
}

// acksAhead acknowledges more and more of what never comes.
func acksAhead(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.lose(fromClient, 1000)
		s.ack(fromServer)
		w.wait(long)
		s.lose(fromServer, 1000)
		s.ack(fromClient)
	}
}

func keepAlives(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		w.wait(time.Second)
		s.at(-1, "\x00")
		s.ack(fromServer)
	}
}

func urgent(w *Wire) {
	s := w.session(0).begin().mail(1)
	for w.room() {
		s.send(fromClient, PSH|ACK|URG, "NOOP\r\n")
		s.server("250 ok\r\n")
	}
}

func wrongSums(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		p := s.segment(fromClient, PSH|ACK, "NOOP\r\n")
		p.BadSum = true
		s.raw(p)
	}
}

// wrongOctets has every second octet of a window, each in a segment with a wrong checksum.
func wrongOctets(w *Wire) {
	s := w.session(0).begin()
	for _, i := range shuffled(w, max(w.want-w.made.Frames, 0)) {
		s.wrongAt(2*i%1_000_000+1, "A")
	}
}

// wrongThenRight has a right segment over every thousand octets with a wrong checksum.
func wrongThenRight(w *Wire) {
	s := w.session(0).begin()
	line := strings.Repeat("NOOP\r\n", 200)
	for w.room() {
		for i := range len(line) {
			s.wrongAt(i, string(line[(i+1)%6]))
		}
		s.client(line)
	}
}

// wrongAcknowledged has a full segment with a wrong checksum that the server acknowledges by octets.
func wrongAcknowledged(w *Wire) {
	s := w.session(0).begin()
	line := strings.Repeat("NOOP\r\n", 240)
	for w.room() {
		s.wrongAt(0, line)
		for range line {
			s.lose(fromClient, 1)
			s.ack(fromServer)
			s.ack(fromClient)
		}
	}
}

func finsInTheMiddle(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.raw(s.segment(fromClient, FIN|ACK, ""))
		s.client("NOOP\r\n")
		s.server("250 ok\r\n")
	}
}

func resetsInTheMiddle(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.raw(s.segment(fromClient, RST|ACK, ""))
		s.client("NOOP\r\n")
		s.raw(s.segment(fromServer, RST, ""))
		s.server("250 ok\r\n")
	}
}

// handshakesInTheMiddle has others begin on the ports of a connection that goes on.
func handshakesInTheMiddle(w *Wire) {
	s := w.session(0).begin()
	for i := 0; w.room(); i++ {
		o := &session{w: w, ends: s.ends, next: [2]uint32{uint32(i) * 50_000_017, uint32(i) * 70_000_003}, wrap: s.wrap}
		o.open()
		o.server("220 x\r\n")
		s.client("NOOP\r\n")
		s.server("250 ok\r\n")
	}
}

// rivals are two connections with other numbers on the same ports, as of two tenants, a segment of each in turn.
func rivals(w *Wire) {
	s := w.session(0)
	o := &session{w: w, ends: s.ends, next: [2]uint32{2_000_000_000, 3_000_000_000}, wrap: s.wrap}
	s.begin()
	o.begin()
	for w.room() {
		s.client("NOOP\r\n")
		o.client("NOOP\r\n")
		s.server("250 ok\r\n")
		o.server("250 ok\r\n")
	}
}

func wraps(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		s.next = [2]uint32{^uint32(300), ^uint32(400)}
		s.begin()
		for range 50 {
			s.lose(fromClient, 20)
			s.client("NOOP abcdef\r\n")
			s.server("250 ok\r\n")
		}
	}
}
