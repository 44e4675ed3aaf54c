package hostile

import (
	"strings"
	"time"
)

// Connections without number.
var connectionShapes = []Shape{
	{"SYN flood", Small, synFlood(SYN)},
	{"SYN-ACK flood", Small, synFlood(SYN | ACK)},
	{"RST flood", Small, rstFlood},
	{"handshakes without a word", Small, handshakes(0)},
	{"handshakes without a word, a second a frame", Small, handshakes(time.Second)},
	{"connections with one octet", Small, connections(0, 0, "A")},
	{"connections with one octet, a second a frame", Small, connections(0, time.Second, "A")},
	{"connections with a hole", Small, connections(1, 0, "A")},
	{"connections with a hole, a second a frame", Small, connections(1, time.Second, "A")},
	{"connections with a hole and a full segment", Commands, connections(1, 0, full("NOOP\r\n"))},
	{"connections with a hole that is acknowledged, a second a frame", Small, acknowledgedHoles},
	{"segments for connections with holes, in turn", Small, turnsOfHoles},
	{"connections with commands that nobody answers", Commands, connections(0, 0, full("NOOP\r\n"))},
	{"connections of a mail each", Small, wholeMails(func(i int) int { return i })},
	{"ports used again at once", Small, wholeMails(func(int) int { return 0 })},
	{"ports used again after a RST", Small, resetMails},
	{"connections that end and go on", Small, afterTheEnd},
	{"connections in mid-stream", Small, midstream},
}

func synFlood(flags uint8) func(*Wire) {
	return func(w *Wire) {
		for i := 0; w.room(); i++ {
			s := w.session(i)
			from := fromClient
			if flags&ACK != 0 {
				from = fromServer
			}
			s.send(from, flags, "")
		}
	}
}

func rstFlood(w *Wire) {
	for i := 0; w.room(); i++ {
		w.session(i).send(i%2, RST, "")
	}
}

func handshakes(pause time.Duration) func(*Wire) {
	return func(w *Wire) {
		for i := 0; w.room(); i++ {
			s := w.session(i)
			for _, step := range []struct {
				from  int
				flags uint8
			}{{fromClient, SYN}, {fromServer, SYN | ACK}, {fromClient, ACK}} {
				w.wait(pause)
				s.send(step.from, step.flags, "")
			}
		}
	}
}

// connections has a client say something, on each of many connections, behind a hole of so many octets.
func connections(hole int, pause time.Duration, text string) func(*Wire) {
	return func(w *Wire) {
		for i := 0; w.room(); i++ {
			s := w.session(i)
			s.open()
			s.lose(fromClient, hole)
			w.wait(pause)
			s.client(text)
		}
	}
}

// acknowledgedHoles are given up after a while, all of them, while more come.
func acknowledgedHoles(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		s.open()
		s.lose(fromClient, 10)
		w.wait(time.Second)
		s.client("NOOP\r\n")
		s.ack(fromServer)
	}
}

// turnsOfHoles opens a connection for every ten frames, and then has each in turn lose something.
func turnsOfHoles(w *Wire) {
	var all []*session
	for w.before(30) {
		s := w.session(len(all))
		s.open()
		all = append(all, s)
	}
	for w.room() {
		for _, s := range all {
			s.lose(fromClient, 10)
			s.client("NOOP\r\n")
		}
		w.wait(long)
	}
}

// mail is a whole session of one mail.
func (s *session) mailAndQuit() {
	s.begin()
	s.data()
	s.client("hi\r\n.\r\n")
	s.server("250 queued\r\n")
	s.client("QUIT\r\n")
	s.server("221 bye\r\n")
}

func wholeMails(number func(i int) int) func(*Wire) {
	return func(w *Wire) {
		for i := 0; w.room(); i++ {
			s := w.session(number(i))
			s.next[fromClient] += uint32(i) * 100_003
			s.mailAndQuit()
			s.send(fromServer, FIN|ACK, "")
			s.send(fromClient, FIN|ACK, "")
		}
	}
}

func resetMails(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i % 7)
		s.next[fromClient] += uint32(i) * 100_003
		s.begin()
		s.client("MAIL FROM:<a@b.x>\r\n")
		s.send(i/7%2, RST|ACK, "")
	}
}

// afterTheEnd sends more on connections that have ended, and acknowledges it.
func afterTheEnd(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		s.begin()
		s.send(fromServer, FIN|ACK, "")
		s.send(fromClient, FIN|ACK, "")
		for k := range 20 {
			s.say(k%2, strings.Repeat("250 ok\r\n", 10))
		}
	}
}

func midstream(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i)
		s.client("RCPT TO:<u@e.x>\r\n")
		s.server("250 ok\r\n")
	}
}
