package reassembly

import (
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// overlapCases are two copies of the same bytes that agree, or do not: the first one seen stands and the row says so.
func overlapCases() []scenario {
	conflict := accepted(1, "", "conflict")
	first := conflict.with("rcpt_to", "x@b.example")
	body := strings.Repeat("A line of a message that has seventy-eight octets with its line end, as usual.\r\n", 60)
	return []scenario{
		{name: "overlap-same-bytes-out-of-order", build: func(w *wire) {
			w.pipelined()
			w.later("MAIL", 2)
			w.copyOf("RCPT", 0, func(f *timed) { f.s.Payload = append(f.s.Payload, "DATA\r"...) })
		}, rows: []row{accepted(1, "")}, stats: duplicate(len(rcptLine) + 5)},
		{name: "overlap-other-bytes-client", build: func(w *wire) {
			w.oneMail()
			w.copyOf("RCPT", 1, other)
		}, rows: []row{conflict}},
		{name: "overlap-rewrites-rcpt-first", build: func(w *wire) { // which one the server took cannot be known
			w.oneMail()
			w.copyOf("RCPT", 0, other)
		}, rows: []row{first}},
		{name: "overlap-rewrites-rcpt-after-a-hole", build: func(w *wire) {
			w.pipelined()
			w.later("MAIL", 2)
			w.copyOf("RCPT", 1, other)
		}, rows: []row{conflict}},
		{name: "overlap-rewrites-half-of-rcpt", build: func(w *wire) {
			w.pipelined()
			w.copyOf("RCPT", 0, func(f *timed) { // from the middle of MAIL to the middle of the address
				f.s.Seq -= 4
				f.s.Payload = []byte(mailLine[len(mailLine)-4:] + otherRcpt[:12])
			})
		}, rows: []row{first}},
		{name: "overlap-other-bytes-server", build: func(w *wire) { // a 550 where another copy says 250
			w.oneMail()
			w.copyOf("250 2.1.5", 1, func(f *timed) { copy(f.s.Payload, "550") })
		}, rows: []row{conflict}},
		{name: "overlap-in-the-second-mail-alone", build: func(w *wire) {
			w.session("1", "2", "3")
			w.copyOf("RCPT TO:<b2", 1, other)
		}, rows: []row{accepted(1, "1"), accepted(2, "2", "conflict"), accepted(3, "3")}},
		{name: "overlap-longer-than-any-window-of-memory", goOnly: true, build: func(w *wire) {
			// The decoy brings a recipient and 20 kB behind it; then comes what the server took.
			w.shake()
			w.script(begin + "C: MAIL FROM:<a@a.example>\nS: 250 ok\n")
			w.chunk = 1 << 16
			w.say(client, rcptLine+"DATA\r\n"+body+body+body+body+".\r\n")
			w.script("S: 250 ok\nS: 354 go\nS: 250 ok\n" + end)
			w.copyOf("RCPT", 1, func(f *timed) { f.s.Payload = []byte(otherRcpt) })
			w.close()
		}, rows: []row{conflict.with("message_bytes", 4*len(body))}},
		// more than the one octet: not a keep-alive
		{name: "overlap-with-zeros-of-a-keep-alive-in-flight", build: func(w *wire) {
			w.oneMail()
			w.before("250 2.1.5", client, decodetest.Segment{Flags: decode.ACK, Seq: ^uint32(1), Payload: []byte{0, 0}})
		}, rows: []row{conflict}},
	}
}

// other makes a RCPT of another recipient of the same length.
func other(f *timed) {
	i := strings.Index(string(f.s.Payload), "<")
	f.s.Payload[i+1] = 'x'
}

// decoyCases are the insertion and evasion of Ptacek and Newsham (1998): segments that the server never took. The tap
// cannot always tell them, but no second mail may come of them.
func decoyCases() []scenario {
	var out []scenario
	real, flagged := accepted(1, ""), accepted(1, "", "conflict")
	for _, d := range []struct {
		name          string
		change        func(*timed)
		before, after row // the decoy comes before or behind what the server took
	}{
		{"ttl", func(f *timed) { f.s.TTL = 1 }, flagged.with("rcpt_to", "x@b.example"), flagged},
		{"checksum", func(f *timed) { f.wrap = corruptTCP }, real, real},
		{"bad-ack", func(f *timed) { f.s.Ack += 1 << 28 }, flagged, flagged},
		{"no-ack-flag", func(f *timed) { f.s.Flags = decode.PSH }, flagged, flagged},
		{"no-flags", func(f *timed) { f.s.Flags, f.s.NoFlags = 0, true }, flagged, flagged},
		{"old-timestamp", func(f *timed) {
			f.s.Options = timestamps(1)
		}, flagged.with("rcpt_to", "x@b.example"), flagged},
	} {
		stamped := func(w *wire) {
			w.oneMail()
			if d.name == "old-timestamp" {
				for i := range w.frames {
					w.frames[i].s.Options = timestamps(1000 + i)
				}
			}
		}
		decoy := func(places int) func(*wire) {
			return func(w *wire) {
				stamped(w)
				w.copyOf("RCPT", places, func(f *timed) { other(f); d.change(f) })
			}
		}
		out = append(out,
			scenario{name: "decoy-" + d.name + "-before", build: decoy(0), rows: []row{d.before}},
			scenario{name: "decoy-" + d.name + "-after", build: decoy(1), rows: []row{d.after}})
	}
	whole := "RSET\r\nMAIL FROM:<evil@a.example>\r\nRCPT TO:<evil@b.example>\r\n"
	for name, s := range map[string]decodetest.Segment{
		"insertion-no-ack-flag": {Flags: decode.PSH, Payload: []byte(whole)},
		"insertion-bad-ack":     {Flags: decode.ACK, Ack: 1 << 29, Payload: []byte(whole)},
	} {
		out = append(out, scenario{name: name, build: func(w *wire) {
			w.oneMail()
			w.before("DATA", client, s)
		}, rows: []row{flagged}})
	}
	return append(out,
		scenario{name: "insertion-far-outside-the-window", build: func(w *wire) {
			w.oneMail()
			for i := range uint32(5) {
				w.before("DATA", client, decodetest.Segment{Seq: 1<<31 - 1000 + i, Payload: []byte(whole)})
			}
		}, rows: []row{real}, stats: func(t *testing.T, s Stats) {
			if s.Sessions != 1 || s.IgnoredBytes != int64(5*len(whole)) {
				t.Errorf("%d sessions, %d octets ignored", s.Sessions, s.IgnoredBytes)
			}
		}},
		// inside the window, never reached by the client
		scenario{name: "insertion-ahead-of-the-stream", build: func(w *wire) {
			w.oneMail()
			w.before("DATA", client, decodetest.Segment{Flags: decode.ACK, Seq: 30000, Payload: []byte(whole)})
		}, rows: []row{real}},
		// a whole mail that no server received; the FIN stands in its place
		scenario{name: "decoy-ttl-after-the-last-command", build: func(w *wire) {
			w.oneMail()
			w.before("221", client, decodetest.Segment{Flags: decode.ACK, TTL: 1, Payload: []byte(whole)})
		}, rows: []row{real}},
		scenario{name: "decoy-ttl-after-the-last-command-with-a-fin", build: func(w *wire) {
			w.oneMail()
			w.before("221", client, decodetest.Segment{Flags: decode.ACK | decode.FIN, TTL: 1, Payload: []byte(whole)})
		}, rows: []row{real}},
		// another handshake that no server has answered
		scenario{name: "decoy-syn-ack-of-the-client", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: 1 << 30, Ack: 1 << 30,
				TTL: 1, Payload: []byte("RCPT TO:<")})
			w.before("RCPT", client, decodetest.Segment{Flags: decode.ACK, Seq: 1<<30 + 10, Ack: 1 << 30, TTL: 1,
				Payload: []byte("evil@evil.example>\r\n")})
		}, rows: []row{real}},
		scenario{name: "decoy-ttl-after-the-last-command-then-rst", build: func(w *wire) {
			w.shake()
			w.script(begin + mail(""))
			at := w.isn[client] + 1 + w.sent[client]
			w.add(client, decodetest.Segment{Flags: decode.ACK, TTL: 1, Seq: at,
				Ack: w.isn[server] + 1 + w.sent[server], Payload: []byte(whole)})
			w.add(client, decodetest.Segment{Flags: decode.RST, Seq: at})
		}, rows: []row{real}},
		// each command comes twice, first with an ACK that its server throws away
		scenario{name: "ack-of-what-was-never-sent", build: func(w *wire) {
			w.oneMail()
			for _, line := range []string{"MAIL", "RCPT", "DATA", "one"} {
				w.copyOf(line, 0, func(f *timed) { f.s.Ack += 200 })
			}
		}, rows: []row{real}},
		// long enough to take replies for lost
		scenario{name: "ack-of-what-was-never-sent-and-a-pause", build: func(w *wire) {
			w.oneMail()
			w.copyOf("RCPT", 0, func(f *timed) { f.s.Ack += 200 })
			// by which it says what it has sent, RFC 9293 section 3.10.7.4
			w.before("250 2.1.5", server, decodetest.Segment{Flags: decode.ACK})
			w.change("250 2.1.5", func(f *timed) { f.wait = 5 * time.Second })
		}, rows: []row{real}},
		scenario{name: "syn-in-the-middle-client", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.SYN, Seq: 5000})
		}, rows: []row{real}},
		scenario{name: "syn-in-the-middle-with-data", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.SYN, Seq: 5000, Payload: []byte(whole)})
		}, rows: []row{real}},
		scenario{name: "syn-ack-in-the-middle-server", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: 5000, Ack: 77})
		}, rows: []row{real}},
	)
}
