package smtp_test

import (
	"fmt"
	"strings"
	"testing"

	"tap25/reassembly/smtp"
)

// A talk is a dialogue that is too large for a file.
type talk struct {
	d      *smtp.Dialogue
	rows   []*smtp.Envelope
	octets [2]int64
	held   int // the most that was held
	stats  smtp.Stats
}

func newTalk() *talk {
	k := new(talk)
	k.d = smtp.New(&smtp.Config{Emit: func(e *smtp.Envelope) {
		k.rows = append(k.rows, e)
	}, Stats: &k.stats}, testSession)
	k.server("220 mx.example\r\n")
	return k
}

func (k *talk) push(dir smtp.Direction, data string) {
	for len(data) > 0 { // segments as a network brings them
		n := min(len(data), 1460)
		k.d.Push(dir, epoch, []byte(data[:n]), k.octets[1-dir])
		k.octets[dir] += int64(n)
		data = data[n:]
		k.held = max(k.held, k.d.Held())
	}
}

func (k *talk) client(data string) { k.push(smtp.FromClient, data) }
func (k *talk) server(data string) { k.push(smtp.FromServer, data) }

func (k *talk) close(t *testing.T, want int) []*smtp.Envelope {
	t.Helper()
	k.d.Close(epoch, true)
	if len(k.rows) != want {
		t.Fatalf("%d rows, want %d", len(k.rows), want)
	}
	return k.rows
}

func TestDialogue_LineOf64KiBIsReadWhole(t *testing.T) {
	k := newTalk()
	long := strings.Repeat("x", 65000) + "@b.example"
	k.client("MAIL FROM:<a@a.example>\r\nRCPT TO:<" + long + ">\r\n")
	k.server("250 ok\r\n250 " + strings.Repeat("y", 65000) + "\r\n")
	row := k.close(t, 1)[0]
	if text(row.RcptTo) != long || row.RcptCode != 250 || row.Flags != 0 {
		t.Errorf("%d octets of address, code %d, flags %v", len(text(row.RcptTo)), row.RcptCode, row.Flags.Names())
	}
}

// A command longer than any limit is refused by the server; what follows it is read.
func TestDialogue_LineOver64KiBIsTruncated(t *testing.T) {
	k := newTalk()
	k.client("MAIL FROM:<a@a.example>\r\n")
	k.server("250 ok\r\n")
	k.client("RCPT TO:<" + strings.Repeat("x", 1<<20) + "@b.example>\r\n")
	k.server("500 line too long\r\n")
	k.client("RCPT TO:<ok@b.example>\r\n")
	k.server("250 ok\r\n")
	k.client("DATA\r\n")
	k.server("354 go\r\n")
	k.client(strings.Repeat("z", 1<<20) + "\r\n.\r\n")
	k.server("250 ok\r\n")
	k.d.Close(epoch, true)
	last := k.rows[len(k.rows)-1]
	if text(last.RcptTo) != "ok@b.example" || last.Outcome != smtp.Accepted || last.MessageBytes == nil ||
		*last.MessageBytes != 1<<20+2 {
		t.Errorf("%s", rowMap(last))
	}
	flags := smtp.Flags(0)
	for _, e := range k.rows {
		flags |= e.Flags
		if strings.Contains(text(e.RcptTo), "xx") {
			t.Error("a cut address is no address")
		}
	}
	if flags&smtp.Truncated == 0 {
		t.Error("no row says truncated")
	}
	if k.held > 512<<10 {
		t.Errorf("%d bytes held", k.held)
	}
}

func TestDialogue_LineWithoutEndIsNotKept(t *testing.T) {
	k := newTalk()
	k.client("MAIL FROM:<a@a.example>\r\n")
	k.server("250 ok\r\n250-" + strings.Repeat("x", 1<<20))
	k.client(strings.Repeat("RCPT TO:<x", 1<<17))
	if k.held > 512<<10 {
		t.Errorf("%d bytes held", k.held)
	}
	if row := k.close(t, 1)[0]; text(row.MailFrom) != "a@a.example" || row.RcptTo != nil ||
		row.Outcome != smtp.Aborted {
		t.Errorf("%s", rowMap(row))
	}
}

// 100,000 recipients of one mail, in one flight; every second one is refused.
func TestDialogue_100000Recipients(t *testing.T) {
	const n = 100_000
	k := newTalk()
	var commands, replies strings.Builder
	for i := range n {
		fmt.Fprintf(&commands, "RCPT TO:<r%d@b.example>\r\n", i)
		replies.WriteString([]string{"250 ok\r\n", "550 no\r\n"}[i%2])
	}
	k.client("MAIL FROM:<a@a.example>\r\n" + commands.String() + "DATA\r\n")
	k.server("250 ok\r\n" + replies.String() + "354 go\r\n")
	k.client("hi\r\n.\r\n")
	k.server("250 queued\r\n")
	rows := k.close(t, n)
	for i := range n / 2 {
		refused, accepted := rows[i], rows[n/2+i]
		if text(refused.RcptTo) != fmt.Sprintf("r%d@b.example", 2*i+1) || refused.Outcome != smtp.Refused ||
			text(accepted.RcptTo) != fmt.Sprintf("r%d@b.example", 2*i) || accepted.Outcome != smtp.Accepted {
			t.Fatalf("pair %d: %s, %s", i, rowMap(refused), rowMap(accepted))
		}
	}
}

// A million commands, each thousand answered before the next: a mail behind them is as any other.
func TestDialogue_MillionCommands(t *testing.T) {
	k := newTalk()
	for range 1000 {
		k.client(strings.Repeat("NOOP\r\n", 1000))
		k.server(strings.Repeat("250 ok\r\n", 1000))
	}
	k.client("MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nBDAT 0 LAST\r\n")
	k.server("250 ok\r\n250 ok\r\n250 ok\r\n")
	if row := k.close(t, 1)[0]; row.Outcome != smtp.Accepted || row.Flags != 0 || text(row.RcptTo) != "b@b.example" {
		t.Errorf("%s", rowMap(row))
	}
	if k.held > 1<<20 {
		t.Errorf("%d bytes held", k.held)
	}
}

// A million commands in one flight are more than are kept: the mail behind them is there, and says so if its replies
// could not be told.
func TestDialogue_MillionPipelinedCommands(t *testing.T) {
	const n = 1_000_000
	k := newTalk()
	k.client(strings.Repeat("NOOP\r\n", n) + "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nBDAT 0 LAST\r\n")
	k.server(strings.Repeat("250 ok\r\n", n) + "251 ok\r\n252 ok\r\n253 ok\r\n")
	row := k.close(t, 1)[0]
	known := row.MailCode == 251 && row.RcptCode == 252 && row.DataCode == 253 && row.Outcome == smtp.Accepted
	if text(row.MailFrom) != "a@a.example" || text(row.RcptTo) != "b@b.example" || !known && row.Flags == 0 {
		t.Errorf("%s", rowMap(row))
	}
	if k.held > 64<<20 {
		t.Errorf("%d bytes held", k.held)
	}
}

// 300 mails on one connection are 300 rows.
func TestDialogue_300Mails(t *testing.T) {
	k := newTalk()
	for i := range 300 {
		k.client(fmt.Sprintf("MAIL FROM:<s%d@a.example>\r\nRCPT TO:<r%d@b.example>\r\nDATA\r\n", i, i))
		k.server("250 ok\r\n250 ok\r\n354 go\r\n")
		k.client(strings.Repeat("MAIL FROM:<body@evil.example>\r\n", 1000) + ".\r\n")
		k.server(fmt.Sprintf("250 2.0.0 Ok: queued as 4F1B2C%04d\r\n", i))
	}
	for i, row := range k.close(t, 300) {
		if text(row.MailFrom) != fmt.Sprintf("s%d@a.example", i) ||
			text(row.RcptTo) != fmt.Sprintf("r%d@b.example", i) ||
			row.MailNo != i+1 || text(row.QueueID) != fmt.Sprintf("4F1B2C%04d", i) || *row.MessageBytes != 31000 {
			t.Fatalf("mail %d: %s", i, rowMap(row))
		}
	}
}

// More than is held comes in one flight behind a command whose reply decides how to read it, and is still to come: what
// was forgotten meanwhile is treated like octets that were missed. The mail in that flight may not be there without a
// flag, the one behind it is right.
func TestDialogue_FloodBehindACommandThatWaits(t *testing.T) {
	for command, replies := range map[string]string{
		"DATA\r\n":       "503 no MAIL\r\n" + strings.Repeat("250 ok\r\n", 12000),
		"AUTH LOGIN\r\n": "334 VXNlcm5hbWU6\r\n535 no\r\n" + strings.Repeat("250 ok\r\n", 11999),
	} {
		k := newTalk()
		k.client(command + strings.Repeat("NOOP\r\n", 12000) +
			"MAIL FROM:<a1@a.example>\r\nRCPT TO:<b1@b.example>\r\nRCPT TO:<c1@b.example>\r\n")
		if k.held > 256<<10 {
			t.Errorf("%d bytes held", k.held)
		}
		k.server(replies + "250 ok\r\n550 no\r\n250 ok\r\n")
		k.checkFlagged(t)
	}
}

// 40,000 recipients wait, and a command that seems to have been sent before them: to find out for each octet behind it
// which replies are whole would take long.
func TestDialogue_WhatCostsTooMuchIsGivenUpAndFlagged(t *testing.T) {
	k := newTalk()
	k.client("MAIL FROM:<a1@a.example>\r\nRCPT TO:<b1@b.example>\r\n" +
		strings.Repeat("RCPT TO:<c1@b.example>\r\n", 40_000))
	k.octets[smtp.FromServer] -= 5
	k.client("DATA\r\n")
	k.octets[smtp.FromServer] += 5
	k.d.Lost(smtp.FromServer, epoch, 9)
	k.octets[smtp.FromServer] += 9
	k.server("250 ok\r\n")
	for n := 0; k.stats.GivenUp == 0; n++ {
		if k.client("x"); n > 2000 {
			t.Fatalf("followed for %d steps", k.stats.Steps)
		}
	}
	k.client("\r\n.\r\n")
	k.server("250 ok\r\n")
	for _, e := range k.rows {
		if e.Flags&smtp.Gap == 0 {
			t.Fatalf("given up without a flag: %s", rowMap(e))
		}
	}
	k.rows = k.rows[:1]
	k.checkFlagged(t)
}

// Long names count.
func TestDialogue_WhatIsHeldCountsLongNames(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	for _, command := range []string{"EHLO " + long + "\r\n", "MAIL FROM:<" + long + ">\r\n",
		"MAIL FROM:<>\r\nRCPT TO:<" + long + ">\r\n"} {
		k := newTalk()
		k.client(command)
		waiting := k.d.Held()
		k.server("250 ok\r\n250 ok\r\n"[:8*strings.Count(command, "\n")])
		if answered := k.d.Held(); waiting < 60_000 || answered < 60_000 || answered > 200_000 {
			t.Errorf("%.10s...: %d octets held, %d when it is answered", command, waiting, answered)
		}
	}
}

// More replies are captured before their commands than are kept.
func TestDialogue_MoreRepliesThanAreKept(t *testing.T) {
	k := newTalk()
	commands := strings.Repeat("NOOP\r\n", 6000) + "MAIL FROM:<a1@a.example>\r\nRCPT TO:<b1@b.example>\r\n"
	k.octets[smtp.FromClient] = int64(len(commands)) // the server has received them
	acked := k.octets[smtp.FromServer]
	k.d.Seen(smtp.FromClient)
	k.server(strings.Repeat("250 ok\r\n", 6000) + "250 ok\r\n550 no\r\n")
	k.d.Push(smtp.FromClient, epoch, []byte(commands), acked)
	k.checkFlagged(t)
}

// checkFlagged has another two mails follow, and wants the last one without a flag, and no other row of those before.
func (k *talk) checkFlagged(t *testing.T) {
	t.Helper()
	for _, n := range []string{"2", "3"} {
		k.client("RSET\r\n")
		k.server("250 ok\r\n")
		k.client("MAIL FROM:<a" + n + "@a.example>\r\n")
		k.server("250 ok\r\n")
		k.client("RCPT TO:<b" + n + "@b.example>\r\n")
		k.server("250 ok\r\n")
		k.client("DATA\r\n")
		k.server("354 go\r\n")
		k.client("hi\r\n.\r\n")
		k.server("250 ok\r\n")
	}
	k.d.Close(epoch, true)
	seen := map[string]smtp.Flags{}
	for _, e := range k.rows {
		seen[text(e.RcptTo)] = e.Flags
		if from := text(e.MailFrom); from != "-" && text(e.RcptTo) != "-" && from[1] != text(e.RcptTo)[1] {
			t.Errorf("%s joined with %s", from, text(e.RcptTo))
		}
		if e.Flags == 0 && (text(e.MailFrom) == "a1@a.example" || text(e.RcptTo) == "b1@b.example") {
			t.Errorf("no flag on %s", rowMap(e))
		}
	}
	if _, there := seen["b1@b.example"]; !there {
		t.Error("no row of the first mail")
	}
	last := k.rows[len(k.rows)-1]
	if text(last.MailFrom) != "a3@a.example" || text(last.RcptTo) != "b3@b.example" || last.Outcome != smtp.Accepted ||
		last.Flags != 0 || last.DataCode != 250 {
		t.Errorf("%s", rowMap(last))
	}
}
