package smtp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"tap25/reassembly/smtp"
)

// transmit draws how a session passed on the wire: which commands went out before which replies came back, in which
// segments, and what each sender had received by then. The events stand in the order in which they were sent.
func transmit(t *rapid.T, session []exchange, groups bool) *script {
	w := wire{t: t, session: session, groups: groups, script: new(script)}
	for w.answered < len(session) {
		canSend := w.sent < len(session) && w.needs() <= w.answered
		canAnswer := w.answered < w.sent || w.answered < len(session) && session[w.answered].kind == xGreeting
		if canSend && (!canAnswer || rapid.Bool().Draw(t, "client sends")) {
			w.send()
		} else {
			w.answer()
		}
	}
	w.closed = epoch.Add(time.Duration(len(w.events)) * time.Second)
	return w.script
}

type wire struct {
	*script
	t        *rapid.T
	session  []exchange
	groups   bool // each group of commands goes out whole
	sent     int  // exchanges of which the client sent its part
	answered int
	octets   [2]int64
	acked    [2]int64 // the last acknowledgment that each side sent
	floor    int64    // octets of replies that the client must have received
}

// needs returns how many exchanges must be answered before the next can be sent.
func (w *wire) needs() int {
	for i := w.sent - 1; i >= 0; i-- {
		if w.session[i].waits {
			return i + 1
		}
	}
	if w.sent == 0 && w.session[0].waits {
		return 1
	}
	return 0
}

func (w *wire) send() {
	if w.session[w.sent].kind == xGreeting {
		w.sent++
		return
	}
	data := ""
	for {
		x := w.session[w.sent]
		data += x.sent
		w.sent++
		if x.waits || w.sent == len(w.session) || !w.groups && rapid.IntRange(0, 5).Draw(w.t, "flush") == 0 {
			break
		}
	}
	w.push(smtp.FromClient, data, max(w.floor, w.acked[smtp.FromClient]))
}

func (w *wire) answer() {
	data, covered := "", int64(0)
	for w.answered < max(w.sent, 1) {
		x := w.session[w.answered]
		data += x.reply
		covered = x.offset + int64(len(x.sent))
		w.answered++
		if x.waits {
			w.floor = w.octetsAfter(data)
		}
		if rapid.IntRange(0, 5).Draw(w.t, "flush") == 0 {
			break
		}
	}
	if data != "" {
		w.push(smtp.FromServer, data, max(covered, w.acked[smtp.FromServer]))
	}
}

func (w *wire) octetsAfter(data string) int64 { return w.octets[smtp.FromServer] + int64(len(data)) }

// push adds a segment that acknowledges at least least octets of the other side.
func (w *wire) push(dir smtp.Direction, data string, least int64) {
	acked := w.octets[1-dir]
	if rapid.Bool().Draw(w.t, "acknowledges late") {
		acked = least
	}
	w.acked[dir] = acked
	w.octets[dir] += int64(len(data))
	w.events = append(w.events, event{kind: pushed, dir: dir, t: epoch.Add(time.Duration(len(w.events)) * time.Second),
		data: []byte(data), acked: acked})
}

// chop cuts segments into pieces.
func chop(t *rapid.T, events []event) []event {
	var pieces []event
	for _, e := range events {
		for len(e.data) > 1 && rapid.IntRange(0, 2).Draw(t, "cut") > 0 {
			piece := e
			n := rapid.IntRange(1, len(e.data)-1).Draw(t, "at")
			piece.data, e.data = e.data[:n], e.data[n:]
			pieces = append(pieces, piece)
		}
		pieces = append(pieces, e)
	}
	return pieces
}

// shuffle draws the order of a capture whose directions run apart: each keeps its own order.
func shuffle(t *rapid.T, events []event) []event {
	var queues [2][]event
	for _, e := range events {
		queues[e.dir] = append(queues[e.dir], e)
	}
	var order []event
	for len(queues[0])+len(queues[1]) > 0 {
		dir := rapid.IntRange(0, 1).Draw(t, "direction")
		n := min(rapid.IntRange(1, 4).Draw(t, "run"), len(queues[dir]))
		order = append(order, queues[dir][:n]...)
		queues[dir] = queues[dir][n:]
		if n == 0 {
			order, queues[1-dir] = append(order, queues[1-dir]...), nil
		}
	}
	return order
}

// timeOf returns when the client's octet at offset was captured.
func timeOf(events []event, offset int64) time.Time {
	for _, e := range events {
		if e.dir == smtp.FromClient {
			if offset < int64(len(e.data)) {
				return e.t
			}
			offset -= int64(len(e.data))
		}
	}
	return time.Time{}
}

// wrongRow compares a row with the model's; lossy: with what may differ where bytes outside the transaction were lost.
func wrongRow(e *smtp.Envelope, want modelRow, sent []event, lossy bool) string {
	got := modelRow{
		mailNo: e.MailNo, from: text(e.MailFrom), to: text(e.RcptTo), mailCode: e.MailCode, rcptCode: e.RcptCode,
		dataCode: e.DataCode,
		outcome:  e.Outcome, bytes: -1, helo: text(e.HELO), queue: text(e.QueueID), auth: e.Auth, offset: want.offset,
	}
	if e.MessageBytes != nil {
		got.bytes = *e.MessageBytes
	}
	if want.bytes == -2 {
		got.bytes = -2
	}
	if want.mailCode >= 400 {
		got.dataCode = want.dataCode // the MAIL decided; the record does not say whether a DATA behind it counts
	}
	if lossy {
		got.mailNo, got.helo, got.auth = want.mailNo, want.helo, want.auth
	}
	if got != want {
		return fmt.Sprintf("got  %v\nwant %v", got, want)
	}
	if at := timeOf(sent, want.offset); want.from != "-" && !e.SeenAt.Equal(at) {
		return fmt.Sprintf("seen_at %v, want %v", e.SeenAt, at)
	}
	return ""
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// checkComplete holds the rows of a dialogue without losses against the model.
func checkComplete(t *rapid.T, how string, rows []*smtp.Envelope, want []modelRow, sent []event) {
	for i := range min(len(rows), len(want)) {
		if wrong := wrongRow(rows[i], want[i], sent, false); wrong != "" {
			t.Errorf("%s: row %d:\n%s", how, i+1, wrong)
		}
		if rows[i].Flags&^smtp.Smuggling != 0 || rows[i].LostBytes != 0 {
			t.Errorf("%s: row %d: flags %v, %d bytes lost", how, i+1, rows[i].Flags.Names(), rows[i].LostBytes)
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%s: %d rows, want %d: %v", how, len(rows), len(want), want)
	}
}

func describe(events []event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%c%s acked=%d %.2000q\n", "CS"[e.dir], map[eventKind]string{lost: "!"}[e.kind], e.acked,
			e.data)
	}
	return b.String()
}

// Any split of the bytes, and any order of the two directions' segments, gives the rows that the model gives.
func propertyComplete(t *rapid.T) {
	session, ended := drawSession(t, false)
	s := transmit(t, session, false)
	s.ended = ended
	want := modelRows(session, ended)
	if checkComplete(t, "as sent", s.run(s.events), want, s.events); t.Failed() {
		t.Fatalf("%s", describe(s.events))
	}
	pieces := chop(t, s.events)
	checkComplete(t, "cut", s.run(pieces), want, s.events)
	checkComplete(t, "octet by octet", s.run(s.octets()), want, s.events)
	order := shuffle(t, pieces)
	if checkComplete(t, "in another order", s.run(order), want, s.events); t.Failed() {
		t.Fatalf("%s", describe(order))
	}
}

// With bytes lost, nothing is joined, invented or doubled, and a row without flags is the one of the lossless dialogue.
func propertyLossy(t *rapid.T) {
	session, ended := drawSession(t, true)
	s := transmit(t, session, true)
	s.ended = ended
	want := modelRows(session, ended)
	events := chop(t, s.events)
	for i := range events {
		if rapid.IntRange(0, 7).Draw(t, "lost") == 7 {
			events[i].kind = lost
		}
	}
	rows := s.run(events)
	if checkLossy(t, rows, want, session, s.events); t.Failed() {
		t.Fatalf("model %v\n%s", want, describe(events))
	}
}

func checkLossy(t *rapid.T, rows []*smtp.Envelope, want []modelRow, session []exchange, sent []event) {
	seen := map[string]bool{}
	for _, e := range rows {
		if e.SeenAt.IsZero() {
			t.Errorf("a row without a time (flags %v)", e.Flags.Names())
		}
		from, to := text(e.MailFrom), text(e.RcptTo)
		isSent := slices.ContainsFunc(want, func(w modelRow) bool {
			return w.to == to && (from == "-" || w.from == from)
		})
		if to == "-" {
			isSent = from == "-" || slices.ContainsFunc(session, func(x exchange) bool {
				return x.kind == xMail && x.arg == from
			})
		}
		if !isSent {
			t.Errorf("%s > %s was not sent together (flags %v)", from, to, e.Flags.Names())
		}
		if to != "-" && seen[to] {
			t.Errorf("two rows for %s", to)
		}
		seen[to] = true
		if e.Flags != 0 {
			continue
		}
		var wrong string
		for _, w := range want {
			if wrong = wrongRow(e, w, sent, true); wrong == "" {
				break
			}
		}
		if wrong != "" {
			line, _ := e.MarshalJSON()
			t.Errorf("not flagged, yet no row of the lossless dialogue: %s", line)
		}
	}
}

// 5,000 cases each, see TestMain.
func TestProperty_AnySplitAndOrderGivesTheModelsRows(t *testing.T) { rapid.Check(t, propertyComplete) }

func TestProperty_LossNeverJoinsOrInventsARow(t *testing.T) { rapid.Check(t, propertyLossy) }

func FuzzDialogue(f *testing.F)      { f.Fuzz(rapid.MakeFuzz(propertyComplete)) }
func FuzzLossyDialogue(f *testing.F) { f.Fuzz(rapid.MakeFuzz(propertyLossy)) }
