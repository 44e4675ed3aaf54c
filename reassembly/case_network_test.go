package reassembly

import (
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"tap25/reassembly/decode/decodetest"
)

// carrier wraps the packets of one side.
type carrier = func(testing.TB, decodetest.Wrapped) decodetest.Wrapped

func inVLAN(id uint16) carrier {
	return func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.VLAN(t, 0x8100, id) }
}

func inMPLS(label uint32) carrier {
	return func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.MPLS(t, label) }
}

func bare(_ testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w }

// carried wraps what a side sends from a place on.
func (w *wire) carried(side, from int, c carrier) {
	for i := range w.frames[from:] {
		if f := &w.frames[from+i]; f.side == side {
			before := f.wrap
			f.wrap = func(t testing.TB, p decodetest.Wrapped) (out []decodetest.Wrapped) {
				packets := []decodetest.Wrapped{p}
				if before != nil {
					packets = before(t, p)
				}
				for _, p := range packets {
					out = append(out, c(t, p))
				}
				return out
			}
		}
	}
}

// both wraps what both sides send.
func (w *wire) both(c carrier) {
	w.carried(client, 0, c)
	w.carried(server, 0, c)
}

// tenant is a connection between the same addresses and ports.
func (w *wire) tenant(isnClient, isnServer uint32) *wire {
	b := newWire(w.t, isnClient, isnServer, w.chunk)
	b.frames, b.client, b.server = nil, w.client, w.server
	return b
}

// inTurn takes a frame of each, as long as there are any.
func inTurn(a, b []timed) (out []timed) {
	for i := range max(len(a), len(b)) {
		out = append(append(out, a[min(i, len(a)):min(i+1, len(a))]...), b[min(i, len(b)):min(i+1, len(b))]...)
	}
	return out
}

// inPieces sends a segment in fragments, the first and the others apart, so that others may come between them.
func (w *wire) inPieces(prefix string) {
	i := w.find(prefix)
	first, others := w.frames[i], w.frames[i]
	first.wrap = func(t testing.TB, p decodetest.Wrapped) []decodetest.Wrapped { return p.Fragments(t, 32)[:1] }
	others.wrap = func(t testing.TB, p decodetest.Wrapped) []decodetest.Wrapped { return p.Fragments(t, 32)[1:] }
	w.frames = slices.Replace(w.frames, i, i+1, first, others)
}

// networkCases have connections of the same addresses and ports in two networks, and connections whose segments are not
// all in one.
func networkCases() []scenario {
	return slices.Concat(tenantCases(), pathCases(), mirrorCases())
}

// tenants makes a case of the mails 1 and 2, in a network each. change may lose or move segments, and join puts
// both together.
func tenants(
	name string, isn [2]uint32, change func(a, b *wire), carriers [2]carrier, join func(a, b []timed) []timed,
	rows ...row,
) scenario {
	return scenario{name: name, build: func(w *wire) {
		w.session("1")
		b := w.tenant(isn[client], isn[server])
		b.session("2")
		change(w, b)
		w.both(carriers[0])
		b.both(carriers[1])
		w.frames = join(w.frames, b.frames)
	}, rows: rows}
}

func tenantCases() []scenario {
	far, same := [2]uint32{2_000_000_000, 3_000_000_000}, [2]uint32{1000, 9000}
	keep := func(_, _ *wire) {}
	vlans, labels := [2]carrier{inVLAN(10), inVLAN(20)}, [2]carrier{inMPLS(100), inMPLS(200)}
	pieces := func(a, b *wire) { a.inPieces("RCPT"); b.inPieces("RCPT") }
	later := func(a, _ *wire) { a.later("RCPT", 2); a.later("220", 1) }
	seen := func(a, b any) []row {
		return []row{accepted(1, "1").with("network", a), accepted(1, "2").with("network", b)}
	}
	both := seen("vlan 10", "vlan 20")
	late := func(a, b []timed) []timed { return slices.Concat(a[:8], b, a[8:]) } // behind MAIL
	swapped := []row{both[1], both[0]}
	inKey := func(key uint32) carrier {
		return func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.GRE(t, layers.GRE{KeyPresent: true, Key: key})
		}
	}
	inVXLAN := func(id uint16) carrier {
		return func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
			return w.VLAN(t, 0x8100, id).VXLAN(t, 4789)
		}
	}
	inGTP := func(teid int) carrier {
		return func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.GTP(t, false, teid) }
	}
	out := []scenario{
		tenants("networks-vlan", far, keep, vlans, inTurn, both...),
		tenants("networks-vlan-and-none", far, keep, [2]carrier{inVLAN(10), bare}, inTurn, seen("vlan 10", nil)...),
		tenants("networks-vxlan", far, keep, [2]carrier{inVXLAN(10), inVXLAN(20)}, inTurn,
			seen("vxlan 4711/vlan 10", "vxlan 4711/vlan 20")...),
		tenants("networks-gre", far, keep, [2]carrier{inKey(1), inKey(2)}, inTurn, seen("gre 1", "gre 2")...),
		tenants("networks-mpls", far, keep, labels, inTurn, seen("mpls", "mpls")...),
		tenants("networks-gtp", far, keep, [2]carrier{inGTP(7), inGTP(8)}, inTurn, seen("gtp", "gtp")...),
		tenants("networks-vlan-late", far, keep, vlans, late, swapped...),
		tenants("networks-same-numbers", same, keep, vlans, inTurn, both...),
		tenants("networks-same-numbers-late", same, keep, vlans, late, swapped...),
		tenants("networks-same-numbers-mpls", same, keep, labels, inTurn, seen("mpls", "mpls")...),
		tenants("networks-fragments", far, pieces, vlans, inTurn, both...),
		tenants("networks-loss", far, func(a, _ *wire) { a.drop("RCPT") }, vlans, inTurn,
			both[1], both[0].with("rcpt_to", nil, "rcpt_code", nil).with(gap(len("RCPT TO:<b1@b.example>\r\n"))...)),
		tenants("networks-same-numbers-loss", same, func(a, _ *wire) { a.drop("RCPT") }, vlans, inTurn,
			both[1], both[0].with("rcpt_to", nil, "rcpt_code", nil).with(gap(len("RCPT TO:<b1@b.example>\r\n"))...)),
		tenants("networks-same-numbers-loss-of-mail", same, func(a, _ *wire) { a.drop("MAIL") }, vlans, inTurn,
			both[1], both[0].with("mail_from", nil, "mail_code",
				nil).with(gap(len("MAIL FROM:<a1@a.example>\r\n"))...)),
		tenants("networks-out-of-order", far, later, vlans, inTurn, both...),
	}
	return append(out, scenario{name: "networks-handshakes-again-and-again", build: func(w *wire) {
		w.session("1")
		w.both(inVLAN(10))
		var frames []timed
		for i := range w.frames {
			if frames = append(frames, w.frames[i]); i%4 == 3 {
				b := w.tenant(900_000_000+uint32(i)*50_000_000, 1_700_000_000+uint32(i)*50_000_000)
				b.shake()
				b.script("S: 220 x\n")
				b.both(inVLAN(20))
				frames = append(frames, b.frames...)
			}
		}
		w.frames = frames
	}, rows: []row{both[0]}})
}

func then(build, change func(w *wire)) func(w *wire) {
	return func(w *wire) { build(w); change(w) }
}

// pathCases have a connection whose segments come on several paths.
func pathCases() []scenario {
	one := accepted(1, "")
	each := func(toServer, toClient carrier) func(w *wire) {
		return func(w *wire) {
			w.oneMail()
			w.carried(client, 0, toServer)
			w.carried(server, 0, toClient)
		}
	}
	from := func(prefix string, c carrier) func(w *wire) { // both sides, another way from there on
		return func(w *wire) {
			w.oneMail()
			w.both(inMPLS(100))
			for i := w.find(prefix); i < len(w.frames); i++ {
				w.frames[i].wrap = as(c)
			}
		}
	}
	labels, drop := each(inMPLS(100), inMPLS(200)), func(w *wire) { w.drop("RCPT") }
	two := func(isn [2]uint32, c, s [2]carrier, join func(a, b []timed) []timed) func(w *wire) {
		return func(w *wire) {
			w.session("1")
			b := w.tenant(isn[client], isn[server])
			b.session("2")
			for i, x := range []*wire{w, b} {
				x.carried(client, 0, c[i])
				x.carried(server, 0, s[i])
			}
			w.frames = join(w.frames, b.frames)
		}
	}
	// Of the second connection, what begins it is near where the first one is, or has its numbers.
	far, near, same := [2]uint32{2_000_000_000, 3_000_000_000}, [2]uint32{7000, 15000}, [2]uint32{1000, 9000}
	late := func(a, b []timed) []timed { return slices.Concat(a[:8], b, a[8:]) } // after MAIL
	to, fro := [2]carrier{inMPLS(100), inMPLS(101)}, [2]carrier{inMPLS(200), inMPLS(201)}
	vlansTo, vlansFro := [2]carrier{inVLAN(10), inVLAN(11)}, [2]carrier{inVLAN(20), inVLAN(21)}
	twoMPLS := []row{accepted(1, "1").with("network", "mpls"), accepted(1, "2").with("network", "mpls")}
	twoVLANs := []row{accepted(1, "1").with("network", "vlan 10"), accepted(1, "2").with("network", "vlan 10")}
	again := func(between func(w *wire)) func(w *wire) {
		return func(w *wire) {
			w.session("1")
			between(w)
			b := w.tenant(77_700_000, 88_800_000)
			b.session("2")
			w.frames = append(w.frames, b.frames...)
			w.carried(client, 0, inVLAN(10))
			w.carried(server, 0, inVLAN(11))
		}
	}
	return []scenario{
		{name: "path-each-way-mpls", build: labels, rows: []row{one.with("network", "mpls")}},
		{name: "path-each-way-vlan", build: each(inVLAN(10), inVLAN(11)), rows: []row{one.with("network", "vlan 10")}},
		{name: "path-each-way-client-untagged", build: each(bare, inVLAN(11)), rows: []row{one.with("network", nil)}},
		{name: "path-each-way-server-untagged", build: each(inVLAN(10), bare),
			rows: []row{one.with("network", "vlan 10")}},
		{name: "path-each-way-syn-ack-not-captured",
			build: then(labels, func(w *wire) { w.frames = append(w.frames[:1:1], w.frames[2:]...) }),
			rows:  []row{one.with("network", "mpls")}},
		{name: "path-each-way-syn-not-captured", build: then(labels, func(w *wire) { w.frames = w.frames[1:] }),
			rows: []row{one.with("network", "mpls")}},
		{name: "path-each-way-handshake-not-captured",
			build: then(each(inVLAN(10), inVLAN(11)), func(w *wire) { w.frames = w.frames[3:] }),
			rows:  []row{one.with("network", "vlan 10", "flags", []string{"midstream"})}},
		{name: "path-each-way-out-of-order",
			build: then(labels, func(w *wire) { w.later("220", 1); w.later("RCPT", 2) }),
			rows:  []row{one.with("network", "mpls")}},
		{name: "path-each-way-loss", build: then(labels, drop), rows: []row{
			one.with("rcpt_to", nil, "rcpt_code", nil, "network", "mpls").with(gap(len(rcptLine))...)}},
		{name: "path-each-way-two-networks",
			build: two(far, to, fro, inTurn), rows: twoMPLS},
		{name: "path-each-way-two-networks-near", build: two(near, to, fro, inTurn), rows: twoMPLS},
		{name: "path-each-way-two-networks-near-late", build: two(near, to, fro, late),
			rows: []row{twoMPLS[1], twoMPLS[0]}},
		{name: "path-each-way-two-networks-near-vlan", build: two(near, vlansTo, vlansFro, late), rows: []row{
			accepted(1, "2").with("network", "vlan 11"), accepted(1, "1").with("network", "vlan 10")}},
		{name: "path-each-way-two-networks-same-numbers-late", build: two(same, vlansTo, vlansFro, late), rows: []row{
			accepted(1, "2").with("network", "vlan 11"), accepted(1, "1").with("network", "vlan 10")}},
		{name: "path-each-way-two-networks-crossed",
			build: two(far, [2]carrier{inMPLS(100), inMPLS(200)}, [2]carrier{inMPLS(200), inMPLS(100)}, inTurn),
			rows:  twoMPLS},
		{name: "path-each-way-ports-reused", build: again(func(w *wire) {
			w.frames = w.frames[:w.find("QUIT")]
		}), rows: twoVLANs},
		{name: "path-each-way-ports-reused-after-fin", build: again(func(w *wire) {}), rows: twoVLANs},
		{name: "path-changes-mpls", build: from("RCPT", inMPLS(300)), rows: []row{one.with("network", "mpls")}},
		{name: "path-changes-to-a-vlan", build: from("RCPT", inVLAN(30)), rows: []row{one.with("network", "mpls")}},
		{name: "path-changes-loss", build: then(from("RCPT", inMPLS(300)), drop), rows: []row{
			one.with("rcpt_to", nil, "rcpt_code", nil, "network", "mpls").with(gap(len(rcptLine))...)}},
		{name: "path-changes-of-one-side", build: func(w *wire) {
			w.oneMail()
			w.both(inVLAN(10))
			from := w.find("DATA")
			for i := range w.frames[from:] {
				if f := &w.frames[from+i]; f.side == server {
					f.wrap = as(inVLAN(12))
				}
			}
		}, rows: []row{one.with("network", "vlan 10")}},
	}
}

// mirrorCases show one connection in two networks, as a mirror in front of a router and behind it does.
func mirrorCases() []scenario {
	one := accepted(1, "").with("network", "vlan 10")
	other := accepted(1, "").with("network", "vlan 20") // settled before that of the copy with a hole
	mirrored := func(late int, change func(a, b *wire)) func(w *wire) {
		return func(w *wire) {
			w.oneMail()
			b := w.tenant(w.isn[client], w.isn[server])
			b.oneMail()
			w.both(inVLAN(10))
			b.both(inVLAN(20))
			change(w, b)
			w.frames = append(w.frames[:late:late], inTurn(w.frames[late:], b.frames)...)
		}
	}
	return []scenario{
		{name: "mirrored-twice", build: mirrored(0, func(a, b *wire) {}), rows: []row{one}},
		{name: "mirrored-twice-late", build: mirrored(4, func(a, b *wire) {}), rows: []row{one}},
		{name: "mirrored-twice-loss-in-one", build: mirrored(0, func(a, b *wire) { a.drop("RCPT") }), rows: []row{one}},
		{name: "mirrored-twice-loss-in-one-late",
			build: mirrored(2, func(a, b *wire) { a.drop("RCPT") }), rows: []row{one}},
		{name: "mirrored-twice-loss-in-one-very-late",
			build: mirrored(16, func(a, b *wire) { a.drop("RCPT") }), rows: []row{other}},
		{name: "mirrored-twice-loss-of-a-reply",
			build: then(mirrored(0, func(a, b *wire) {}), func(w *wire) { w.drop("354") }), rows: []row{other}},
		{name: "mirrored-twice-loss-and-no-end", build: then(mirrored(0, func(a, b *wire) {}), func(w *wire) {
			w.frames = w.frames[:w.find("one")+2]
			w.drop("354")
		}), rows: []row{one.with("data_code", nil, "message_bytes", nil, "outcome", "unknown")}},
		{name: "mirrored-twice-loss-in-each",
			build: mirrored(0, func(a, b *wire) { a.drop("RCPT"); b.drop("354") }), rows: []row{one}},
		{name: "mirrored-twice-from-the-middle",
			build: mirrored(0, func(a, b *wire) { a.frames, b.frames = a.frames[3:], b.frames[3:] }),
			rows:  []row{one.with("flags", []string{"midstream"})}},
		{name: "mirrored-twice-two-mails", build: func(w *wire) { // whose rows say the same
			w.session("1", "1")
			b := w.tenant(w.isn[client], w.isn[server])
			b.session("1", "1")
			w.both(inVLAN(10))
			b.both(inVLAN(20))
			w.frames = inTurn(w.frames, b.frames)
		}, rows: []row{accepted(1, "1").with("network", "vlan 10"), accepted(2, "1").with("network", "vlan 10")}},
	}
}
