package reassembly

import (
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// endCases are FIN and RST in odd places, and half-closed and silent connections.
func endCases() []scenario {
	one := accepted(1, "")
	cut := func(prefix string, rest func(*wire)) func(*wire) { // up to that segment, then what rest does
		return func(w *wire) {
			w.oneMail()
			i := w.find(prefix)
			f := w.frames[i]
			w.frames = w.frames[:i+1]
			w.sent[f.side] = f.s.Seq + uint32(len(f.s.Payload)) - w.isn[f.side] - 1
			w.sent[1-f.side] = f.s.Ack - w.isn[1-f.side] - 1
			rest(w)
		}
	}
	rst := func(side int) func(*wire) {
		return func(w *wire) { w.add(side, decodetest.Segment{Flags: decode.RST, Seq: w.isn[side] + 1 + w.sent[side]}) }
	}
	aborted := one.with("rcpt_code", nil, "data_code", nil, "message_bytes", nil, "outcome", "aborted")
	unknown := aborted.with("outcome", "unknown")
	return []scenario{
		{name: "fin-with-data", build: cut("QUIT", func(w *wire) {
			w.frames[len(w.frames)-1].s.Flags |= decode.FIN
			w.sent[client]++
			w.add(server, decodetest.Segment{Flags: decode.ACK | decode.FIN, Seq: w.isn[server] + 1 + w.sent[server],
				Ack: w.isn[client] + 1 + w.sent[client], Payload: []byte("221 bye\r\n")})
		}), rows: []row{one}},
		// the client half-closes; the server answers all the same
		{name: "fin-with-the-final-dot", build: cut(".", func(w *wire) {
			w.frames[len(w.frames)-1].s.Flags |= decode.FIN
			w.sent[client]++
			w.script("S: 250 2.0.0 taken\n")
			w.fin(server)
		}), rows: []row{one}},
		{name: "fin-retransmitted", build: func(w *wire) {
			w.oneMail()
			n := len(w.frames)
			w.frames = append(w.frames, w.frames[n-3:]...)
			w.frames = append(w.frames, w.frames[n-3:n]...)
		}, rows: []row{one}},
		{name: "fin-of-the-server-first", build: cut(".", func(w *wire) {
			w.script("S: 250 2.0.0 taken\n")
			w.fin(server)
			w.sent[server]++
			w.script("C: QUIT\n")
			w.fin(client)
		}), rows: []row{one}},
		{name: "half-closed-by-the-client-after-rcpt", build: cut("RCPT", func(w *wire) {
			w.fin(client)
			w.sent[client]++
			w.script("S: 250 2.1.5 recipient ok\n")
			w.fin(server)
		}), rows: []row{aborted.with("rcpt_code", 250)}},
		{name: "half-closed-and-never-ended", build: cut("RCPT", func(w *wire) {
			w.fin(client)
			w.sent[client]++
			w.script("S: 250 2.1.5 recipient ok\n")
		}), rows: []row{unknown.with("rcpt_code", 250)}},
		// a FIN that the server never got: the client goes on, and is answered
		{name: "fin-decoy", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.ACK | decode.FIN, TTL: 1})
		}, rows: []row{one}},
		{name: "data-after-fin", build: func(w *wire) { // never acknowledged: no server took it
			w.oneMail()
			w.add(client, decodetest.Segment{Flags: decode.ACK, Seq: w.isn[client] + 1 + w.sent[client],
				Ack: w.isn[server] + 1 + w.sent[server], Payload: []byte(mailLine + rcptLine)})
		}, rows: []row{one}},
		{name: "data-after-fin-half-closed", build: cut("RCPT", func(w *wire) {
			w.fin(client)
			w.sent[client]++
			w.script("S: 250 2.1.5 recipient ok\n")
			w.add(client, decodetest.Segment{Flags: decode.ACK, Seq: w.isn[client] + 1 + w.sent[client],
				Ack: w.isn[server] + 1 + w.sent[server], Payload: []byte(otherRcpt)})
			w.fin(server)
			w.sent[server]++
		}), rows: []row{aborted.with("rcpt_code", 250)}},
		{name: "rst-mid-transaction-client", build: cut("RCPT", rst(client)), rows: []row{aborted}},
		{name: "rst-mid-transaction-server", build: cut("RCPT", rst(server)), rows: []row{aborted}},
		// RFC 9293 section 3.5.3 lets it explain itself; it is no reply
		{name: "rst-with-data", build: cut("RCPT", func(w *wire) {
			w.add(server, decodetest.Segment{Flags: decode.RST | decode.ACK, Seq: w.isn[server] + 1 + w.sent[server],
				Ack: w.isn[client] + 1 + w.sent[client], Payload: []byte("250 ok\r\n")})
		}), rows: []row{aborted}},
		// the client gave up; the server's answer was on its way
		{name: "rst-overtakes-the-reply", build: cut(".", func(w *wire) {
			rst(client)(w)
			w.script("S: 250 2.0.0 taken\n")
		}), rows: []row{one}},
		{name: "rst-after-quit", build: cut("QUIT", rst(client)), rows: []row{one}},
		{name: "rst-after-quit-both", build: cut("QUIT", func(w *wire) {
			rst(client)(w)
			w.script("S: 221 bye\n")
			rst(server)(w)
		}), rows: []row{one}},
		{name: "rst-after-the-own-fin", build: cut("RCPT", func(w *wire) { // whose number the FIN has taken
			w.fin(client)
			w.sent[client]++
			rst(client)(w)
		}), rows: []row{aborted}, stats: decoys(0)},
		{name: "rst-after-the-own-fin-after-quit", build: cut("QUIT", func(w *wire) {
			w.script("S: 221 bye\n")
			w.fin(server)
			w.sent[server]++
			rst(server)(w)
		}), rows: []row{one}, stats: decoys(0)},
		{name: "rst-after-a-fin-that-was-missed", build: cut("RCPT", func(w *wire) {
			w.sent[client]++
			rst(client)(w)
		}), rows: []row{aborted}, stats: decoys(0)},
		// FIN and RST say the same of what was missed
		{name: "rst-after-the-own-fin-after-a-loss", build: func(w *wire) {
			cut(".", func(w *wire) {
				w.fin(client)
				w.sent[client]++
				rst(client)(w)
			})(w)
			w.drop(".")
		}, rows: []row{one.with("lost_bytes", 3, "flags", []string{"gap"}, "data_code", nil, "message_bytes", nil,
			"outcome", "unknown")}},
		// it stands where the client had come to: the message was given
		{name: "rst-after-a-loss", build: func(w *wire) {
			cut(".", rst(client))(w)
			w.drop(".")
		}, rows: []row{one.with("lost_bytes", 3, "flags", []string{"gap"}, "data_code", nil, "message_bytes", nil,
			"outcome", "unknown")}},
		{name: "rst-outside-the-window-is-a-decoy", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.RST, Seq: 1 << 31})
		}, rows: []row{one}},
		// RFC 5961: not the next number, so the server only asks
		{name: "rst-decoy-inside-the-window", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.RST, Seq: 100})
		}, rows: []row{one}, stats: decoys(1)},
		{name: "rst-decoy-exact-client", build: func(w *wire) { // its TTL ended on the way: both sides go on
			w.oneMail()
			w.before("RCPT", client, decodetest.Segment{Flags: decode.RST, TTL: 1})
		}, rows: []row{one}, stats: decoys(1)},
		{name: "rst-decoy-exact-server", build: func(w *wire) {
			w.oneMail()
			w.before("RCPT", server, decodetest.Segment{Flags: decode.RST | decode.ACK, TTL: 1})
		}, rows: []row{one}, stats: decoys(1)},
		{name: "data-after-rst", build: cut("RCPT", func(w *wire) { // answered by nothing but a RST
			rst(client)(w)
			w.say(client, otherRcpt)
			rst(server)(w)
		}), rows: []row{aborted}},
		{name: "rst-in-the-handshake-is-a-decoy", build: func(w *wire) {
			w.oneMail()
			w.before("220", client, decodetest.Segment{Flags: decode.RST, TTL: 1})
		}, rows: []row{one}},
		// behind 15 minutes of silence all is a new session, begun in its middle
		{name: "idle-ends-the-session", build: func(w *wire) {
			w.oneMail()
			w.pause("RCPT", 16*time.Minute)
		}, rows: []row{
			unknown.with("rcpt_to", nil),
			accepted(1, "", "midstream").with("helo", nil, "mail_from", nil, "mail_code", nil)}},
		{name: "silence-below-the-limit-changes-nothing", build: func(w *wire) {
			w.oneMail()
			w.pause("RCPT", 14*time.Minute)
		}, rows: []row{one}},
	}
}

func decoys(n int64) func(*testing.T, Stats) {
	return func(t *testing.T, s Stats) {
		if s.IgnoredResets != n || s.LostBytes != 0 {
			t.Errorf("%d resets ignored, want %d; %d octets lost", s.IgnoredResets, n, s.LostBytes)
		}
	}
}
