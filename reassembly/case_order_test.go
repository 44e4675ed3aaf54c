package reassembly

import (
	"strings"
	"testing"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// orderCases are losses, reordering, duplication and retransmission in either direction.
func orderCases() []scenario {
	return append(lossCases(), []scenario{
		{name: "plain", build: (*wire).oneMail, rows: []row{accepted(1, "")}},
		{name: "reorder-client", build: func(w *wire) {
			w.pipelined()
			w.later("MAIL", 2)
			w.later("one", 2)
		}, rows: []row{accepted(1, "")}},
		{name: "reorder-server", build: func(w *wire) {
			w.pipelined()
			w.later("250 2.1.0", 2)
		}, rows: []row{accepted(1, "")}},
		{name: "reorder-fin-before-the-last-data", build: func(w *wire) {
			w.oneMail()
			w.later("QUIT", 2) // its FIN comes first
			w.later("221", 2)
		}, rows: []row{accepted(1, "")}},
		{name: "reorder-banner-after-ehlo", build: func(w *wire) {
			w.oneMail()
			w.later("220", 1)
		}, rows: []row{accepted(1, "")}},
		{name: "duplicate-client", build: func(w *wire) {
			w.oneMail()
			w.copyOf("RCPT", 1, same)
			w.copyOf("one", 3, same)
		}, rows: []row{accepted(1, "")}, stats: duplicate(len(rcptLine) + 5)},
		{name: "duplicate-server", build: func(w *wire) {
			w.oneMail()
			w.copyOf("250 2.1.0", 1, same)
			w.copyOf("354", 3, same)
		}, rows: []row{accepted(1, "")}, stats: duplicate(21 + 8)},
		{name: "span-duplicates", build: func(w *wire) {
			w.oneMail()
			w.each(func(f timed) []timed { return []timed{f, f} })
		}, rows: []row{accepted(1, "")}},
		{name: "span-duplicates-one-copy-tagged", build: func(w *wire) {
			w.oneMail()
			w.each(func(f timed) []timed { return []timed{f, tagged(f)} })
		}, rows: []row{accepted(1, "")}},
		{name: "span-duplicates-late", build: func(w *wire) { // the second copy comes three segments later
			w.oneMail()
			last := w.frames
			w.frames = nil
			for i := range len(last) + 3 {
				if i < len(last) {
					w.frames = append(w.frames, last[i])
				}
				if i >= 3 {
					w.frames = append(w.frames, tagged(last[i-3]))
				}
			}
		}, rows: []row{accepted(1, "")}},
		{name: "retransmission-other-boundaries-client", build: func(w *wire) {
			w.pipelined()
			w.copyOf("DATA", 1, func(f *timed) { // from the middle of MAIL on
				f.s.Seq -= uint32(len(mailLine) - 7 + len(rcptLine))
				f.s.Payload = []byte(mailLine[7:] + rcptLine + "DATA\r\n")
			})
		}, rows: []row{accepted(1, "")}, stats: duplicate(len(mailLine) - 7 + len(rcptLine) + 6)},
		{name: "retransmission-other-boundaries-server", build: func(w *wire) {
			w.pipelined()
			w.copyOf("354", 1, func(f *timed) {
				f.s.Seq -= 24
				f.s.Payload = []byte("250 2.1.5 recipient ok\r\n354 go\r\n")
			})
		}, rows: []row{accepted(1, "")}, stats: duplicate(32)},
		{name: "retransmission-fills-a-loss-client", build: func(w *wire) {
			w.pipelined()
			w.drop("RCPT")
			w.copyOf("DATA", 4, func(f *timed) { // RCPT with the ends of its neighbours
				f.s.Seq -= uint32(len(rcptLine) + 4)
				f.s.Payload = []byte(mailLine[len(mailLine)-4:] + rcptLine + "DA")
			})
		}, rows: []row{accepted(1, "")}, stats: duplicate(6)},
		{name: "retransmission-fills-a-loss-server", build: func(w *wire) {
			w.pipelined()
			f := w.frames[w.find("250 2.1.5")]
			w.drop("250 2.1.5")
			f.s.Payload = append(f.s.Payload, "354 "...)
			i := w.find("354")
			w.frames = append(w.frames[:i+1:i+1], append([]timed{f}, w.frames[i+1:]...)...)
		}, rows: []row{accepted(1, "")}, stats: duplicate(4)},
		{name: "ack-before-data-client", build: func(w *wire) { // the reply is captured before the command
			w.oneMail()
			w.later("MAIL", 1)
			w.later("RCPT", 1)
			w.later("DATA", 1)
			w.later(".", 1)
		}, rows: []row{accepted(1, "")}},
		{name: "ack-before-data-server", build: func(w *wire) { // the next command is captured before the reply
			w.oneMail()
			w.later("250 2.1.0", 1)
			w.later("250 2.1.5", 1)
			w.later("354", 1)
			w.later("250 2.0.0", 1)
		}, rows: []row{accepted(1, "")}},
	}...)
}

// lossCases lose one segment each.
func lossCases() []scenario {
	lose := func(prefix string) func(*wire) { return func(w *wire) { w.oneMail(); w.drop(prefix) } }
	of3 := func(prefix string) func(*wire) { return func(w *wire) { w.session("1", "2", "3"); w.drop(prefix) } }
	one := accepted(1, "")
	return []scenario{
		{name: "loss-client-body", build: lose("one"), rows: []row{one.with(gap(5)...).with("message_bytes", nil)}},
		{name: "loss-client-final-dot", build: lose("."), rows: []row{one.with(gap(3)...).with("message_bytes", nil)}},
		{name: "loss-client-ehlo", build: lose("EHLO"), rows: []row{one.with("helo", nil, "lost_bytes", 21)}},
		{name: "loss-client-mail", build: of3("MAIL FROM:<a2"), rows: []row{
			accepted(1, "1"), {"mail_from": nil, "rcpt_to": "b2@b.example", "lost_bytes": 26, "flags": []string{"gap"}},
			accepted(3, "3").with("lost_bytes", 26)}},
		{name: "loss-client-rcpt", build: of3("RCPT TO:<b2"), rows: []row{
			accepted(1, "1"), {"mail_from": "a2@a.example", "rcpt_to": nil, "lost_bytes": 24, "flags": []string{"gap"}},
			accepted(3, "3").with("lost_bytes", 24)}},
		{name: "loss-server-banner", build: lose("220"), rows: []row{one.with("lost_bytes", 22)}},
		{name: "loss-server-reply-to-mail", build: lose("250 2.1.0"),
			rows: []row{one.with(gap(21)...).with("mail_code", nil)}},
		{name: "loss-server-reply-to-rcpt", build: lose("250 2.1.5"),
			rows: []row{one.with(gap(24)...).with("rcpt_code", nil, "outcome", "unknown")}},
		{name: "loss-server-354", build: lose("354"), rows: []row{one.with(gap(8)...)}},
		{name: "loss-server-final-reply", build: of3("250 2.0.0"), rows: []row{
			accepted(1, "1").with(gap(17)...).with("data_code", nil, "outcome", "unknown"),
			accepted(2, "2").with("lost_bytes", 17), accepted(3, "3").with("lost_bytes", 17)}},
	}
}

// pipelined is a session of one mail whose envelope comes in one flight of three segments, and so do its replies.
func (w *wire) pipelined() {
	w.shake()
	w.script(begin + "C: MAIL FROM:<a@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\nS: 250 2.1.0 sender ok\nS: 250 " +
		"2.1.5 recipient ok\nS: 354 go\n" +
		"C: one\nC: .\nS: 250 2.0.0 taken\n" + end)
	w.close()
}

func same(*timed) {}

func tagged(f timed) timed {
	f.wrap = as(func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.VLAN(t, 0x8100, 7) })
	return f
}

// duplicate asserts how many octets were seen before, and that none conflicted.
func duplicate(octets int) func(*testing.T, Stats) {
	return func(t *testing.T, s Stats) {
		if s.DuplicateBytes != int64(octets) || s.Conflicts != 0 || s.LostBytes != 0 {
			t.Errorf("%d duplicate octets, want %d; %d conflicts, %d lost", s.DuplicateBytes, octets, s.Conflicts,
				s.LostBytes)
		}
	}
}

// segmentCases are segments of unusual size or kind.
func segmentCases() []scenario {
	body := strings.Repeat("A line of a message that has seventy-eight octets with its line end, as usual.\r\n", 1600)
	return []scenario{
		{name: "one-byte-segments", build: func(w *wire) {
			w.shake()
			w.script(begin)
			w.chunk = 1
			w.script("C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\n")
			w.chunk = 1460
			w.script("C: DATA\nS: 354 go\nC: one\nC: .\nS: 250 ok\n" + end)
			w.close()
		}, rows: []row{accepted(1, "")}},
		{name: "gro-segments-of-64-kb", goOnly: true, build: func(w *wire) {
			w.shake()
			w.chunk = 65400
			w.script(begin +
				"C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\n")
			w.say(client, body+".\r\n")
			w.script("S: 250 ok\n" + mail("2") + end)
			w.close()
			w.copyOf(body[:40], 2, same) // and the first of them again
		}, rows: []row{accepted(1, "").with("message_bytes", len(body)), accepted(2, "2")}},
		{name: "keep-alive-zero-octet", build: keepAlive([]byte{0}), rows: []row{accepted(1, "")}, stats: duplicate(2)},
		{name: "keep-alive-garbage-octet", build: keepAlive([]byte{'X'}), rows: []row{accepted(1, "")},
			stats: duplicate(2)},
		{name: "keep-alive-without-octet", build: keepAlive(nil), rows: []row{accepted(1, "")}, stats: duplicate(0)},
		{name: "zero-window-probe-of-one-new-octet", build: func(w *wire) {
			w.oneMail()
			probe := func(f *timed) { f.s.Payload = f.s.Payload[:1] }
			w.copyOf("one", 0, probe)
			w.copyOf("250 2.0.0", 0, probe)
		}, rows: []row{accepted(1, "")}, stats: duplicate(2)},
		// a server may have read the line without that octet
		{name: "urgent-data-is-read-in-line", build: func(w *wire) {
			w.oneMail()
			w.change("RCPT", func(f *timed) { f.s.Flags |= decode.URG; f.s.Urgent = 10 })
		}, rows: []row{accepted(1, "", "conflict")}},
		{name: "urgent-pointer-without-data", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.ACK | decode.URG})
		}, rows: []row{accepted(1, "")}},
		{name: "window-updates-and-repeated-acks", build: func(w *wire) {
			w.oneMail()
			for range 3 {
				w.before("DATA", server, decodetest.Segment{Flags: decode.ACK, Window: 1})
				w.before("354", client, decodetest.Segment{Flags: decode.ACK, Window: 100})
			}
		}, rows: []row{accepted(1, "")}},
	}
}

// keepAlive has both sides send one octet that was acknowledged before.
func keepAlive(octet []byte) func(*wire) {
	return func(w *wire) {
		w.oneMail()
		w.before("RCPT", client, decodetest.Segment{Flags: decode.ACK, Seq: ^uint32(0), Payload: octet})
		w.before("DATA", server, decodetest.Segment{Flags: decode.ACK, Seq: ^uint32(0), Payload: octet})
	}
}
