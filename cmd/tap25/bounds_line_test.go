package main

import (
	"fmt"
	"strings"
	"testing"
)

// flow says text in full segments, the other side acknowledging.
func (p *peer) flow(from int, text string) {
	for len(text) > 0 {
		n := min(len(text), 1460)
		p.say(from, text[:n])
		text = text[n:]
	}
	p.send(1-from, ackFlag, "")
}

// greet opens the connection as far as the reply to EHLO.
func (p *peer) greet() { steps(p.mail(0)[:4]) }

func TestBounds_RecipientsOfOneMail(t *testing.T) {
	rcpts := boundsSize(100_000, 20_000)
	m := measure(t, func(f *traffic) {
		p := f.host(0, 40000)
		p.greet()
		p.say(fromClient, "MAIL FROM:<a@a.example>\r\n")
		p.say(fromServer, "250 ok\r\n")
		var commands, replies strings.Builder
		for n := range rcpts {
			fmt.Fprintf(&commands, "RCPT TO:<to%d@b.example>\r\n", n)
			replies.WriteString("250 ok\r\n")
		}
		p.flow(fromClient, commands.String()+"DATA\r\n")
		p.flow(fromServer, replies.String()+"354 go\r\n")
		p.say(fromClient, "hi\r\n.\r\n")
		p.say(fromServer, "250 queued\r\n")
		p.close()
	})
	seen := map[string]bool{}
	rows := jsonLines(t, m.rows)
	for _, row := range rows {
		if row["mail_from"] != "a@a.example" || row["outcome"] != "accepted" || row["flags"] != nil {
			t.Fatal("a row that is not of this mail, not accepted, or flagged")
		}
		seen[row["rcpt_to"].(string)] = true
	}
	if len(rows) != rcpts || len(seen) != rcpts {
		t.Errorf("%d rows, %d recipients", len(rows), len(seen))
	}
	m.below(t, 256)
}

// TestBounds_PipelinedCommands sends them in flights that a client's window would hold, each answered before the next,
// and then all in one flight, more than are kept, so that the row of the mail behind them may be flagged; a mail
// follows each.
func TestBounds_PipelinedCommands(t *testing.T) {
	commands := boundsSize(1_000_000, 200_000)
	m := measure(t, func(f *traffic) {
		for n, flight := range []int{1000, commands} {
			p := f.host(n, 40000)
			mail := p.mail(n)
			steps(mail[:4])
			for range commands / flight {
				p.flow(fromClient, strings.Repeat("NOOP\r\n", flight))
				p.flow(fromServer, strings.Repeat("250 ok\r\n", flight))
			}
			steps(mail[4:])
		}
	})
	checkMails(t, m.rows, 2, 1)
	m.below(t, 128)
}

// TestBounds_LinesWithoutEnd sends a line of the server's and one of the client's that no buffer should hold, on many
// connections at a time, and a mail with a line of the longest that is read whole.
func TestBounds_LinesWithoutEnd(t *testing.T) {
	conns, long := boundsSize(200, 50), strings.Repeat("x", 64000)
	m := measure(t, func(f *traffic) {
		var peers []*peer
		for n := range conns {
			p := f.host(n, 40000)
			p.open()
			peers = append(peers, p)
		}
		for range 1 << 20 / 1460 {
			for _, p := range peers {
				p.say(fromServer, "220-"+long[:1456])
				p.say(fromClient, "MAIL"+long[:1456])
			}
		}
		p := f.host(conns, 40000)
		p.greet()
		p.flow(fromClient, "MAIL FROM:<"+long+"@a.example>\r\nRCPT TO:<b@b.example>\r\n")
		p.say(fromServer, "250 ok\r\n250 ok\r\n")
		p.close()
	})
	rows := jsonLines(t, m.rows)
	if len(rows) != 1 || rows[0]["mail_from"] != long+"@a.example" || rows[0]["flags"] != nil ||
		rows[0]["outcome"] != "aborted" {
		t.Errorf("%d rows, or not the one of the long address", len(rows))
	}
	if s := m.sums["sessions"]; s.total != int64(conns+1) || s.parts["not SMTP"] != int64(conns) {
		t.Errorf("sessions %v", s)
	}
	m.below(t, 128)
}
