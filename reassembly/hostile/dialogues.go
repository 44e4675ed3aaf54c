package hostile

import "strings"

// Dialogues that no client and no server have, without a hole.
var dialogueShapes = []Shape{
	{"DATA that is refused, in a loop", Small, turns("DATA\r\n", "554 no recipients\r\n")},
	{"DATA that is refused, with a message after it", Small,
		turns("MAIL FROM:<a@b.x>\r\nDATA\r\nSubject: x\r\n.\r\n", "250 ok\r\n503 no\r\n500 no\r\n500 no\r\n")},
	{"messages that are refused before their end", Small, refusedEarly},
	{"replies to nothing", Small, serverAlone("250 ok\r\n")},
	{"354 to nothing", Small, serverAlone("354 go\r\n")},
	{"421 to nothing", Small, serverAlone("421 bye\r\n")},
	{"334 to nothing", Small, serverAlone("334 x\r\n")},
	{"lines of a server that are no replies", Small, serverAlone("what?\r\n")},
	{"a reply without an end", Small, serverAlone("250-more\r\n")},
	{"replies ended by LF alone", Small, serverAlone("250 ok\n")},
	{"replies an octet at a time", Small, replyOctets},
	{"replies ahead of their commands", Small, repliesAhead},
	{"STARTTLS that is refused, in a loop", Small, turns("STARTTLS\r\n", "454 no\r\n")},
	{"STARTTLS with commands after it", Small, turns("STARTTLS\r\nRCPT TO:<u@e.x>\r\n", "454 no\r\n503 no\r\n")},
	{"AUTH that is cancelled, in a loop", Small, authLoop},
	{"what the client sends while AUTH waits for its reply", Small, blockedBy("AUTH PLAIN\r\n")},
	{"what the client sends while STARTTLS waits for its reply", Small, blockedBy("STARTTLS\r\n")},
	{"what the client sends while DATA waits for its reply", Small, blockedBy("DATA\r\n")},
	{"octets after an accepted STARTTLS", Small, behindTLS},
	{"a line without an end", Small, clientAlone(strings.Repeat("A", 1400))},
	{"a body of ends that servers disagree on", Lines, body("\n.\n\n.\r\n\r.\r")},
	{"a body of dots", Lines, body("..\r\n")},
	{"an octet a segment", Small, octets},
	{"an octet a segment, both sides", Small, octetsOfBoth},
	{"commands without a server", Small, oneSided(fromClient)},
	{"replies without a client", Small, oneSided(fromServer)},
	{"commands before the banner", Small, earlyTalker},
}

// turns repeats commands and their replies.
func turns(commands, replies string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for w.room() {
			s.client(commands)
			s.server(replies)
		}
	}
}

func serverAlone(line string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin().mail(1)
		for w.room() {
			s.server(line)
			s.ack(fromClient)
		}
	}
}

func clientAlone(text string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for w.room() {
			s.client(text)
		}
	}
}

func refusedEarly(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.data()
		s.client("Subject: x\r\n")
		p := s.segment(fromServer, PSH|ACK, "552 too much\r\n")
		s.lose(fromServer, len(p.Payload))
		s.client("more\r\n")
		s.raw(p)
		s.client("\r\n.\r\n")
		s.server("250 ok\r\n")
	}
}

func replyOctets(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.client("NOOP\r\n")
		for _, c := range "250-ok\r\n250 ok\r\n" {
			s.server(string(c))
		}
	}
}

// repliesAhead sends replies before the commands that they answer, acknowledging them all the same.
func repliesAhead(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		for range 20 {
			p := s.segment(fromServer, PSH|ACK, "250 ok\r\n250 ok\r\n")
			p.Ack += 5000
			s.raw(p)
			s.lose(fromServer, len(p.Payload))
		}
		for range 20 {
			s.client("NOOP\r\nNOOP\r\n")
		}
	}
}

func authLoop(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.client("AUTH LOGIN\r\n")
		s.server("334 VXNlcm5hbWU6\r\n")
		s.client("*\r\n")
		s.server("501 cancelled\r\n")
	}
}

// blockedBy sends more behind a command whose reply decides how it is to be read, and comes late or never.
func blockedBy(command string) func(*Wire) {
	return func(w *Wire) {
		for i := 0; w.room(); i++ {
			s := w.session(i).begin().mail(1)
			s.client(command)
			for k := range 2000 {
				if s.client("NOOP\r\n"); k%100 == 99 {
					s.ack(fromServer)
				}
			}
			if i%2 == 0 {
				s.server("500 no\r\n")
			}
		}
	}
}

func behindTLS(w *Wire) {
	for i := 0; w.room(); i++ {
		s := w.session(i).begin()
		s.client("STARTTLS\r\n")
		s.server("220 go\r\n")
		s.client("\x16\x03\x01\xff\xff\x01\x00\xff\xfb\x03\x03")
		for range 1000 {
			s.client("x")
		}
	}
}

func body(text string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for w.room() {
			s.data()
			for range 50 {
				s.client(full(text))
			}
			s.client("\r\n.\r\n")
			s.server("250 ok\r\n")
		}
	}
}

func octets(w *Wire) {
	s := w.session(0).begin().mail(1)
	for line := "RCPT TO:<u@e.x>\r\n"; w.room(); {
		for _, c := range line {
			s.client(string(c))
		}
	}
}

func octetsOfBoth(w *Wire) {
	s := w.session(0).begin().mail(1)
	command, reply := "RCPT TO:<u@e.x>\r\n", "250-abcde\r\n250 o\r\n"
	for i := 0; w.room(); i++ {
		s.client(string(command[i%len(command)]))
		s.server(string(reply[i%len(reply)]))
	}
}

// oneSided leaves the segments of one direction alone.
func oneSided(seen int) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0)
		for w.room() {
			if seen == fromClient {
				s.client("MAIL FROM:<a@b.x>\r\nRCPT TO:<c@d.x>\r\nDATA\r\n")
				s.lose(fromServer, 24)
				s.client("hi\r\n.\r\n")
				s.lose(fromServer, 8)
			} else {
				s.lose(fromClient, 60)
				s.server("250 ok\r\n250 ok\r\n354 go\r\n")
				s.lose(fromClient, 7)
				s.server("250 ok\r\n")
			}
		}
	}
}

func earlyTalker(w *Wire) {
	s := w.session(0)
	s.open()
	for w.before(70) {
		s.client("NOOP\r\n")
	}
	for w.room() {
		s.server("220 mx\r\n")
		s.client("NOOP\r\n")
	}
}
