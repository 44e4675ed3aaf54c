package reassembly

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// hiding is an Assembler that gets headers alone wherever BodyAhead and the rule of Headers allow it.
type hiding struct {
	asm    *Assembler
	dec    *decode.Decoder // of the test
	key    DigestKey
	bodies map[ends]Body
	before map[ends][]byte // the last octets of each client
	hidden int
}

// ends identifies a direction of a connection.
type ends struct {
	src, dst string
	path     uint64
}

func testKey() (key DigestKey) {
	for i := range key {
		key[i] = uint64(i+1) * 0x9e3779b97f4a7c15
	}
	return key
}

func newHiding(cfg Config) *hiding {
	h := &hiding{dec: decode.New(nil), key: testKey(), bodies: map[ends]Body{}, before: map[ends][]byte{}}
	cfg.DigestKey = &h.key
	h.asm = New(cfg)
	return h
}

func (h *hiding) frame(link uint16, f timedFrame) {
	var p decode.Packet
	if h.dec.Decode(f.t, link, f.data, len(f.data), &p) != decode.TCPPort {
		h.asm.Frame(f.t, link, f.data, len(f.data))
		return
	}
	k := ends{p.Source().String(), p.Destination().String(), p.Path}
	b, n := h.bodies[k], len(p.Payload)
	text := append(bytes.Clone(h.before[k]), p.Payload...)
	headers := len(f.data) - n
	plain := n >= 2 && n <= decode.MaxUnseen && !p.Joined && !p.ChecksumBad && bytes.HasSuffix(f.data, p.Payload) &&
		p.Flags&^decode.PSH == decode.ACK
	allowed := b.Left > 0 && (b.Exact && int64(n) <= b.Left || !b.Exact && !mayEnd(text))
	if plain && allowed && p.Seq == b.Seq && p.Ack == b.Ack {
		h.hidden++
		u := Unseen{Octets: n, Digest: h.key.Digest(p.Payload), Tail: [2]byte(p.Payload[n-2:])}
		h.asm.Headers(f.t, link, f.data[:headers], len(f.data), &u)
	} else {
		h.asm.Frame(f.t, link, f.data, len(f.data))
	}
	switch {
	case p.Seq == b.Seq:
		h.before[k] = text[max(len(text)-3, 0):]
	case n > 0:
		h.before[k] = []byte("\n.") // it is not known
	}
	h.bodies[k] = h.asm.BodyAhead()
}

// mayEnd reports whether an end of data may be in a text, or begin in it.
func mayEnd(text []byte) bool {
	for i := range text[1:] {
		if text[i+1] == '.' && (text[i] == '\r' || text[i] == '\n') {
			return true
		}
	}
	return false
}

// TestUnseen_ChangesNoCase reads all cases with payloads left out: the rows are those that were worked out by hand.
func TestUnseen_ChangesNoCase(t *testing.T) {
	hidden := 0
	for _, v := range variants() {
		var whole, got []map[string]any
		a := New(Config{Checksum: v.checksum, Emit: func(e *smtp.Envelope) { whole = append(whole, asMap(t, e)) }})
		h := newHiding(Config{Checksum: v.checksum, Emit: func(e *smtp.Envelope) { got = append(got, asMap(t, e)) }})
		for _, f := range v.frames(t) {
			a.Frame(f.t, v.linkType(), f.data, len(f.data))
			h.frame(v.linkType(), f)
		}
		a.Close()
		h.asm.Close()
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Errorf("%s:\n%s", v.name, diff)
		}
		w, s := a.Stats(), h.asm.Stats()
		if w.PayloadBytes != s.PayloadBytes || w.LostBytes != s.LostBytes || w.DeliveredBytes != s.DeliveredBytes ||
			s.DeliveredBytes+s.DuplicateBytes+s.IgnoredBytes != s.PayloadBytes {
			t.Errorf("%s: other counters", v.name)
		}
		hidden += h.hidden
	}
	if hidden == 0 {
		t.Error("no payload was left out: that shows nothing")
	}
}

// TestHistory_ComparesSegmentsLeftInTheKernel compares digests with the same octets, and with others.
func TestHistory_ComparesSegmentsLeftInTheKernel(t *testing.T) {
	key := testKey()
	var h history
	var pool historyPool
	text := bytes.Repeat([]byte("0123456789"), 100)
	h.add(&pool, 0, text[:100], 1<<20)
	h.addUnseen(&pool, unseen{100, 500, key.Digest(text[100:600])}, text[598:600], 1<<20)
	h.add(&pool, 600, text[600:], 1<<20)
	for _, c := range []struct{ from, to, partly int }{
		{0, 1000, 0}, {100, 600, 0}, {50, 650, 0}, {0, 100, 0}, {600, 1000, 0}, {598, 700, 0},
		{100, 300, 200}, {300, 600, 298}, {50, 599, 498}, {200, 1000, 398},
	} {
		part := bytes.Clone(text[c.from:c.to])
		if h.differs(&key, int64(c.from), part) {
			t.Errorf("%d to %d: the same octets differ", c.from, c.to)
		}
		if got := h.partly(int64(c.from), int64(len(part)), 0); got != int64(c.partly) {
			t.Errorf("%d to %d: %d octets cannot be compared, want %d", c.from, c.to, got, c.partly)
		}
		for i := range part {
			part[i] ^= 1
			at := c.from + i
			known := at < 100 || at >= 598 || c.from <= 100 && c.to >= 600
			if got := h.differs(&key, int64(c.from), part); got != known {
				t.Errorf("%d to %d, another octet at %d: differs %v, want %v", c.from, c.to, at, got, known)
			}
			part[i] ^= 1
		}
	}
}

// TestHistory_ForgetsSegmentsLeftInTheKernel acknowledges a long flight: its digests take no memory any more, except
// those of its end, which is still compared.
func TestHistory_ForgetsSegmentsLeftInTheKernel(t *testing.T) {
	const octets, segments = 1000, 200
	var h history
	var pool historyPool
	for i := range int64(segments) {
		h.addUnseen(&pool, unseen{i * octets, octets, uint64(i)}, []byte("xx"), 1<<20)
	}
	if least := segments*octets + segments*unseenSize; h.size() < least {
		t.Errorf("a flight takes %d octets, at least %d is right", h.size(), least)
	}
	h.shrink(&pool)
	if most := maxHistory + 8*unseenSize; h.size() > most {
		t.Errorf("after its acknowledgment it takes %d octets, at most %d is right", h.size(), most)
	}
	for i := range int64(segments) {
		digest, ok := h.digest(nil, i*octets, octets)
		if kept := i >= segments-3; ok != kept || kept && digest != uint64(i) {
			t.Errorf("segment %d: digest %d, %v", i, digest, ok)
		}
	}
}

// TestBodyAhead_IsNoneOnSeveralPaths has a segment of a message come with another tag, too.
func TestBodyAhead_IsNoneOnSeveralPaths(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.say(server, "220 mx.example\r\n")
	w.say(client, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
	w.say(server, "250 OK\r\n250 OK\r\n354 go on\r\n")
	for range 3 {
		w.say(client, "a line\r\n")
	}
	a := New(Config{})
	left := func(f timed, tag uint16) int64 {
		data := f.s.IP(t).VLAN(t, 0x8100, tag).Ethernet(t)
		a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkEthernet, data, len(data))
		return a.BodyAhead().Left
	}
	last := len(w.frames) - 1
	for _, f := range w.frames[:last-1] {
		left(f, 7)
	}
	if left(w.frames[last-1], 7) == 0 {
		t.Error("on one path: nothing is ahead")
	}
	if left(w.frames[last-1], 8) != 0 || left(w.frames[last], 7) != 0 {
		t.Error("on two paths: something is ahead")
	}
}
