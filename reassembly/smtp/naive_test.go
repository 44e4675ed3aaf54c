package smtp

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is kept so that nothing is walked over twice is held here against a walk over everything, after each event.

// elements are those of a queue, in order.
func elements[T any](q *queue[T]) (list []*T) {
	for i := range q.len() {
		list = append(list, q.at(i))
	}
	return list
}

// first is the place of the first element for which f holds, the length if there is none.
func first[T any](list []*T, f func(*T) bool) int {
	if i := slices.IndexFunc(list, f); i >= 0 {
		return i
	}
	return len(list)
}

// naiveFlight is the first flight held, and what is held behind it.
func naiveFlight(d *Dialogue) (b []byte, next *piece) {
	for _, p := range elements(&d.backlog.pieces) {
		if p.lost > 0 || p.acked != d.backlog.head().acked {
			return b, p
		}
		b = append(b, p.data...)
	}
	return b, nil
}

func naiveLoneDot(b []byte) int {
	if i := bytes.LastIndex(b, []byte("\n.\r\n")); i >= 0 {
		return i + 4
	}
	if bytes.HasPrefix(b, []byte(".\r\n")) {
		return 3
	}
	return 0
}

func naiveCommands(b []byte) bool {
	for line := range bytes.Lines(b) {
		if !isCommand(line) {
			return false
		}
	}
	return bytes.HasSuffix(b, []byte("\n"))
}

// naiveAnchor says whether reply i is an anchor, or the first that answers what is not read yet.
func naiveAnchor(d *Dialogue, i int) bool {
	r, pending := d.match.replies.at(i), elements(&d.match.pending)
	if r.code == 221 && i == d.match.replies.len()-1 && len(pending) > 0 && pending[len(pending)-1].verb == verbQuit {
		return true
	}
	if r.acked > d.client.offset || slices.Contains([]uint16{354, 334, 235}, r.code) ||
		r.code == 220 && d.startsTLS(r) {
		return true
	}
	if n := first(pending, func(c *command) bool { return c.verb == verbEndOfData }); n < len(pending) {
		return r.end > pending[n].acked && r.acked >= pending[n].end && d.sync.serverHoleEnd <= pending[n].acked
	}
	return d.client.state == inData && i == 0 && len(pending) == 0
}

func checkPending(t *rapid.T, d *Dialogue) {
	pending, replies := elements(&d.match.pending), elements(&d.match.replies)
	mails, size := 0, 0
	for i, c := range pending {
		if c.verb.isMail() {
			mails++
		}
		if size += c.octets(); i > 0 && c.acked == severed && pending[i-1].acked == severed {
			t.Fatalf("two severing marks at %d", i)
		}
	}
	if mails != d.match.mails || size != d.match.size {
		t.Fatalf("%d of MAIL, RCPT and STARTTLS of %d octets, counted %d and %d", mails, size, d.match.mails,
			d.match.size)
	}
	for _, v := range []verb{verbEndOfData, verbData, verbAuth, verbQuit} {
		if got, want := d.match.next(v), first(pending, func(c *command) bool { return c.verb == v }); got != want {
			t.Fatalf("the next of verb %d is %d, want %d", v, got, want)
		}
	}
	offsets := []int64{0, d.sync.serverHoleEnd, d.server.offset, d.client.offset, d.sync.clientHoleEnd}
	for _, r := range replies {
		offsets = append(offsets, r.start, r.acked)
	}
	for _, x := range offsets {
		exact := first(pending, func(c *command) bool { return c.acked == x })
		more := first(pending, func(c *command) bool { return c.acked >= x && c.acked != severed })
		if got := [2]int{d.match.heard(x, true),
			d.match.heard(x, false)}; (got[0] < len(pending)) != (exact < len(pending)) || got[1] != more {
			t.Fatalf("commands sent at %d: %v, want %d and %d", x, got, exact, more)
		}
		if got, want := d.match.repliesUpTo(x), first(replies, func(r *reply) bool { return r.end > x }); got != want {
			t.Fatalf("%d replies up to %d, want %d", got, x, want)
		}
		if got, want := d.match.repliesTo(x), len(slices.DeleteFunc(slices.Clone(replies), func(r *reply) bool {
			return r.acked > x
		})); got != want {
			t.Fatalf("%d replies to %d, want %d", got, x, want)
		}
		if !d.backlog.empty() {
			want := slices.ContainsFunc(replies, func(r *reply) bool {
				return r.acked == x && r.code < 400 && r.end > d.backlog.head().acked
			})
			if got := d.match.answeredAt(x, d.backlog.head().acked); got != want {
				t.Fatalf("answered at %d: %v, want %v", x, got, want)
			}
		}
	}
}

func checkAnchored(t *rapid.T, d *Dialogue) {
	if !d.sync.uncertain || !d.seen[FromClient] || d.closed {
		return
	}
	before := d.match.recall().anchored
	from := d.anchorFrom(d.match.next(verbEndOfData))
	d.match.recall().anchored = before
	for i := range from {
		if naiveAnchor(d, i) {
			t.Fatalf("reply %d is an anchor, looked for from %d on", i, from)
		}
	}
}

func checkHeld(t *rapid.T, d *Dialogue) {
	held := elements(&d.backlog.pieces)
	off, octets, least := d.client.offset, int64(0), int64(math.MaxInt64)
	for i, p := range held {
		if p.off != off {
			t.Fatalf("held piece %d stands at %d, want %d", i, p.off, off)
		}
		off += int64(len(p.data)) + p.lost
		octets += int64(len(p.data)) + p.lost
		if p.lost == 0 {
			least = min(least, p.acked)
		}
	}
	if got := d.backlog.leastAcked(); octets != d.backlog.octets || got != least {
		t.Fatalf("%d octets held, least acknowledgment %d, want %d and %d", d.backlog.octets, got, octets, least)
	}
	var after *piece
	if i := first(held, func(p *piece) bool {
		return p.lost == 0 && (d.match.pending.len() == 0 || p.acked > d.match.pending.last().acked)
	}); i < len(held) {
		after = held[i]
	}
	if got := d.heldAfter(); got != after {
		t.Fatalf("held behind the last reply: %v, want %v", got, after)
	}
	n, next := d.backlog.flight()
	want, wantNext := naiveFlight(d)
	if n != len(want) || next != wantNext {
		t.Fatalf("a flight of %d octets, want %d", n, len(want))
	}
	if n == 0 {
		return
	}
	if got, want := d.backlog.loneDot(), naiveLoneDot(want); got != want {
		t.Fatalf("a lone dot at %d, want %d", got, want)
	}
	if got, want := d.backlog.areCommands(), naiveCommands(want); got != want {
		t.Fatalf("commands: %v, want %v", got, want)
	}
}

var naiveClient = strings.Split("EHLO h\r\n|MAIL FROM:<a%@a>\r\n|RCPT "+
	"TO:<r%@b>\r\n|DATA\r\n|DATA\r\nDATA\r\n|hi\r\n.\r\n|.\r\n|\r\n.|text\r\n|NOOP\r\n|RSET\r\n|QUIT\r\n|BDAT "+
	"5\r\nabcde|BDAT 0 LAST\r\n|BDAT x\r\n|AUTH LOGIN\r\n|AUTH PLAIN abc\r\n|dXNlcg==\r\n|STARTTLS\r\n|LHLO "+
	"h\r\n|TURN\r\n|BURL u LAST\r\n|XFORWARD ADDR=192.0.2.7\r\n|NOOP\n|RCPT TO:<l%@b>\n|X|\n|MAIL "+
	"FROM:<n%@a>\r\nRCPT TO:<m%@b>\r\nDATA\r\n", "|")

var naiveServer = strings.Split("220 ok\r\n|250 ok\r\n|250 ok\r\n250 ok\r\n|354 go\r\n|250-PIPELINING\r\n250 "+
	"CHUNKING\r\n|550 no\r\n|503 no\r\n|421 bye\r\n|221 bye\r\n|334 abc\r\n|235 ok\r\n|250-|EHLO s\r\n|junk\r\n", "|")

// drawEvents gives a dialogue events of few kinds, with holes and, in some, with acknowledgments that fall.
func drawEvents(t *rapid.T, d *Dialogue, after func(*rapid.T, *Dialogue)) {
	from := rapid.SampledFrom(naiveClient)
	if rapid.Bool().Draw(t, "few") {
		from = rapid.SampledFrom(rapid.SliceOfN(from, 1, 4).Draw(t, "commands"))
	}
	disorder := rapid.Bool().Draw(t, "disorder")
	var octets, acked [2]int64
	for i := range rapid.IntRange(1, 60).Draw(t, "events") {
		dir, data := Direction(rapid.IntRange(0, 1).Draw(t, "direction")), ""
		if dir == FromClient {
			data = strings.ReplaceAll(from.Draw(t, "command"), "%", strconv.Itoa(i))
		} else {
			data = rapid.SampledFrom(naiveServer).Draw(t, "reply")
		}
		ack := octets[1-dir] + int64(rapid.SampledFrom([]int{0, 0, 0, 0, -1, -8, -20, 9}).Draw(t, "acknowledges"))
		if !disorder {
			ack = max(ack, acked[dir])
		}
		acked[dir] = max(ack, 0)
		octets[dir] += int64(len(data))
		switch rapid.IntRange(0, 9).Draw(t, "event") {
		case 0, 1:
			d.Lost(dir, time.Unix(int64(i), 0), int64(len(data)))
		case 2:
			d.Conflict(dir)
			octets[dir] -= int64(len(data))
		default:
			d.Push(dir, time.Unix(int64(i), 0), []byte(data), acked[dir])
		}
		after(t, d)
	}
}

func TestDialogue_WhatIsRememberedIsWhatAWalkOverEverythingFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{MaxLine: 512, MaxHeld: 1024, MaxPending: 64, MaxReplies: 16, MaxRcpt: 16}
		d := New(&cfg, Session{Midstream: rapid.IntRange(0, 5).Draw(t, "midstream") == 5})
		drawEvents(t, d, func(t *rapid.T, d *Dialogue) {
			if rapid.IntRange(0, 2).Draw(t, "look") == 0 {
				return // what is asked is remembered
			}
			checkPending(t, d)
			checkAnchored(t, d)
			checkHeld(t, d)
		})
		d.Close(time.Unix(100, 0), true)
	})
}
