package reassembly

import (
	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// partialCases are captures that hold a part of a connection.
func partialCases() []scenario {
	from := func(prefix string) func(*wire) {
		return func(w *wire) { w.session("1", "2", "3"); w.frames = w.frames[w.find(prefix):] }
	}
	without := func(side int, prefix string) func(*wire) { // from that segment on; "": from the start
		return func(w *wire) {
			w.session("1", "2")
			i := 0
			if prefix != "" {
				i = w.find(prefix)
			}
			kept := w.frames[:i:i]
			for _, f := range w.frames[i:] {
				if f.side != side {
					kept = append(kept, f)
				}
			}
			w.frames = kept
		}
	}
	mid := func(no int, n string) row { return accepted(no, n, "midstream").with("helo", nil) }
	sent := func(no int, n string) row {
		return accepted(no, n, "one-sided").with("mail_code", nil, "rcpt_code", nil, "data_code", nil, "outcome",
			"unknown")
	}
	return []scenario{
		{name: "midstream-from-mail", build: from("MAIL FROM:<a1"), rows: []row{mid(1, "1"), mid(2, "2"), mid(3, "3")}},
		{name: "midstream-from-rcpt", build: from("RCPT TO:<b1"), rows: []row{
			mid(1, "1").with("mail_from", nil, "mail_code", nil), mid(2, "2"), mid(3, "3")}},
		{name: "midstream-from-the-reply-to-the-message", build: from("250 2.0.0"),
			rows: []row{mid(1, "2"), mid(2, "3")}},
		{name: "midstream-from-quit", build: from("QUIT")},
		{name: "client-alone", build: without(server, ""), rows: []row{sent(1, "1"), sent(2, "2")}},
		// in front of what was sent: nobody can say that it was not received
		{name: "client-alone-decoys-of-the-end", build: func(w *wire) {
			without(server, "")(w)
			w.before("RCPT TO:<b2", client, decodetest.Segment{Flags: decode.ACK | decode.FIN, Seq: ^uint32(9)})
			w.before("RCPT TO:<b2", client, decodetest.Segment{Flags: decode.RST, Seq: ^uint32(4)})
		}, rows: []row{sent(1, "1"), sent(2, "2")}},
		{name: "server-missing-from-the-second-mail", build: without(server, "MAIL FROM:<a2"), rows: []row{
			accepted(1, "1"), but(sent(2, "2").with("flags", []string{"gap"}), "lost_bytes")}},
		{name: "client-missing-from-the-second-mail", build: without(client, "MAIL FROM:<a2"), rows: []row{
			accepted(1, "1"), but(accepted(2, "2").with("flags", []string{"gap"}), "mail_from", "rcpt_to", "mail_code",
				"rcpt_code", "message_bytes", "outcome", "lost_bytes")}},
		{name: "server-alone", build: without(client, ""), rows: []row{
			but(accepted(1, "1", "one-sided"), "helo", "mail_from", "rcpt_to", "mail_code", "rcpt_code", "outcome",
				"message_bytes"),
			but(accepted(2, "2", "one-sided"), "helo", "mail_from", "rcpt_to", "mail_code", "rcpt_code", "outcome",
				"message_bytes")}},
		{name: "server-appears-at-the-second-mail", build: func(w *wire) {
			w.session("1", "2", "3")
			i := w.find("MAIL FROM:<a2")
			kept := w.frames[:0:0]
			for j, f := range w.frames {
				if f.side == client || j > i {
					kept = append(kept, f)
				}
			}
			w.frames = kept
		}, rows: []row{
			but(accepted(1, "1"), "mail_code", "rcpt_code", "data_code", "outcome", "message_bytes", "flags",
				"lost_bytes"),
			but(accepted(2, "2"), "flags", "lost_bytes", "mail_code"), but(accepted(3, "3"), "flags", "lost_bytes")}},
	}
}

// but leaves columns out that the design does not determine here.
func but(r row, columns ...string) row {
	r = r.with()
	for _, c := range columns {
		delete(r, c)
	}
	return r
}
