package decode

import (
	"math/rand/v2"
	"testing"

	"tap25/reassembly/decode/decodetest"
)

func TestUnread_FramesAreCountedByWhatTheyHold(t *testing.T) {
	body := make([]byte, 60)
	udp := func(src, dst uint16) []byte { return decodetest.Datagram(t, false, src, dst, body).Ethernet(t) }
	for _, c := range []struct {
		link uint16
		data []byte
		want string // none: it holds no tunnel
	}{
		{1, decodetest.Wrap(0x88f7, body).Ethernet(t), "ethertype 0x88f7"},
		{1, decodetest.Wrap(0x88f7, body).VLAN(t, 0x8100, 3).VXLAN(t, 4789).Ethernet(t), "ethertype 0x88f7"},
		{1, decodetest.Wrap(0x88e5, append([]byte{0x0c}, body...)).Ethernet(t), "ethertype 0x88e5"},
		{1, decodetest.Wrap(0x0806, body).Ethernet(t), ""},
		{1, decodetest.Over(t, true, 50, body).Ethernet(t), "ip protocol 50"},
		{1, decodetest.Over(t, false, 132, body).Ethernet(t), "ip protocol 132"},
		{1, decodetest.Over(t, false, 1, body).Ethernet(t), ""},
		{1, udp(50000, 4341), "udp port 4341"},
		{1, udp(4341, 50000), "udp port 4341"},
		{1, udp(50000, 4789), "udp port 4789"}, // its flags say that it is no VXLAN
		{1, udp(50000, 53), ""},
		{1, udp(443, 50000), ""},
		{9, append([]byte{0, 0x3d}, body...), "ppp protocol 0x003d"},
		{9, append([]byte{0xc0, 0x21}, body...), ""},
		{147, body, "link type 147"},
		{105, append([]byte{8, 0x41}, body...), "link type 105"},
		{1, decodetest.Segment{Dst: "192.0.2.1:8080"}.IP(t).Ethernet(t), ""},
		{1, decodetest.Segment{}.IP(t).Ethernet(t), ""},
	} {
		d := New(nil)
		var p Packet
		d.Decode(decodetest.Epoch, c.link, c.data, len(c.data), &p)
		counts := d.Unread()
		top := counts.Top()
		switch {
		case c.want == "" && len(top) > 0:
			t.Errorf("%v counted", top)
		case c.want != "" && (len(top) != 1 || top[0].What.String() != c.want || top[0].Frames != 1 ||
			top[0].Over != 0):
			t.Errorf("%v, want one frame of %s", top, c.want)
		}
	}
}

// TestUnread_TheFrequentStayWhateverElseComes holds the promise of the algorithm against exact counts.
func TestUnread_TheFrequentStayWhateverElseComes(t *testing.T) {
	const seed, frames = 25, 100_000
	r := rand.New(rand.NewPCG(seed, seed))
	exact := map[Unread]int64{}
	var parts [2]UnreadCounts
	for range frames {
		port := uint16(r.IntN(60_000))
		if k := r.IntN(4); k > 0 {
			port = uint16(7000 + k*r.IntN(2)) // 7000 has more than a third, 7001 to 7003 an eighth each
		}
		exact[UnreadUDPPort(port)]++
		parts[r.IntN(2)].Add(UnreadUDPPort(port), 1)
	}
	parts[0].Merge(&parts[1])
	top := parts[0].Top()
	if len(top) != maxUnread || top[0].What != UnreadUDPPort(7000) {
		t.Fatalf("%d kinds, the first %v", len(top), top[0])
	}
	for i, want := range []int64{exact[UnreadUDPPort(7000)], frames / 16, frames / 16, frames / 16} {
		if n := exact[top[i].What]; n < want || top[i].Frames < n {
			t.Errorf("place %d: %v, in truth %d", i, top[i], n)
		}
	}
	for _, port := range []uint16{7000, 7001, 7002, 7003} {
		found := false
		for _, e := range top {
			n := exact[e.What]
			if e.Frames < n || e.Frames-e.Over > n {
				t.Errorf("%v, in truth %d", e, n)
			}
			found = found || e.What == UnreadUDPPort(port)
		}
		if !found {
			t.Errorf("port %d is not among them", port)
		}
	}
}
