package reassembly

import (
	"bytes"
	"slices"
	"testing"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// fragmentCases are sessions whose segments, or some, come in IP fragments. The payload of the client's
// longest command is small, so the fragments are: 8 octets is the least that a fragment can hold.
func fragmentCases() []scenario {
	one := accepted(1, "")
	every := wrapped
	rcpt := func(wrap func(testing.TB, decodetest.Wrapped) []decodetest.Wrapped) func(*wire) {
		return func(w *wire) { w.oneMail(); w.change("RCPT", func(f *timed) { f.wrap, f.s.ID = wrap, 7 }) }
	}
	cut := func(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped { return w.Fragments(t, 16) }
	reversed := func(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped {
		f := w.Fragments(t, 16)
		slices.Reverse(f)
		return f
	}
	// Two copies of the third fragment, which holds a part of RCPT; the decoy comes first.
	overlapping := func(differ bool) func(testing.TB, decodetest.Wrapped) []decodetest.Wrapped {
		return func(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped {
			body := w.Data[ipSize(w):]
			decoy := bytes.Clone(body[24:40])
			if differ {
				decoy[8] = 'x' // "RCPT TO:<b" begins at octet 20
			}
			return []decodetest.Wrapped{w.Fragment(24, decoy, true), w.Fragment(0, body[:24], true),
				w.Fragment(16, body[16:40], true), w.Fragment(40, body[40:], false)}
		}
	}
	lost := one.with("rcpt_to", nil, "rcpt_code", nil, "outcome", nil).with(gap(len(rcptLine))...)
	return []scenario{
		{name: "fragments", build: every(cut), rows: []row{one}},
		{name: "fragments-out-of-order", build: every(reversed), rows: []row{one}},
		{name: "fragments-tiny", build: rcpt(func(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped {
			return w.Fragments(t, 8)
		}), rows: []row{one}},
		{name: "fragments-twice", build: every(func(t testing.TB, w decodetest.Wrapped) (out []decodetest.Wrapped) {
			for _, f := range cut(t, w) {
				out = append(out, f, f)
			}
			return out
		}), rows: []row{one}},
		{name: "fragments-overlap-same-bytes", build: rcpt(overlapping(false)), rows: []row{one}},
		// its checksum is wrong: the server took another
		{name: "fragments-overlap-other-bytes", only: "4", build: rcpt(overlapping(true)), stats: conflicting,
			rows: []row{
				but(lost, "rcpt_to", "rcpt_code", "outcome", "message_bytes", "data_code", "mail_from", "mail_code")}},
		// RFC 5722: no host takes it; it is sent again
		{name: "fragments-overlap-other-bytes", only: "6", build: func(w *wire) {
			rcpt(overlapping(true))(w)
			w.copyOf("RCPT", 1, func(f *timed) { f.wrap = nil })
		}, rows: []row{one}},
		{name: "fragments-never-completed", build: func(w *wire) { // and the segment sent again in one piece
			rcpt(func(t testing.TB, w decodetest.Wrapped) []decodetest.Wrapped { return w.Fragments(t, 16)[:2] })(w)
			w.copyOf("RCPT", 1, func(f *timed) { f.wrap = nil })
		}, rows: []row{one}, stats: func(t *testing.T, s Stats) {
			if s.Fragments.Held != 2 || s.Frames[decode.Fragment] != 2 {
				t.Errorf("%+v", s.Fragments)
			}
		}},
	}
}

func conflicting(t *testing.T, s Stats) {
	if s.Sessions != 1 || s.BadChecksums != 1 {
		t.Errorf("%d sessions, %d bad checksums", s.Sessions, s.BadChecksums)
	}
}
