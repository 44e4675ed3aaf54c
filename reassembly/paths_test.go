package reassembly

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// carriers are those that two networks may have: of the client's packets, and of the server's.
var carriers = []carrier{
	bare, inVLAN(10), inVLAN(20), inMPLS(100), inMPLS(200),
	func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped {
		return w.VLAN(t, 0x8100, 10).VXLAN(t, 4789)
	},
	func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.GTP(t, false, 7) },
	func(t testing.TB, w decodetest.Wrapped) decodetest.Wrapped { return w.GTP(t, false, 8) },
}

// frame is one Ethernet frame of a connection.
func (f *timed) frame(t testing.TB) []byte {
	p := f.s.IP(t)
	if f.wrap != nil {
		p = f.wrap(t, p)[0]
	}
	return p.Ethernet(t)
}

// read gives the rows of frames, each a millisecond after the one before, without the times. They are in the order of
// their texts.
func read(t testing.TB, frames [][]byte) (rows []string, a *Assembler) {
	a = New(Config{Sensor: "tap", Emit: func(e *smtp.Envelope) {
		row := *e
		row.SeenAt = time.Time{}
		rows = append(rows, string(row.AppendJSON(nil)))
	}})
	for i, f := range frames {
		a.Frame(decodetest.Epoch.Add(time.Duration(i)*time.Millisecond), decodetest.LinkEthernet, f, len(f))
	}
	a.Close()
	s := a.Stats()
	if got := s.DeliveredBytes + s.DuplicateBytes + s.IgnoredBytes; got != s.PayloadBytes {
		t.Errorf("payload %d octets, delivered, duplicate and ignored %d", s.PayloadBytes, got)
	}
	if n := a.lists.conns.n + len(a.lists.others); n != 0 {
		t.Errorf("%d connections are still found after Close", n)
	}
	slices.Sort(rows)
	return rows, a
}

// TestAssembler_TwoNetworksAreReadAsEachAlone interleaves two random sessions between the same addresses and ports,
// each in a network of its own, at random: the rows are those of both alone.
func TestAssembler_TwoNetworksAreReadAsEachAlone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var sessions [2][][]byte
		paths := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7}).Draw(rt, "carriers")
		oneWay := rapid.Bool().Draw(rt, "each direction has its own")
		same := !oneWay && rapid.Bool().Draw(rt, "same numbers")
		var isn [2]uint32
		for i := range sessions {
			if i == 0 || !same {
				isn[client] += 100_000_000 + rapid.Uint32Range(0, 1_000_000_000).Draw(rt, "client")
				isn[server] += 100_000_000 + rapid.Uint32Range(0, 1_000_000_000).Draw(rt, "server")
			}
			w := newWire(t, isn[client], isn[server], rapid.SampledFrom([]int{1460, 9}).Draw(rt, "segments of"))
			w.script(begin)
			letters := rapid.SliceOfN(rapid.StringMatching("[a-z]{1,3}"), 1, 3)
			for _, n := range letters.Draw(rt, "mails") {
				w.script(mail(n + []string{"1", "2"}[i]))
			}
			w.script(end)
			w.close()
			w.carried(client, 0, carriers[paths[i]])
			if oneWay {
				w.carried(server, 0, carriers[paths[2+i]])
			} else {
				w.carried(server, 0, carriers[paths[i]])
			}
			for j := range w.frames {
				sessions[i] = append(sessions[i], w.frames[j].frame(t))
			}
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 25))
		var mixed [][]byte
		for a, b := sessions[0], sessions[1]; len(a)+len(b) > 0; {
			if rng.IntN(len(a)+len(b)) < len(a) {
				mixed, a = append(mixed, a[0]), a[1:]
			} else {
				mixed, b = append(mixed, b[0]), b[1:]
			}
		}
		one, _ := read(t, sessions[0])
		two, _ := read(t, sessions[1])
		want := slices.Sorted(slices.Values(slices.Concat(one, two)))
		if got, _ := read(t, mixed); !slices.Equal(got, want) {
			rt.Errorf("rows\n%v\nwant\n%v", got, want)
		}
	})
}

// TestAssembler_NobodyElseEndsAConnectionOnItsFurtherPath: a connection came on another path for a moment. A handshake
// there is another connection's all the same.
func TestAssembler_NobodyElseEndsAConnectionOnItsFurtherPath(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.frames = nil
	w.session("1")
	w.both(inVLAN(10))
	w.change("EHLO", func(f *timed) { f.wrap = as(inVLAN(20)) })
	b := w.tenant(2_000_000_000, 3_000_000_000)
	b.session("2")
	b.both(inVLAN(20))
	var frames [][]byte
	for _, f := range slices.Concat(w.frames[:8], b.frames, w.frames[8:]) {
		frames = append(frames, f.frame(t))
	}
	rows, a := read(t, frames)
	if len(rows) != 2 || a.Stats().Sessions != 2 || a.Stats().IgnoredBytes != 0 {
		t.Errorf("%d sessions, %d octets ignored, rows %v", a.Stats().Sessions, a.Stats().IgnoredBytes, rows)
	}
}

// TestAssembler_PathsOfAConnectionAreBounded sends each segment in a VLAN of its own.
func TestAssembler_PathsOfAConnectionAreBounded(t *testing.T) {
	w := newWire(t, 1000, 9000, 5)
	w.dialogue()
	rows, most := 0, 0
	a := New(Config{Emit: func(e *smtp.Envelope) { rows++ }})
	for i := range w.frames {
		f := inVLAN(uint16(i+1))(t, w.frames[i].s.IP(t)).Ethernet(t)
		a.Frame(decodetest.Epoch.Add(w.frames[i].at), decodetest.LinkEthernet, f, len(f))
		most = max(most, len(a.lists.others))
	}
	a.Close()
	if rows != 3 || a.Stats().Sessions != 1 || most != maxPaths || len(a.lists.others) != 0 {
		t.Errorf("%d rows, %d sessions, up to %d further paths, %d left",
			rows, a.Stats().Sessions, most, len(a.lists.others))
	}
}

// TestAssembler_ConnectionsOfOneTupleAreBounded opens one in each of many networks.
func TestAssembler_ConnectionsOfOneTupleAreBounded(t *testing.T) {
	const limit = 50
	a := New(Config{MaxConns: limit})
	for i := range 4 * limit {
		w := newWire(t, uint32(i)*10_000_000, uint32(i)*20_000_000, 1460)
		w.script("S: 220 x\nC: EHLO x\n")
		w.both(inVLAN(uint16(i + 1)))
		for j := range w.frames {
			f := w.frames[j].frame(t)
			a.Frame(decodetest.Epoch.Add(time.Duration(i)*time.Second), decodetest.LinkEthernet, f, len(f))
		}
		if n := len(a.lists.others); n > 2*limit || a.lists.conns.n != 1 {
			t.Fatalf("%d connections lead to %d", a.lists.conns.n, n)
		}
		n := 0
		for c := range a.lists.conns.all {
			for ; c != nil; c = c.after {
				n++
			}
		}
		if want := min(i+1, limit); n != want || a.lists.recent.n != want {
			t.Fatalf("%d connections of the tuple, %d in all, want %d", n, a.lists.recent.n, want)
		}
	}
	if s := a.Stats(); s.ConnsEvicted != 3*limit || s.Sessions != 4*limit {
		t.Errorf("%d of %d connections evicted", s.ConnsEvicted, s.Sessions)
	}
	a.Close()
	if a.lists.conns.n+len(a.lists.others) != 0 {
		t.Error("connections are still found")
	}
}

// TestSessionID_NetworksDiffer checks that the network of the client's direction is in the number, and that none
// leaves it as it was.
func TestSessionID_NetworksDiffer(t *testing.T) {
	ids := map[string]int64{}
	for _, c := range []struct {
		name           string
		client, server carrier
	}{
		{"none", bare, bare},
		{"10", inVLAN(10), inVLAN(10)},
		{"20", inVLAN(20), inVLAN(20)},
		{"10 and 20", inVLAN(10), inVLAN(20)},
		{"none and 10", bare, inVLAN(10)},
	} {
		w := newWire(t, 1000, 9000, 1460)
		w.dialogue()
		w.carried(client, 0, c.client)
		w.carried(server, 0, c.server)
		a := New(Config{Emit: func(e *smtp.Envelope) {
			if id, ok := ids[c.name]; ok && id != e.SessionID {
				t.Errorf("%s: sessions %d and %d", c.name, id, e.SessionID)
			}
			ids[c.name] = e.SessionID
		}})
		for i := range w.frames {
			f := w.frames[i].frame(t)
			a.Frame(decodetest.Epoch.Add(w.frames[i].at), decodetest.LinkEthernet, f, len(f))
		}
		a.Close()
	}
	var none [40]byte
	endpoint(none[:], netip.MustParseAddrPort(decodetest.Client))
	endpoint(none[18:], netip.MustParseAddrPort(decodetest.Server))
	none[38], none[39] = 1000>>8, 1000&0xff
	if got := ids["none"]; got != first8(none[:]) || ids["none and 10"] != got {
		t.Errorf("without a network the number is %d", got)
	}
	if got := ids["10"]; got != first8(append(none[:], "vlan 10"...)) || got != ids["10 and 20"] || got == ids["20"] {
		t.Errorf("numbers %v", ids)
	}
}

func first8(b []byte) int64 {
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// TestCopies_RowsAreForgotten checks that what copies remember is bounded.
func TestCopies_RowsAreForgotten(t *testing.T) {
	emitted := 0
	below := &shared{}
	s := &copies{
		seed: maphash.MakeSeed(), rows: map[uint64]int{}, had: map[had]int{}, below: below,
		emit: func(*smtp.Envelope) { emitted++ },
	}
	a, b := &conn{}, &conn{}
	const n = 2 * maxCopiedRows
	for i := range n {
		id := int64(i)
		for _, c := range []*conn{a, b, b} { // the second has each row once more
			s.row(c, &smtp.Envelope{DeclaredSize: &id, SeenAt: decodetest.Epoch.Add(time.Duration(i))})
		}
		if len(s.rows)+len(s.had) > maxCopiedRows+2 {
			t.Fatalf("%d and %d rows are remembered", len(s.rows), len(s.had))
		}
	}
	if copied := int(below.stats.CopiedRows); emitted+copied != 3*n || copied < n-n/100 || copied > n {
		t.Errorf("%d rows emitted, %d not", emitted, copied)
	}
}
