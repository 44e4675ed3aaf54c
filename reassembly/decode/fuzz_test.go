package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"tap25/reassembly/decode/decodetest"
)

// checkFrame decodes a frame twice and holds what must hold of any.
func checkFrame(t *testing.T, link uint16, data []byte, beyond int) {
	v, p := decodeOnce(link, data, len(data)+beyond)
	again, q := decodeOnce(link, data, len(data)+beyond)
	if v != again || v >= verdictCount || !bytes.Equal(p.Payload, q.Payload) || p.Flow != q.Flow ||
		p.Missing != q.Missing {
		t.Fatalf("%v, then %v", v, again)
	}
	if v == TCPPort {
		if n := len(p.Payload); n > 0 && &p.Payload[0] != &data[:cap(data)][cap(data)-cap(p.Payload)] || n > len(data) {
			t.Fatal("payload is not in the frame")
		}
		if p.Missing < 0 || p.Missing > maxCut {
			t.Fatalf("%d missing", p.Missing)
		}
	}
	checkFlow(t, link, data, beyond)
	checkWork(t, link, data, beyond)
	if beyond > 0 {
		return
	}
	checkPlain(t, link, data, v, &p)
	switch port := Filter(link, data, nil); {
	case v == TCPPort && port != FilterKeep, v == Fragment && port != FilterFragment,
		port == FilterKeep && v != TCPPort && v != TruncatedTCP && v != BadTCP,
		port == FilterDrop && (v == TCPPort || v == Fragment):
		t.Fatalf("%v, but port verdict %d", v, port)
	}
}

// checkFlow holds what PlainFlow finds against what Decode does: the same addresses and ports, and nothing that another
// frame could depend on.
func checkFlow(t *testing.T, link uint16, data []byte, beyond int) {
	t.Helper()
	flow, plain := PlainFlow(link, data)
	if !plain {
		return
	}
	d := New(nil)
	var p, walked Packet
	v := d.Decode(decodetest.Epoch, link, data, len(data)+beyond, &p)
	w := walk{data: data, cut: beyond, seeds: d.seeds, next: headerEthernet}
	if x := New(nil).walk(&w, decodetest.Epoch, &walked); x != v || x == TCPPort && !reflect.DeepEqual(p, walked) {
		t.Fatalf("%v: %+v\nif the walk reads it, %v: %+v", v, p, x, walked)
	}
	if p.Flow != (Flow{}) && p.Flow != flow || v == TCPPort && (p.Path != 0 || !p.Network.IsZero() || p.Joined) {
		t.Fatalf("%v: %+v of %+v", v, flow, p)
	}
	if d.frags.stats.In > 0 || d.unread.n > 0 || v == OtherPort && (d.Watches(flow.SrcPort) || d.Watches(flow.DstPort)) {
		t.Fatalf("%v: the decoder remembers something of %+v", v, flow)
	}
}

// checkWork holds the iterations for one frame against its length, and its allocations against none.
func checkWork(t *testing.T, link uint16, data []byte, beyond int) {
	t.Helper()
	d := New(nil)
	w := walk{data: data, cut: beyond, seeds: d.seeds}
	var p Packet
	if w.link(link) == goOn {
		d.walk(&w, decodetest.Epoch, &p)
	}
	if w.steps > maxHeaders+len(data) {
		t.Fatalf("%d steps for %d octets", w.steps, len(data))
	}
	// The average of ten runs, without what other goroutines allocate now and then.
	n := testing.AllocsPerRun(10, func() { d.Decode(decodetest.Epoch, link, data, len(data)+beyond, &p) })
	if n != 0 {
		t.Fatalf("%v allocations a frame", n)
	}
}

// FuzzHeader begins at any header: deep ones are rarely reached from the front of a frame.
func FuzzHeader(f *testing.F) {
	for _, e := range encapsulations(f, []byte("QUIT\r\n")) {
		w := walk{data: e.data}
		if w.link(e.link) != goOn {
			continue
		}
		for d, p := New(nil), new(Packet); w.next != headerTCP; {
			f.Add(uint8(w.next), bytes.Clone(w.data), uint16(0))
			if d.step(&w, decodetest.Epoch, p) != goOn {
				break
			}
		}
	}
	f.Fuzz(func(t *testing.T, first uint8, data []byte, cut uint16) {
		d := New(nil)
		w := walk{data: data[:len(data):len(data)], cut: int(cut), next: header(first) % (headerTCP + 1),
			seeds: d.seeds}
		addresses := make([]byte, 16)[:4+12*int(first>>7)] // of an IP header before it
		w.ip = ipHeader{src: addresses, dst: addresses, to: addresses}
		var p Packet
		v := d.walk(&w, decodetest.Epoch, &p)
		if v >= verdictCount || w.steps > maxHeaders+len(data) || len(p.Payload) > len(data) {
			t.Fatalf("%v after %d steps for %d octets", v, w.steps, len(data))
		}
		if p.Missing < 0 || v == TCPPort && p.Missing > maxCut {
			t.Fatalf("%d missing", p.Missing)
		}
	})
}

// checkPlain holds the verdict and the segment against a naive reading, where the frame is of the plainest kind:
// Ethernet with any VLAN tags or raw IP, IP without options, extensions and fragments, TCP. Others it leaves alone.
func checkPlain(t *testing.T, link uint16, data []byte, v Verdict, p *Packet) {
	b, typ, network := data, uint16(0), []string(nil)
	switch {
	case link == decodetest.LinkEthernet && len(b) >= 14:
		typ, b = binary.BigEndian.Uint16(b[12:]), b[14:]
		for tags := 0; (typ == 0x8100 || typ == 0x88a8) && len(b) >= 4 && tags < 16; tags++ {
			if id := binary.BigEndian.Uint16(b) & 0xfff; id != 0 {
				network = append(network, fmt.Sprintf("vlan %d", id))
			}
			typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		}
	case link == decodetest.LinkRaw && len(b) > 0:
		typ = map[byte]uint16{4: 0x0800, 6: 0x86dd}[b[0]>>4]
	}
	var src, dst, tcp []byte
	bad := false
	switch {
	case typ == 0x0800 && len(b) >= 20 && b[0] == 0x45 && b[9] == 6 && b[6]&0x3f == 0 && b[7] == 0:
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 20 || n > len(b) {
			return
		}
		src, dst, tcp, bad = b[12:16], b[16:20], b[20:n], decodetest.Sum(b[:20]) != 0xffff
	case typ == 0x86dd && len(b) >= 40 && b[0]>>4 == 6 && b[6] == 6:
		n := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if n == 40 || n > len(b) {
			return
		}
		src, dst, tcp = b[8:24], b[24:40], b[40:n]
	default:
		return
	}
	if len(tcp) < 20 || int(tcp[12]>>4)*4 < 20 || int(tcp[12]>>4)*4 > len(tcp) {
		return
	}
	ports := [2]uint16{binary.BigEndian.Uint16(tcp), binary.BigEndian.Uint16(tcp[2:])}
	if ports[0] != 25 && ports[1] != 25 {
		if v != OtherPort {
			t.Fatalf("%v, but TCP of other ports", v)
		}
		return
	}
	var pseudo [8]byte
	binary.BigEndian.PutUint32(pseudo[:], uint32(len(tcp)))
	pseudo[7] = 6
	bad = bad || decodetest.Sum(src, dst, pseudo[:], tcp) != 0xffff
	from, _ := netip.AddrFromSlice(src)
	to, _ := netip.AddrFromSlice(dst)
	want := Packet{
		Seq: binary.BigEndian.Uint32(tcp[4:]), Ack: binary.BigEndian.Uint32(tcp[8:]), Flags: tcp[13] & 63,
		Window: binary.BigEndian.Uint16(tcp[14:]), Urgent: binary.BigEndian.Uint16(tcp[18:]),
		Flow: FlowOf(netip.AddrPortFrom(from, ports[0]), netip.AddrPortFrom(to, ports[1])), TTL: b[8],
		ChecksumBad: bad,
	}
	if len(src) == 16 {
		want.TTL = b[7]
	}
	if want.Flags&SYN != 0 {
		want.WindowScale = naiveScaling(tcp[20 : int(tcp[12]>>4)*4])
	}
	if len(network) > 6 {
		network = append(network[:6:6], "more")
	}
	named := len(network) > 0
	if p.Network.String() != strings.Join(network, "/") || p.Network.IsZero() == named || p.Path != 0 != named {
		t.Fatalf("network %q, path %x, of tags %q", p.Network, p.Path, network)
	}
	got := *p
	got.Network, got.Path = Network{}, 0
	got.Payload, got.ChecksumOffload = nil, false // said by other tests
	if v != TCPPort || !reflect.DeepEqual(got, want) || !bytes.Equal(p.Payload, tcp[int(tcp[12]>>4)*4:]) {
		t.Fatalf("%v, %+v; want %+v", v, got, want)
	}
}

// naiveScaling looks for the window scale of RFC 7323 section 2.2.
func naiveScaling(options []byte) uint8 {
	for i := 0; i < len(options) && options[i] != 0; {
		switch {
		case options[i] == 1:
			i++
		case i+1 >= len(options) || options[i+1] < 2:
			return 0
		case options[i] == 3 && options[i+1] == 3 && i+2 < len(options):
			return 1 + min(options[i+2], 14)
		default:
			i += int(options[i+1])
		}
	}
	return 0
}

func FuzzDecode(f *testing.F) {
	for _, e := range encapsulations(f, []byte("QUIT\r\n")) {
		f.Add(e.link, e.data, 0)
	}
	for _, w := range bothFamilies(f, make([]byte, 64), 1) {
		for _, x := range w.Fragments(f, 32) {
			f.Add(uint16(1), x.VXLAN(f, 4789).Ethernet(f), 0)
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, beyond int) {
		checkFrame(t, link, data, max(beyond, 0)%70000)
	})
}

// TestDecode_DamagedFramesNeverPanic changes octets of good frames, which gets
// deeper than noise does.
func TestDecode_DamagedFramesNeverPanic(t *testing.T) {
	const seed, rounds = 25, 300
	r := rand.New(rand.NewPCG(seed, seed))
	for _, e := range encapsulations(t, []byte("QUIT\r\n")) {
		for range rounds {
			f := bytes.Clone(e.data)
			for range 1 + r.IntN(3) {
				f[r.IntN(len(f))] = byte(r.Uint32())
			}
			checkFrame(t, e.link, f[:len(f)-r.IntN(len(f))*r.IntN(2)], r.IntN(100)*r.IntN(2))
		}
	}
}

// model is the slow defragmenter: every octet of a datagram in a map.
type model struct {
	octets            map[int]byte
	end, total        int
	v6                bool
	done, dead, clash bool
}

// add gives the datagram that the fragment completes, or nil.
func (m *model) add(off int, body []byte, more bool) []byte {
	end := off + len(body)
	if len(body) == 0 || more && len(body)%8 != 0 {
		return nil
	}
	if m.done && m.has(off, body) && end <= m.total && (more || end == m.total) {
		return nil
	}
	if m.done || m.octets == nil {
		*m = model{octets: map[int]byte{}, total: -1, v6: m.v6}
	}
	if !more && (end < m.end || m.total >= 0 && m.total != end) || more && m.total >= 0 && end > m.total {
		m.clash, m.dead = true, m.dead || m.v6
		return nil
	}
	m.end = max(m.end, end)
	if !more {
		m.total = end
	}
	for i, b := range body {
		if old, ok := m.octets[off+i]; !ok {
			m.octets[off+i] = b
		} else if old != b {
			m.clash, m.dead = true, m.dead || m.v6
		}
	}
	if m.dead || m.total < 0 || len(m.octets) != m.total {
		return nil
	}
	m.done = true
	whole := make([]byte, m.total)
	for i := range whole {
		whole[i] = m.octets[i]
	}
	return whole
}

func (m *model) has(off int, body []byte) bool {
	for i, b := range body {
		if old, ok := m.octets[off+i]; !ok || old != b {
			return false
		}
	}
	return true
}

// checkDefrag reads fragments of two datagrams from ops, four octets each:
// which and where, how long, last or not, and what they hold.
func checkDefrag(t *testing.T, ops []byte, v6 bool) {
	f := newDefragmenter(maxDatagrams, maxFragPages)
	models := [2]model{{v6: v6}, {v6: v6}}
	addr := make([]byte, 16)[:4]
	if v6 {
		addr = addr[:16]
	}
	fragments := int64(len(ops) / 4)
	for ; len(ops) >= 4; ops = ops[4:] {
		which, off, size, more := ops[0]&1, int(ops[0]>>1&15)*8, int(ops[1])%49, ops[2]&3 != 0
		if off > 96 {
			off *= 300 // across pages
		}
		if more && ops[2]&4 == 0 {
			size &^= 7
		}
		body := bytes.Repeat([]byte{ops[3] & 1}, size)
		x := piece{id: uint32(which), offset: off, body: body, proto: protoTCP, more: more, v6: v6, reason: goOn,
			ip: ipHeader{src: addr, dst: addr, to: addr}}
		want := models[which].add(off, body, more)
		got := f.add(&x) == goOn
		if got != (want != nil) || got && (!bytes.Equal(f.whole.data, want) ||
			f.whole.ip.conflict != models[which].clash) {
			t.Fatalf("completed %v, the model %v", got, want != nil)
		}
		if s := f.stats; s.In != s.sum() || s.Held < 0 {
			t.Fatalf("fragments do not add up: %+v", s)
		}
	}
	if f.steps > 4*fragments+64 {
		t.Fatalf("%d steps for %d fragments", f.steps, fragments)
	}
	if int64(f.pages.made) > 2*fragments { // a fragment of 48 octets lies in two at most
		t.Fatalf("%d pages for %d fragments", f.pages.made, fragments)
	}
}

func FuzzDefrag(f *testing.F) {
	f.Add([]byte{0, 16, 1, 0, 4, 16, 0, 0}, false)
	f.Add([]byte{4, 13, 0, 0, 0, 16, 1, 0, 4, 8, 1, 1}, true)
	f.Fuzz(func(t *testing.T, ops []byte, v6 bool) { checkDefrag(t, ops[:min(len(ops), 512)], v6) })
}

func TestDefrag_AgreesWithTheModelOnRandomFragments(t *testing.T) {
	const seed, rounds = 25, 5000
	r := rand.New(rand.NewPCG(seed, seed))
	ops := make([]byte, 4*24)
	for i := range rounds {
		for j := range ops {
			ops[j] = byte(r.Uint32())
			if j%4 == 0 {
				ops[j] &= 15 // near each other, so that many are completed
			}
		}
		checkDefrag(t, ops, i%2 == 0)
	}
}
