package reassembly

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// The sessions of the cases, a segment a line.
const (
	begin = "S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250 mx.example\n"
	end   = "C: QUIT\nS: 221 bye\n"

	mailLine  = "MAIL FROM:<a@a.example>\r\n"
	rcptLine  = "RCPT TO:<b@b.example>\r\n"
	otherRcpt = "RCPT TO:<x@b.example>\r\n" // as long, another address
)

// mail is a mail a@a.example to b@b.example of five octets; the address's first letter may carry a number.
func mail(n string) string {
	return "C: MAIL FROM:<a" + n + "@a.example>\nS: 250 2.1.0 sender ok\nC: RCPT TO:<b" + n +
		"@b.example>\nS: 250 2.1.5 recipient ok\n" +
		"C: DATA\nS: 354 go\nC: one\nC: .\nS: 250 2.0.0 taken\n"
}

// row is a row by the names of its columns.
type row map[string]any

// accepted is the row of mail(n).
func accepted(no int, n string, flags ...string) row {
	return row{"mail_no": no, "mail_from": "a" + n + "@a.example", "rcpt_to": "b" + n + "@b.example", "mail_code": 250,
		"rcpt_code": 250, "data_code": 250,
		"outcome": "accepted", "message_bytes": 5, "lost_bytes": 0, "flags": flagList(flags), "helo": "client.example"}
}

func flagList(flags []string) any {
	if len(flags) == 0 {
		return nil
	}
	return flags
}

// with changes columns: name, value, name, value.
func (r row) with(pairs ...any) row {
	r = maps.Clone(r)
	for i := 0; i < len(pairs); i += 2 {
		if r[pairs[i].(string)] = pairs[i+1]; pairs[i] == "flags" {
			r["flags"] = flagList(pairs[i+1].([]string))
		}
	}
	return r
}

// of adds the ends of the connection, unless the row names them.
func (r row) of(six bool) row {
	client, server := decodetest.Client, decodetest.Server
	if six {
		client, server = decodetest.Client6, decodetest.Server6
	}
	c, s := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	out := row{"client_ip": c.Addr(), "client_port": c.Port(), "server_ip": s.Addr(), "server_port": s.Port()}
	maps.Copy(out, r)
	return out
}

// lost and flagged are columns that cases change often.
func gap(bytes int) []any { return []any{"lost_bytes", bytes, "flags", []string{"gap"}} }

func (w *wire) shake() {
	w.add(client, decodetest.Segment{Flags: decode.SYN, Seq: w.isn[client]})
	w.add(server, decodetest.Segment{Flags: decode.SYN | decode.ACK, Seq: w.isn[server], Ack: w.isn[client] + 1})
	w.ack(client)
}

// ack adds a bare acknowledgment of all that the other side sent.
func (w *wire) ack(side int) {
	w.add(side, decodetest.Segment{Flags: decode.ACK, Seq: w.isn[side] + 1 + w.sent[side],
		Ack: w.isn[1-side] + 1 + w.sent[1-side]})
}

func (w *wire) close() {
	w.fin(client)
	w.sent[client]++
	w.fin(server)
	w.sent[server]++
	w.ack(client)
}

// session is a whole connection with the mails given.
func (w *wire) session(mails ...string) {
	w.shake()
	w.script(begin)
	for _, n := range mails {
		w.script(mail(n))
	}
	w.script(end)
	w.close()
}

// oneMail is a session of one mail.
func (w *wire) oneMail() { w.session("") }

// find gives the place of the first segment whose payload begins so; a place in square brackets counts from the back.
func (w *wire) find(prefix string) int {
	w.t.Helper()
	i := slices.IndexFunc(w.frames, func(f timed) bool { return strings.HasPrefix(string(f.s.Payload), prefix) })
	if i < 0 {
		w.t.Fatalf("no segment begins with %q", prefix)
	}
	return i
}

func (w *wire) drop(prefix string) { i := w.find(prefix); w.frames = slices.Delete(w.frames, i, i+1) }

// later moves a segment so many places on.
func (w *wire) later(prefix string, places int) {
	i := w.find(prefix)
	f := w.frames[i]
	w.frames = slices.Insert(slices.Delete(w.frames, i, i+1), i+places, f)
}

// copyOf is the segment again, changed; places says how far behind the original, 0: in front of it.
func (w *wire) copyOf(prefix string, places int, change func(*timed)) {
	i := w.find(prefix)
	f := w.frames[i]
	f.s.Payload = slices.Clone(f.s.Payload)
	change(&f)
	f.wait = 0
	w.frames = slices.Insert(w.frames, i+places, f)
}

func (w *wire) change(prefix string, f func(*timed)) { f(&w.frames[w.find(prefix)]) }

// before puts a segment of a side in front of the one whose payload begins so, with that side's numbers there.
func (w *wire) before(prefix string, side int, s decodetest.Segment) {
	i := w.find(prefix)
	f := w.frames[i]
	at := [2]uint32{f.s.Seq, f.s.Ack}
	if f.side == server {
		at = [2]uint32{f.s.Ack, f.s.Seq}
	}
	s.Seq += at[side]
	s.Ack += at[1-side]
	rest := slices.Clone(w.frames[i:])
	w.frames = w.frames[:i]
	w.add(side, s)
	w.frames = append(w.frames, rest...)
}

// pause lets time pass before a segment.
func (w *wire) pause(prefix string, d time.Duration) { w.frames[w.find(prefix)].wait = d }

// each puts every frame through f.
func (w *wire) each(f func(timed) []timed) {
	var out []timed
	for _, x := range w.frames {
		out = append(out, f(x)...)
	}
	w.frames = out
}

// as gives a way to wrap a packet in one frame.
func as(f func(testing.TB, decodetest.Wrapped) decodetest.Wrapped) func(testing.TB,
	decodetest.Wrapped) []decodetest.Wrapped {
	return func(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped { return []decodetest.Wrapped{f(t, w)} }
}
