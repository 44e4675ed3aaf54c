package hostile

import "strings"

// Frames that are full of commands.
var commandShapes = []Shape{
	{"recipients by the hundred thousand, replies at the end", Commands, manyRecipients},
	{"commands wait for replies that never come", Commands, noReplies("NOOP\r\n")},
	{"recipients wait for replies that never come", Commands, noReplies("RCPT TO:<u@e.x>\r\n")},
	{"pipelined groups, each answered late", Commands, lateGroups},
	{"transactions broken off by RSET", Commands,
		answered("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRSET\r\n", "250 o\r\n250 o\r\n250 o\r\n", 30)},
	{"mails of an octet each", Commands, mails},
	{"NOOP in full frames", Commands, answered("NOOP\r\n", "250 o\r\n", 200)},
	{"EHLO in full frames", Commands, answered("EHLO h\r\n", "250-m\r\n250 CHUNKING\r\n", 60)},
	{"lines of no verb, ended by LF alone", Commands, answered("x\n", "500 n\r\n", 200)},
	{"empty lines", Commands, answered("\r\n", "500 n\r\n", 200)},
	{"chunks of nothing", Commands, answered("BDAT 0\r\n", "250 o\r\n", 150)},
	{"conflicts while commands by the hundred thousand wait", Commands, conflictsWhileWaiting},
	{"holes while commands by the hundred thousand wait", Commands, holesWhileWaiting},
	{"chunks with holes while chunks by the hundred thousand wait", Commands, chunkHolesWhileWaiting},
	{"replies one by one while commands by the hundred thousand wait", Commands, repliesWhileWaiting},
}

// answered repeats a group of commands and its replies in one frame each.
func answered(commands, replies string, times int) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin()
		for w.room() {
			s.client(strings.Repeat(commands, times))
			for text := strings.Repeat(replies, times); text != ""; {
				n := min(len(text), 1400)
				s.server(text[:n])
				text = text[n:]
			}
		}
	}
}

func manyRecipients(w *Wire) {
	s := w.session(0).begin()
	s.client("MAIL FROM:<a@b.c>\r\n")
	for w.before(60) {
		s.client(full("RCPT TO:<u@e.x>\r\n"))
	}
	for w.room() {
		s.server(full("250 ok\r\n"))
	}
}

func noReplies(line string) func(*Wire) {
	return func(w *Wire) {
		s := w.session(0).begin().mail(1)
		for w.room() {
			s.client(full(line))
		}
	}
}

// lateGroups answers each group of recipients with its DATA and message in one flight of replies.
func lateGroups(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		group := strings.Repeat("RCPT TO:<u@e.x>\r\n", 70)
		s.client("MAIL FROM:<a@b.c>\r\n" + group)
		s.client(group + "DATA\r\n")
		s.server(strings.Repeat("250 ok\r\n", 141) + "354 go\r\n")
		s.client("x\r\n.\r\n")
		s.server("250 ok\r\n")
	}
}

func mails(w *Wire) {
	s := w.session(0).begin()
	for w.room() {
		s.client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\nx" +
			strings.Repeat("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\nx", 25))
		s.server(strings.Repeat("250 o\r\n", 3*26))
	}
}

// waiting has commands wait for replies, a fifth of the frames.
func waiting(w *Wire, line string) *session {
	s := w.session(0).begin().mail(1)
	for w.before(20) {
		s.client(full(line))
	}
	return s
}

// conflictsWhileWaiting sends other octets than before again and again.
func conflictsWhileWaiting(w *Wire) {
	s := waiting(w, "RCPT TO:<u@e.x>\r\n")
	for i := 0; w.room(); i++ {
		s.at(-100, strings.Repeat(string(rune('A'+i%26)), 100))
		w.made.Commands += 80 // that an honest frame would hold
	}
}

func holesWhileWaiting(w *Wire) {
	s := waiting(w, "RCPT TO:<u@e.x>\r\n")
	for w.room() {
		s.lose(fromServer, 8)
		w.wait(long)
		s.server("250 ok\r\n")
		s.ack(fromClient)
		w.made.Commands += 160
	}
}

func chunkHolesWhileWaiting(w *Wire) {
	s := waiting(w, "BDAT 0\r\n")
	s.client("BDAT 1000000000\r\n")
	for w.room() {
		s.lose(fromClient, 100)
		w.wait(long)
		s.client("x")
		s.ack(fromServer)
		w.made.Commands += 160
	}
}

func repliesWhileWaiting(w *Wire) {
	s := waiting(w, "RCPT TO:<u@e.x>\r\n")
	for w.room() {
		s.server("250 ok\r\n")
		s.client("NOOP\r\n")
		w.made.Commands += 80
	}
}
