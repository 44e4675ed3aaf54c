package hostile

import "strings"

// What may stand before, around and after the commands of SMTP.
var headShapes = []Shape{
	{"a PROXY header of 64 KiB, an octet a segment", Small, proxyOctets},
	{"what begins like a PROXY header, in a connection of its own", Small, proxyLike},
	{"a ClientHello in records of one octet", Small, helloOctets},
	{"recipients of LMTP by the thousand, a reply a segment", Small, lmtpReplies},
	{"messages of LMTP, the first reply missed", Small, lmtpMissed},
	{"XCLIENT in full frames", Commands, answered("XCLIENT ADDR=203.0.113.7 PORT=5\r\n", "220 m\r\n", 40)},
	{"XFORWARD in full frames", Commands, answered("XFORWARD ADDR=203.0.113.7 PORT=5\r\n", "250 o\r\n", 40)},
	{"TURN there and back", Small, turnBack},
	{"a greeting that never ends", Small, greetingOctets},
	{"phrases before paths", Small, turns("RCPT TO:"+strings.Repeat("\"<\" a b ", 100)+"<b@b.x>\r\n", "503 no\r\n")},
	{"parameters after paths", Small, turns("RCPT TO:<b@b.x>"+strings.Repeat(" size=b", 120)+"\r\n", "503 no\r\n")},
	{"replies that look like names of messages", Small, serverAlone("250 " + nearlyNames + "\r\n")},
}

var nearlyNames = strings.Repeat("queued as ;", 90)

func proxyOctets(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		s.open()
		header := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("\r\nDATA\n", 1<<13)
		for k := 0; k < len(header) && w.room(); k++ {
			s.client(header[k : k+1])
		}
	}
}

func proxyLike(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		s.open()
		s.client("\r\n\r\n\x00\r\nQU")
		s.client("IT\r\n")
		s.server("220 mx\r\n500 no\r\n500 no\r\n500 no\r\n221 bye\r\n")
	}
}

func helloOctets(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i).begin()
		s.client("STARTTLS\r\n")
		s.server("220 go\r\n")
		s.client("\x16\x03\x01\x00\x04\x01\x00\xff\xff")
		for k := 0; k < 1<<14 && w.room(); k++ {
			s.client("\x16\x03\x01\x00\x01x")
		}
	}
}

func lmtpSession(w *Wire) *session {
	s := w.session(0).begin()
	s.client("LHLO h\r\n")
	s.server(hello)
	return s
}

func lmtpReplies(w *Wire) {
	s := lmtpSession(w)
	for w.room() {
		s.client("MAIL FROM:<a@b.example>\r\n")
		s.server("250 ok\r\n")
		for range 50 {
			s.client(strings.Repeat("RCPT TO:<u@e.example>\r\n", 40))
			s.server(strings.Repeat("250 ok\r\n", 40))
		}
		s.client("DATA\r\n")
		s.server("354 go\r\n")
		s.client("x\r\n.\r\n")
		for k := 0; k < 2000 && w.room(); k++ {
			s.server("250 ok\r\n")
		}
	}
}

func lmtpMissed(w *Wire) {
	s := lmtpSession(w)
	for w.room() {
		s.mail(3)
		s.client("DATA\r\n")
		s.server("354 go\r\n")
		s.client("x\r\n.\r\n")
		s.lose(fromServer, 8)
		s.server("250 ok\r\n250 ok\r\n")
	}
}

func turnBack(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.client("TURN\r\n")
		s.server("250 ok\r\n")
		s.client("220 mx\r\n")
		s.server("TURN\r\n")
		s.client("250 ok\r\n")
		s.server("220 mx\r\n")
	}
}

func greetingOctets(w *Wire) {
	s := w.session(0)
	s.open()
	for w.room() {
		s.server("220-")
		s.client("NOOP\r\n")
	}
}
