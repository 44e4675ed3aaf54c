package hostile

import (
	"fmt"
	"strings"
	"time"
)

// long is more than a hole is waited for that the peer has acknowledged.
const long = 3 * time.Second

// A hole is octets that both ends have and the capture has not: the attacker sends them by another way, or lets the tap
// overflow.
var holeShapes = []Shape{
	{"holes between commands of the client", Small, holes(true, false, long, "RCPT TO:<u%d@e.x>\r\n", "250 ok\r\n")},
	{"holes between replies of the server", Small, holes(false, true, long, "RCPT TO:<u%d@e.x>\r\n", "250 ok\r\n")},
	{"holes in both directions between commands", Small,
		holes(true, true, long, "RCPT TO:<u%d@e.x>\r\n", "250 ok\r\n")},
	{"holes in both directions, in quick succession", Small,
		holes(true, true, time.Millisecond, "RCPT TO:<u%d@e.x>\r\n", "250 ok\r\n")},
	{"holes between transactions", Small, holes(true, false, long, "MAIL FROM:<a%d@b.x>\r\nRCPT TO:<c@d.x>\r\n",
		"250 ok\r\n250 ok\r\n")},
	{"holes in both directions between resets", Small,
		holes(true, true, long, "RSET\r\nMAIL FROM:<a%d@b.x>\r\n", "250 ok\r\n250 ok\r\n")},
	{"holes between commands that get no reply", Small, holes(true, false, long, "RCPT TO:<u%d@e.x>\r\n", "")},
	{"holes in flights, in both directions", Commands, flightsBehindHoles},
	{"flights after holes that nothing settles", Small, unsettledFlights},
	{"holes in a body", Small, holesInBody("An ordinary line of a message %d\r\n")},
	{"holes in a body with dots alone", Small, holesInBody("x%d\r\n.\r\n")},
	{"lone dots after holes in both directions", Small, holes(true, true, long, "x%d\r\n.\r\n", "250 ok\r\n")},
	{"lone dots after holes in both directions, nothing acknowledged", Small, loneDots},
	{"holes in a series of BDAT", Small, holesInChunks(false)},
	{"holes that hide BDAT", Small, holesInChunks(true)},
	{"holes in AUTH", Small, holesInAuth},
	{"holes after DATA, with tiny segments", Small, tinyBehindData},
	{"holes that are filled late", Small, filledLate},
	{"a thousand commands wait while replies are missing", Small, holesAmongReplies},
	{"every second frame lost", Small, everySecond},
	{"replies to commands that nobody captured", Small, repliesAlone},
}

// repliesAlone has replies that acknowledge octets of a client that is never captured, as if its clock were late.
func repliesAlone(w *Wire) {
	s := w.session(0)
	s.open()
	for w.room() {
		s.lose(fromClient, 6)
		s.server("250 ok\r\n")
	}
}

// holes has a line, or both, behind a hole each, time and again.
func holes(client, server bool, pause time.Duration, command, reply string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		s.mail(1)
		for i := 0; w.room(); i++ {
			if client {
				s.lose(fromClient, 7)
			}
			w.wait(pause)
			s.client(fmt.Sprintf(command, i))
			if server {
				s.lose(fromServer, 9)
			}
			if reply != "" {
				s.server(reply)
			} else {
				s.ack(fromServer)
			}
			s.ack(fromClient)
		}
	}
}

// flightsBehindHoles sends flights of hundreds of commands, each behind a hole, and replies behind holes to some of
// them.
func flightsBehindHoles(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.lose(fromClient, 7)
		for range 10 {
			s.client(full("RCPT TO:<u@e.x>\r\n"))
		}
		s.lose(fromServer, 9)
		w.wait(long)
		s.server(full("250 ok\r\n"))
		s.ack(fromClient)
		s.ack(fromServer)
	}
}

// unsettledFlights never acknowledges a reply.
func unsettledFlights(w *Wire) {
	s := w.session(0).begin()
	for i := 0; w.room(); i++ {
		s.lose(fromClient, 7)
		w.wait(time.Millisecond)
		s.client(fmt.Sprintf("RCPT TO:<u%d@e.x>\r\n", i))
		if i%50 == 0 {
			w.wait(long)
			s.ack(fromServer)
		}
	}
}

func holesInBody(line string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin().data()
		for i := 0; w.room(); i++ {
			s.lose(fromClient, 11)
			w.wait(long)
			s.client(fmt.Sprintf(line, i))
			s.ack(fromServer)
		}
		s.client("\r\n.\r\n")
		s.server("250 ok\r\n")
	}
}

// loneDots sends what may be the ends of messages behind holes in both directions, and replies that may belong to any.
func loneDots(w *Wire) {
	s := w.session(0).begin().data()
	for w.room() {
		s.lose(fromClient, 8)
		s.client("\r\n.\r\n")
		s.lose(fromServer, 8)
		p := s.segment(fromServer, PSH|ACK, "250 ok\r\n")
		p.Ack -= 5
		s.raw(p)
		s.lose(fromServer, len(p.Payload))
		if w.made.Frames%100 == 0 {
			w.wait(long)
			s.ack(fromClient)
			s.ack(fromServer)
		}
	}
}

// holesInChunks has a hole in each chunk, or in the place of its BDAT.
func holesInChunks(hide bool) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin().mail(1)
		for w.room() {
			command, chunk := "BDAT 40\r\n", strings.Repeat("NOOP\r\n", 6)
			if hide {
				s.lose(fromClient, len(command))
				s.client(chunk + "NOOP")
			} else {
				s.client(command + chunk[:10])
				s.lose(fromClient, 15)
				s.client(chunk[:15])
			}
			w.wait(long)
			s.server("250 ok\r\n")
			s.ack(fromClient)
		}
	}
}

func holesInAuth(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.client("AUTH LOGIN\r\n")
		s.lose(fromServer, 18)
		w.wait(long)
		s.client("dXNlcg==\r\n")
		s.server("334 UGFzc3dvcmQ6\r\n")
		s.lose(fromClient, 6)
		s.client("cGFzcw==\r\n")
		w.wait(long)
		s.server("535 no\r\n")
		s.ack(fromClient)
	}
}

// tinyBehindData hides whether there was a DATA, and sends what may be a message or commands an octet at a time.
func tinyBehindData(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.mail(1)
		s.lose(fromClient, 6)
		s.lose(fromServer, 8)
		w.wait(long)
		s.ack(fromServer)
		for _, c := range strings.Repeat("NOOP abc\r\n", 80) {
			s.client(string(c))
		}
		s.lose(fromServer, 8)
		s.ack(fromClient)
	}
}

// filledLate fills each hole a hundred segments later.
func filledLate(w *Wire) {
	s := w.session(0).begin()
	const line = "NOOP abc\r\n"
	for w.room() {
		hole := len(line) * 100
		for i := range 100 {
			s.at(len(line)*(i+1), line)
		}
		s.client(line)
		s.lose(fromClient, hole)
		s.server(full("250 ok\r\n")[:1010])
	}
}

// holesAmongReplies keeps a thousand commands waiting and answers them one at a time, each reply behind a hole.
func holesAmongReplies(w *Wire) {
	s := w.session(0).begin().mail(1)
	for range 15 {
		s.client(full("RCPT TO:<u@e.x>\r\n"))
	}
	for w.room() {
		s.lose(fromServer, 8)
		w.wait(long)
		s.server("250 ok\r\n")
		s.ack(fromClient)
		s.client("RCPT TO:<u@e.x>\r\nRCPT TO:<u@e.x>\r\n")
	}
}

// everySecond loses every second frame of a session of many mails, as a ring that is full does.
func everySecond(w *Wire) {
	s := w.session(0).begin()
	lost := false
	say := func(from int, text string) {
		if lost = !lost; lost {
			s.lose(from, len(text))
			return
		}
		s.say(from, text)
	}
	for w.room() {
		w.wait(time.Second)
		for _, turn := range []string{"MAIL FROM:<a@b.x>\r\n", "RCPT TO:<c@d.x>\r\n", "RCPT TO:<e@d.x>\r\n", "DATA\r\n",
			"hi\r\n.\r\n"} {
			say(fromClient, turn)
			if turn == "DATA\r\n" {
				say(fromServer, "354 go\r\n")
			} else {
				say(fromServer, "250 ok\r\n")
			}
		}
		lost = !lost
	}
}
