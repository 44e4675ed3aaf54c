package smtp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"tap25/reassembly/smtp"
)

// A mailer draws sessions as mail software has them: mails one after the other, each recipient and each queue id named
// once, so that a row shows which transaction each of its columns is of.
type mailer struct {
	generator
	lmtp    bool
	streams bool // the next mail goes out with the end of data
	queues  int
}

// drawMailer draws a session of up to four mails.
func drawMailer(t *rapid.T) []exchange {
	g := mailer{generator: generator{t: t, lossy: true}}
	g.lmtp = g.chance("LMTP", 5)
	g.grouped = g.chance("pipelining", 2)
	g.streams = g.grouped && g.chance("streams", 3)
	g.chunking = g.chance("CHUNKING", 2)
	g.add(exchange{kind: xGreeting, code: 220, waits: true})
	hello := "EHLO"
	if g.lmtp {
		hello = "LHLO"
	}
	g.add(exchange{kind: xHello, sent: hello + " h.example\r\n", arg: "h.example", code: 250, waits: true})
	if g.chance("AUTH", 6) {
		g.auth()
	}
	for n := range 2 + g.draw("mails", 3) {
		g.mailOf(n + 1)
		if g.chance("RSET", 5) {
			g.command(xRset, "RSET", 250)
		}
		if g.chance("NOOP", 8) {
			g.command(xOther, "NOOP", 250)
		}
	}
	g.command(xQuit, "QUIT", 221)
	return g.session
}

// mailOf draws the n-th mail.
func (g *mailer) mailOf(n int) {
	code := pick[uint16](&g.generator, "MAIL code", 250, 250, 250, 250, 250, 250, 451, 550)
	from := fmt.Sprintf("s%d@a.example", n)
	g.add(exchange{kind: xMail, sent: "MAIL FROM:<" + from + ">\r\n", arg: from, code: code})
	if code != 250 && !g.grouped {
		return
	}
	accepted := 0
	for k := range 1 + g.draw("recipients", 3) {
		to := fmt.Sprintf("r%d-%d@b.example", n, k)
		rcpt := uint16(503)
		if code == 250 {
			rcpt = pick[uint16](&g.generator, "RCPT code", 250, 250, 251, 451, 550)
		}
		if rcpt < 300 {
			accepted++
		}
		g.add(exchange{kind: xRcpt, sent: "RCPT TO:<" + to + ">\r\n", arg: to, code: rcpt})
	}
	switch {
	case accepted == 0 && !g.grouped, g.chance("left", 8):
		if code == 250 {
			g.command(xRset, "RSET", 250)
		}
	case accepted == 0:
		g.add(exchange{kind: xData, sent: "DATA\r\n", code: 554, waits: true})
		if code == 250 {
			g.command(xRset, "RSET", 250)
		}
	case g.chunking && g.chance("BDAT", 2):
		g.chunksOf(accepted)
	default:
		g.dataOf(accepted)
	}
}

// finals draws the replies to a message.
func (g *mailer) finals(x *exchange, accepted int) {
	draw := func() (f final) {
		if f.code = pick[uint16](&g.generator, "final code", 250, 250, 451, 554); f.code == 250 {
			g.queues++
			f.queue = fmt.Sprintf("4F1B2C%06d", g.queues)
		}
		return f
	}
	f := draw()
	x.code, x.queue = f.code, f.queue
	if g.lmtp {
		x.finals = []final{f}
		for range accepted - 1 {
			x.finals = append(x.finals, draw())
		}
	}
	x.waits = !g.streams || g.chance("waits", 2)
}

func (g *mailer) dataOf(accepted int) {
	code := pick[uint16](&g.generator, "DATA code", 354, 354, 354, 354, 354, 354, 451, 554)
	g.add(exchange{kind: xData, sent: "DATA\r\n", code: code, waits: true})
	if code != 354 {
		g.command(xRset, "RSET", 250)
		return
	}
	text, size := g.body(bodyLines...)
	x := exchange{kind: xMessage, sent: text + ".\r\n", size: size}
	g.finals(&x, accepted)
	g.add(x)
}

func (g *mailer) chunksOf(accepted int) {
	for range g.draw("chunks", 2) {
		text, _ := g.body(bodyLines[:2]...)
		g.add(exchange{kind: xBdat, sent: fmt.Sprintf("BDAT %d\r\n%s", len(text), text), size: int64(len(text)),
			code: 250})
	}
	text, _ := g.body(bodyLines[:2]...)
	x := exchange{kind: xBdat, sent: fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text), size: int64(len(text)),
		last: true}
	g.finals(&x, accepted)
	g.add(x)
}

// drawHoles takes ranges of octets out of one direction, or both: anywhere, whole lines, or whole segments.
func drawHoles(t *rapid.T, session []exchange, events []event) []event {
	dirs := rapid.SampledFrom([][]smtp.Direction{{smtp.FromClient}, {smtp.FromServer},
		{smtp.FromClient, smtp.FromServer}}).Draw(t, "directions")
	for range rapid.IntRange(1, 2).Draw(t, "holes") {
		switch rapid.IntRange(0, 2).Draw(t, "what") {
		case 0:
			for _, dir := range dirs {
				total := octetsOf(events, dir)
				from := rapid.Int64Range(0, total-1).Draw(t, "from")
				events = lose(events, dir, from, from+rapid.Int64Range(1, min(total-from, 300)).Draw(t, "octets"))
			}
		case 1:
			i := rapid.IntRange(0, len(session)-1).Draw(t, "exchange")
			j := min(i+rapid.IntRange(1, 8).Draw(t, "exchanges"), len(session))
			for _, dir := range dirs {
				events = lose(events, dir, octetsUpTo(session[:i], dir), octetsUpTo(session[:j], dir))
			}
		default:
			events = loseSegments(t, events, dirs)
		}
	}
	return events
}

// loseSegments takes out segments that were sent one after the other.
func loseSegments(t *rapid.T, events []event, dirs []smtp.Direction) []event {
	events = slices.Clone(events)
	i := rapid.IntRange(0, len(events)-1).Draw(t, "segment")
	for k := i; k < min(i+rapid.IntRange(1, 8).Draw(t, "segments"), len(events)); k++ {
		if slices.Contains(dirs, events[k].dir) {
			events[k].kind = lost
		}
	}
	return events
}

func octetsOf(events []event, dir smtp.Direction) (n int64) {
	for _, e := range events {
		if e.dir == dir {
			n += int64(len(e.data))
		}
	}
	return n
}

func octetsUpTo(session []exchange, dir smtp.Direction) (n int64) {
	for _, x := range session {
		if dir == smtp.FromClient {
			n += int64(len(x.sent))
		} else {
			n += int64(len(x.reply))
		}
	}
	return n
}

// untrue names the columns of a row that are of another transaction than its own. What was not seen is no untruth. Of
// LMTP, replies to the message may be those of another recipient of the mail: nothing shows which of them was missed.
func untrue(e *smtp.Envelope, want []modelRow, replies map[string][]uint16, lmtp bool) (columns []string) {
	from, to, queue := text(e.MailFrom), text(e.RcptTo), text(e.QueueID)
	own := slices.DeleteFunc(slices.Clone(want), func(w modelRow) bool {
		return to != "-" && w.to != to || to == "-" && from != "-" && w.from != from
	})
	if len(own) == 0 {
		return []string{"invented"}
	}
	is := func(column string, f func(w modelRow) bool) {
		if !slices.ContainsFunc(own, f) {
			columns = append(columns, column)
		}
	}
	is("from", func(w modelRow) bool { return from == "-" || w.from == from })
	is("mail_code", func(w modelRow) bool { return e.MailCode == 0 || e.MailCode == w.mailCode })
	is("rcpt_code", func(w modelRow) bool { return e.RcptCode == 0 || e.RcptCode == w.rcptCode })
	if lmtp {
		of := own
		own = slices.DeleteFunc(slices.Clone(want), func(w modelRow) bool {
			return !slices.ContainsFunc(of, func(o modelRow) bool { return o.mailNo == w.mailNo })
		})
	}
	is("data_code", func(w modelRow) bool {
		return e.DataCode == 0 || e.DataCode == w.dataCode || w.mailCode >= 400 ||
			e.RcptCode == 0 && slices.Contains(replies[w.from], e.DataCode)
	})
	is("outcome", func(w modelRow) bool { return e.Outcome == smtp.Unknown || e.Outcome == w.outcome })
	is("queue_id", func(w modelRow) bool { return queue == "-" || queue == w.queue })
	is("bytes", func(w modelRow) bool { return e.MessageBytes == nil || w.bytes < 0 || *e.MessageBytes == w.bytes })
	return columns
}

// propertyOutcomes takes octets out of a session of mails. Each column of a row must be of the row's own transaction. If
// LHLO was missed, nothing distinguishes LMTP from SMTP (DESIGN.md, Limits): then replies may go to other commands than
// their own, and nothing is compared.
func propertyOutcomes(t *rapid.T) {
	session := drawMailer(t)
	s := transmit(t, session, true)
	s.ended = true
	events := drawHoles(t, session, s.events)
	if rapid.IntRange(0, 3).Draw(t, "order") == 3 {
		events = shuffle(t, events)
	}
	want, replies := modelRows(session, true), repliesToData(session)
	lmtp := strings.HasPrefix(session[1].sent, "LHLO")
	for _, e := range s.run(events) {
		columns := untrue(e, want, replies, lmtp)
		if columns != nil && (!lmtp || comes(events, session[1].sent)) {
			line, _ := e.MarshalJSON()
			t.Errorf("%v are of another transaction: %s", columns, line)
		}
	}
	if t.Failed() {
		t.Fatalf("model %v\n%s", want, describe(events))
	}
}

// comes reports whether the client's line was captured whole.
func comes(events []event, line string) bool {
	return slices.ContainsFunc(events, func(e event) bool {
		return e.kind == pushed && e.dir == smtp.FromClient && strings.Contains(string(e.data), line)
	})
}

// With octets of either side lost, or of both, no outcome, code or queue id is that of another mail.
func TestProperty_NoOutcomeIsThatOfAnotherMail(t *testing.T) { rapid.Check(t, propertyOutcomes) }

func FuzzOutcome(f *testing.F) { f.Fuzz(rapid.MakeFuzz(propertyOutcomes)) }

// repliesToData are the replies to DATA, BDAT and the message of each sender.
func repliesToData(session []exchange) map[string][]uint16 {
	codes, from := map[string][]uint16{}, ""
	for _, x := range session {
		switch x.kind {
		case xMail:
			from = x.arg
		case xData, xBdat, xMessage:
			codes[from] = append(codes[from], x.code)
			for _, f := range x.finals {
				codes[from] = append(codes[from], f.code)
			}
		}
	}
	return codes
}
