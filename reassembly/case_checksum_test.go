package reassembly

import (
	"testing"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// spoil gives the segments of some sides that hold octets a wrong checksum: what is left if a host merges segments, or
// if a capture was edited.
func (w *wire) spoil(wrap func(testing.TB, decodetest.Wrapped) []decodetest.Wrapped, sides ...int) {
	for i := range w.frames {
		for _, s := range sides {
			if w.frames[i].side == s && len(w.frames[i].s.Payload) > 0 {
				w.frames[i].wrap = wrap
			}
		}
	}
}

// oneFlight is a session of one mail whose envelope, and whose message, the capture shows as one frame each.
func (w *wire) oneFlight() {
	w.shake()
	w.script(begin)
	w.say(client, mailLine+rcptLine+"DATA\r\n")
	w.ack(server)
	w.say(server, "250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n354 go\r\n")
	w.say(client, "one\r\n.\r\n")
	w.ack(server)
	w.script("S: 250 2.0.0 taken\n" + end)
	w.close()
}

// wrongChecksumCases are segments with a wrong checksum that the receiver took, or did not, between others that are
// right.
func wrongChecksumCases() []scenario {
	one := accepted(1, "")
	bad := func(f *timed) { f.wrap = corruptTCP }
	spoilt := func(wrap func(testing.TB, decodetest.Wrapped) []decodetest.Wrapped, sides ...int) func(*wire) {
		return func(w *wire) { w.oneMail(); w.spoil(wrap, sides...) }
	}
	whole := "RSET\r\nMAIL FROM:<evil@a.example>\r\nRCPT TO:<evil@b.example>\r\n"
	return []scenario{
		{name: "wrong-checksum-client", build: spoilt(corruptTCP, client), rows: []row{one}},
		{name: "wrong-checksum-server", build: spoilt(corruptTCP, server), rows: []row{one}},
		{name: "wrong-checksum-both", build: spoilt(corruptTCP, client, server), rows: []row{one}, stats: nothingLost},
		{name: "wrong-checksum-both", build: spoilt(corruptTCP, client, server), checksum: Off, rows: []row{one}},
		{name: "wrong-checksum-both", build: spoilt(corruptTCP, client, server), checksum: Strict},
		{name: "wrong-checksum-of-the-pseudo-header", build: spoilt(offloaded, client, server), rows: []row{one}},
		{name: "wrong-checksum-merged-flight", build: func(w *wire) {
			w.oneFlight()
			w.spoil(offloaded, client)
		}, rows: []row{one}},
		{name: "wrong-checksum-of-every-other-segment", build: func(w *wire) {
			w.oneMail()
			for i := range w.frames {
				if i%2 == 1 {
					bad(&w.frames[i])
				}
			}
		}, rows: []row{one}},
		{name: "wrong-checksum-syn", build: func(w *wire) { w.oneMail(); bad(&w.frames[0]) }, rows: []row{one}},
		{name: "wrong-checksum-syn-and-syn-ack", build: func(w *wire) {
			w.oneMail()
			bad(&w.frames[0])
			bad(&w.frames[1])
		}, rows: []row{one}},
		{name: "wrong-checksum-fin", build: func(w *wire) {
			w.oneMail()
			bad(&w.frames[len(w.frames)-3])
			bad(&w.frames[len(w.frames)-2])
		}, rows: []row{one}, stats: nothingLost},
		{name: "wrong-checksum-reordered", build: func(w *wire) { // each command is captured after the reply to it
			w.oneMail()
			w.spoil(corruptTCP, client, server)
			for _, command := range []string{"MAIL", "RCPT", "DATA", "."} {
				w.later(command, 1)
			}
		}, rows: []row{one}},
		{name: "wrong-checksum-and-a-loss", build: func(w *wire) {
			w.oneMail()
			w.spoil(corruptTCP, client)
			w.drop("one")
		}, rows: []row{one.with(gap(5)...).with("message_bytes", nil)}},
		{name: "wrong-checksum-client-alone", build: func(w *wire) {
			w.oneMail()
			w.each(func(f timed) []timed {
				if f.side == server {
					return nil
				}
				return []timed{f}
			})
			w.change("RCPT", bad)
		}, rows: []row{accepted(1, "", "one-sided").with("mail_code", nil, "rcpt_code", nil, "data_code", nil,
			"outcome", "unknown")}},
		// and no right one: nobody can say which the server took
		{name: "wrong-checksum-two-versions", build: func(w *wire) {
			w.oneMail()
			w.change("RCPT", bad)
			w.copyOf("RCPT", 1, other)
		}, rows: []row{accepted(1, "", "conflict")}},
		{name: "wrong-checksum-damaged-and-sent-again", build: func(w *wire) { // as a whole
			w.oneFlight()
			w.copyOf("MAIL", 0, func(f *timed) { bad(f); f.s.Payload[12] = 'x' })
		}, rows: []row{one}},
		{name: "wrong-checksum-after-the-last-command", build: func(w *wire) { // the server never acknowledged it
			w.oneMail()
			w.before("221", client, decodetest.Segment{Flags: decode.ACK, Payload: []byte(whole)})
			w.change("RSET", bad)
		}, rows: []row{one}},
		// and what it adds is never acknowledged
		{name: "wrong-checksum-longer-than-the-command", build: func(w *wire) {
			w.oneMail()
			w.copyOf("RCPT", 0, func(f *timed) { bad(f); f.s.Payload = append(f.s.Payload, whole...) })
		}, rows: []row{one}},
	}
}

// decoyChecksumCases are decoys in the place of a RCPT that the server took, or near it.
func decoyChecksumCases() []scenario {
	decoy := func(f *timed) { f.wrap = corruptTCP; other(f) }
	late := func(w *wire) { // the reply is captured before the command
		w.oneMail()
		w.later("RCPT", 1)
	}
	return []scenario{
		{name: "decoy-checksum-acknowledged-before", build: func(w *wire) {
			late(w)
			w.copyOf("RCPT", 0, decoy)
		}, rows: []row{accepted(1, "")}},
		{name: "decoy-checksum-acknowledged-after", build: func(w *wire) {
			late(w)
			w.copyOf("RCPT", 1, decoy)
		}, rows: []row{accepted(1, "")}},
		{name: "decoy-checksum-before-a-hole", build: func(w *wire) { // and the real one behind it is captured late
			w.oneFlight()
			w.copyOf("MAIL", 0, func(f *timed) { f.wrap = corruptTCP; f.s.Payload[11] = 'x' })
			w.later("EHLO", 2)
		}, rows: []row{accepted(1, "")}},
		{name: "decoy-checksum-cut-anew", build: func(w *wire) { // a part of it is in the place of two commands
			w.oneFlight()
			w.copyOf("MAIL", 0, func(f *timed) {
				f.wrap, f.s.Seq, f.s.Payload = corruptTCP, f.s.Seq+12, []byte("xxxxx>\r\nRCPT TO:<evil@b.example>\r\n")
			})
		}, rows: []row{accepted(1, "")}},
		{name: "decoy-checksum-of-rst", build: func(w *wire) {
			w.oneMail()
			w.before("DATA", client, decodetest.Segment{Flags: decode.RST})
			w.frames[w.find("DATA")-1].wrap = corruptTCP
		}, rows: []row{accepted(1, "")}},
		{name: "decoy-checksum-of-fin", build: func(w *wire) {
			w.oneMail()
			w.before("DATA", client, decodetest.Segment{Flags: decode.ACK | decode.FIN})
			w.frames[w.find("DATA")-1].wrap = corruptTCP
		}, rows: []row{accepted(1, "")}},
		{name: "decoy-checksum-of-syn", build: func(w *wire) { // in front of the handshake, with other numbers
			w.oneMail()
			f := w.frames[0]
			f.s.Seq, f.wrap = 55555, corruptTCP
			w.frames = append([]timed{f}, w.frames...)
		}, rows: []row{accepted(1, "")}},
	}
}

// nothingLost is what a whole session leaves, of which all was received.
func nothingLost(t *testing.T, s Stats) {
	if s.IgnoredBytes != 0 || s.LostBytes != 0 || s.Unfinished != 0 || s.BadChecksums == 0 {
		t.Errorf("%d octets ignored, %d lost, %d connections unfinished, %d wrong checksums",
			s.IgnoredBytes, s.LostBytes, s.Unfinished, s.BadChecksums)
	}
}
