package reassembly

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// threeMails is a session of three mails, in segments of so many octets, with time enough before each mail for a hole
// to be given up.
func threeMails(t testing.TB, chunk int, six bool) *wire {
	w := newWire(t, 1000, 9000, chunk)
	w.frames = nil
	if six {
		w.client, w.server = decodetest.Client6, decodetest.Server6
	}
	w.shake()
	w.script(begin)
	for _, n := range []string{"1", "2", "3"} {
		w.ack(client)
		first := len(w.frames)
		w.script(mail(n))
		w.frames[first].wait = 3 * time.Second
	}
	w.script(end)
	w.close()
	at := time.Duration(0)
	for i := range w.frames {
		at += time.Millisecond + w.frames[i].wait
		w.frames[i].at, w.frames[i].made = at, w.frames[i].s.IP(t).Data
	}
	return w
}

// text is the part of a row that a loss elsewhere must not change.
func text(e *smtp.Envelope) string {
	s := func(p *string) string {
		if p == nil {
			return "-"
		}
		return *p
	}
	size := int64(-1)
	if e.MessageBytes != nil {
		size = *e.MessageBytes
	}
	return fmt.Sprint(s(e.MailFrom), " ", s(e.RcptTo), " ", e.MailCode, e.RcptCode, e.DataCode, " ", e.Outcome, " ",
		size)
}

func wholeMail(n int) string {
	return fmt.Sprintf("a%d@a.example b%d@b.example 250 250 250 accepted 5", n, n)
}

// honest says what is wrong with rows of threeMails from which something is missing: each address must have been sent,
// in one mail with the other, and come once; a row without a flag must be as if nothing was missing.
func honest(rows []smtp.Envelope) string {
	came := map[string]bool{}
	for i := range rows {
		e := &rows[i]
		from, to := "", ""
		if e.MailFrom != nil {
			from = *e.MailFrom
		}
		if e.RcptTo != nil {
			to = *e.RcptTo
		}
		n := strings.IndexAny(from+to, "123")
		want := func(letter string) string { return letter + (from + to)[n:n+1] + "@" + letter + ".example" }
		switch {
		case e.MailFrom == nil && e.RcptTo == nil:
			if e.Flags == 0 {
				return "a row of nothing without a flag"
			}
			continue
		case n < 0 || e.MailFrom != nil && from != want("a") || e.RcptTo != nil && to != want("b"):
			return fmt.Sprintf("%q to %q was not sent", from, to)
		case e.MailFrom != nil && came[from] || e.RcptTo != nil && came[to]:
			return fmt.Sprintf("%q to %q came twice", from, to)
		case e.Flags == 0 && text(e) != wholeMail(int((from + to)[n]-'0')):
			return "no flag on " + text(e)
		}
		came[from], came[to] = e.MailFrom != nil, e.RcptTo != nil
	}
	return ""
}

// right says whether the n-th of threeMails is there as if nothing was missing, with just these flags.
func right(rows []smtp.Envelope, n int, flags smtp.Flags) bool {
	return slices.ContainsFunc(rows, func(e smtp.Envelope) bool { return text(&e) == wholeMail(n) && e.Flags == flags })
}

// mailBegins gives the place of the first segment of the n-th MAIL.
func (w *wire) mailBegins(n int) int {
	octets := uint32(len("EHLO client.example\r\n") + (n-1)*(26+24+6+5+3))
	return slices.IndexFunc(w.frames, func(f timed) bool {
		return f.side == client && f.s.Seq == w.isn[client]+1+octets && len(f.s.Payload) > 0
	})
}

func TestAssembler_MidstreamStartAtEveryPacket(t *testing.T) {
	for _, six := range []bool{false, true} {
		for _, chunk := range []int{1460, 7} {
			w := threeMails(t, chunk, six)
			for k := range w.frames {
				rows, _ := replayed(t, Config{}, w.frames[k:])
				if wrong := honest(rows); wrong != "" {
					t.Errorf("segments of %d, from the %dth on: %s", chunk, k+1, wrong)
				}
				flags := smtp.Flags(0)
				if k > 1 { // neither SYN nor SYN-ACK
					flags = smtp.Midstream
				}
				for i := range rows {
					if rows[i].Flags&smtp.Midstream != flags {
						t.Errorf("segments of %d, from the %dth on: a row with flags %v", chunk, k+1,
							rows[i].Flags.Names())
					}
				}
				for n := 1; n <= 3; n++ {
					if k <= w.mailBegins(n) && !right(rows, n, flags) {
						t.Errorf("segments of %d, from the %dth on: mail %d is not right", chunk, k+1, n)
					}
				}
			}
		}
	}
}

func TestAssembler_DirectionMissingFromEveryPacketOn(t *testing.T) {
	for _, chunk := range []int{1460, 7} {
		w := threeMails(t, chunk, false)
		for side := range 2 {
			for k := range w.frames {
				var kept, appears []timed // the direction goes missing, or appears
				for i, f := range w.frames {
					if f.side != side || i < k {
						kept = append(kept, f)
					}
					if f.side != side || i >= k {
						appears = append(appears, f)
					}
				}
				for name, frames := range map[string][]timed{"missing": kept, "appearing": appears} {
					rows, _ := replayed(t, Config{}, frames)
					if wrong := honest(rows); wrong != "" {
						t.Errorf("side %d %s from the %dth segment of %d octets on: %s", side, name, k+1, chunk, wrong)
					}
					for n := 1; n <= 3; n++ {
						whole := name == "missing" && n < 3 && k > w.mailBegins(n+1) ||
							name == "missing" && k == len(w.frames)-1 || name == "appearing" && k <= 2
						if whole && !right(rows, n, 0) {
							t.Errorf("side %d %s from the %dth segment of %d octets on: mail %d is not right", side,
								name, k+1, chunk, n)
						}
					}
				}
			}
		}
	}
}

// TestAssembler_AnyRangeOfBytesCutOut loses every range of some lengths of either stream: an address that was cut is
// not in the rows, nor one made of what stood before and behind the hole, and the mails that are whole are right.
func TestAssembler_AnyRangeOfBytesCutOut(t *testing.T) {
	cutOut(t, func(w *wire, side int, from, to uint32) bool { return !w.joinsData(side, from, to) })
}

// TestAssembler_SmallRangeCutOutAtData does what is left of it.
func TestAssembler_SmallRangeCutOutAtData(t *testing.T) {
	cutOut(t, (*wire).joinsData)
}

func cutOut(t *testing.T, chosen func(w *wire, side int, from, to uint32) bool) {
	for _, chunk := range []int{1460, 11} {
		w := threeMails(t, chunk, chunk == 11)
		for side := range 2 {
			for _, n := range []uint32{1, 5, 14, 40, 120} {
				for from := uint32(0); from+n <= w.sent[side]-1; from++ {
					if to := from + n; chosen(w, side, from, to) && (from%5 == 0 || chunk > 11 && !testing.Short()) {
						w.checkWithout(t, side, from, to)
					}
				}
			}
		}
	}
}

func (w *wire) checkWithout(t *testing.T, side int, from, to uint32) {
	rows, _ := replayed(t, Config{}, w.without(side, from, to))
	if wrong := honest(rows); wrong != "" {
		t.Errorf("side %d without octets %d to %d, segments of %d: %s", side, from, to, w.chunk, wrong)
	}
	for _, whole := range w.untouched(side, from, to) {
		if !right(rows, whole, 0) {
			t.Errorf("side %d without octets %d to %d, segments of %d: mail %d is not right", side, from, to, w.chunk,
				whole)
		}
	}
}

// joinsData says whether the range is a small one from the end of RCPT to the body.
func (w *wire) joinsData(side int, from, to uint32) bool {
	at := from - min(from, 21)
	return side == client && to-from < 6 && from >= 21 && at%64 >= 45 && at%64 < 61
}

// without cuts octets out of one stream.
func (w *wire) without(side int, from, to uint32) (out []timed) {
	for _, f := range w.frames {
		n := uint32(len(f.s.Payload))
		off := f.s.Seq - w.isn[side] - 1
		if f.side != side || n == 0 || off+n <= from || off >= to {
			out = append(out, f)
			continue
		}
		f.made = nil
		if off < from {
			head := f
			head.s.Payload = f.s.Payload[:from-off]
			out = append(out, head)
		}
		if off+n > to {
			f.s.Payload = f.s.Payload[to-off:]
			f.s.Seq += to - off
			out = append(out, f)
		}
	}
	return out
}

// untouched lists the mails of which the range holds nothing.
func (w *wire) untouched(side int, from, to uint32) (out []int) {
	head, each := uint32(len("EHLO client.example\r\n")), uint32(26+24+6+5+3)
	if side == server {
		head, each = uint32(len("220 mx.example ESMTP\r\n250 mx.example\r\n")), 21+24+8+17
	}
	for n := range uint32(3) {
		if begin := head + n*each; to < begin || from >= begin+each { // with the line end before it

			out = append(out, int(n)+1)
		}
	}
	return out
}
