package smtp_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
	"tap25/reassembly/smtp"
)

// drawMails draws a session of whole mails, one after the other, and the number of the first exchange of each.
func drawMails(t *rapid.T) (session []exchange, firsts []int) {
	g := generator{t: t, lossy: true, chunking: true}
	g.grouped = g.chance("pipelining", 2)
	g.add(exchange{kind: xGreeting, code: 220, waits: true})
	g.add(exchange{kind: xHello, sent: "EHLO h.example\r\n", arg: "h.example", code: 250, waits: true})
	g.offered = true
	for n := range 4 {
		firsts = append(firsts, len(g.session))
		from := fmt.Sprintf("s%d@a.example", n)
		g.add(exchange{kind: xMail, sent: "MAIL FROM:<" + from + ">\r\n", arg: from, code: 250})
		for k := range 1 + g.draw("recipients", 3) {
			to := fmt.Sprintf("r%d-%d@b.example", n, k)
			code := uint16(250)
			if k > 0 {
				code = pick[uint16](&g, "RCPT code", 250, 451, 550)
			}
			g.add(exchange{kind: xRcpt, sent: "RCPT TO:<" + to + ">\r\n", arg: to, code: code})
		}
		g.message()
		if g.chance("RSET", 4) {
			g.command(xRset, "RSET", 250)
		}
		g.session[len(g.session)-1].waits = true
	}
	g.command(xQuit, "QUIT", 221)
	return g.session, append(firsts, len(g.session)-1)
}

// message draws DATA and a message, or BDAT, and the reply.
func (g *generator) message() {
	code := pick[uint16](g, "final code", 250, 250, 451, 554)
	if g.chance("BDAT", 4) {
		text, _ := g.body(bodyLines[:2]...)
		g.add(exchange{kind: xBdat, sent: fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text), size: int64(len(text)),
			last: true, code: code})
		return
	}
	g.add(exchange{kind: xData, sent: "DATA\r\n", code: 354, waits: true})
	text, size := g.body(bodyLines...)
	g.add(exchange{kind: xMessage, sent: text + ".\r\n", size: size, code: code})
}

// lose marks the octets [from, to) of one direction as missed.
func lose(events []event, dir smtp.Direction, from, to int64) (out []event) {
	at := int64(0)
	for _, e := range events {
		if e.dir != dir {
			out = append(out, e)
			continue
		}
		n := int64(len(e.data))
		for _, part := range [][2]int64{{0, from - at}, {from - at, to - at}, {to - at, n}} {
			a, b := min(max(part[0], 0), n), min(max(part[1], 0), n)
			if a >= b {
				continue
			}
			piece := e
			piece.data = e.data[a:b]
			if a >= from-at && b <= to-at {
				piece.kind = lost
			}
			out = append(out, piece)
		}
		at += n
	}
	return out
}

// With one hole anywhere, of up to 300 octets in either direction, the mails before it are right and without a flag,
// and so is the next one.
func propertyOneHole(t *rapid.T) {
	session, firsts := drawMails(t)
	s := transmit(t, session, true)
	s.ended = true
	want := modelRows(session, true)
	dir := smtp.Direction(rapid.IntRange(0, 1).Draw(t, "direction"))
	begins := make([]int64, len(session)+1) // of each exchange's octets in that direction
	for i, x := range session {
		octets := x.sent
		if dir == smtp.FromServer {
			octets = x.reply
		}
		begins[i+1] = begins[i] + int64(len(octets))
	}
	total := begins[len(session)]
	from := rapid.Int64Range(0, total-1).Draw(t, "from")
	to := from + rapid.Int64Range(1, min(total-from, 300)).Draw(t, "octets")
	rows := s.run(lose(s.events, dir, from, to))
	for n := range 4 {
		if begins[firsts[n+1]] > from && begins[firsts[n]] < to {
			continue // the hole touches it
		}
		for _, w := range want {
			if w.mailNo == n+1 && !slices.ContainsFunc(rows, func(e *smtp.Envelope) bool {
				return e.Flags&^smtp.Smuggling == 0 && wrongRow(e, w, s.events, true) == ""
			}) {
				t.Errorf("octets %d to %d of direction %d missed: no row without a flag for %v", from, to, dir, w)
			}
		}
	}
	if checkLossy(t, rows, want, session, s.events); t.Failed() {
		for _, e := range rows {
			line, _ := e.MarshalJSON()
			t.Logf("%s", line)
		}
		t.Fatalf("%s", describe(lose(s.events, dir, from, to)))
	}
}

func TestProperty_OneHoleHarmsNoMailButThoseAroundIt(t *testing.T) { rapid.Check(t, propertyOneHole) }

func FuzzOneHole(f *testing.F) { f.Fuzz(rapid.MakeFuzz(propertyOneHole)) }
