package reassembly

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"tap25/reassembly/decode/decodetest"
)

// TestHalfOpen_AgreesWithAMapAndAList does random things to a table and to a naive one.
func TestHalfOpen_AgreesWithAMapAndAList(t *testing.T) {
	const seed, limit = 25, 3000
	rng := rand.New(rand.NewPCG(seed, seed))
	h := newHalfOpenTable(limit)
	entries, order := map[onPath]handshake{}, []onPath{} // the oldest first
	forget := func(k onPath) {
		delete(entries, k)
		for i := range order {
			if order[i] == k {
				order = append(order[:i], order[i+1:]...)
				return
			}
		}
	}
	evicted, now := int64(0), decodetest.Epoch
	for i := range 60_000 {
		var k onPath
		binary.BigEndian.PutUint32(k.path[:], rng.Uint32N(5000))
		now = now.Add(time.Millisecond)
		switch op := rng.IntN(8); {
		case op < 4 || i%20_000 > 15_000: // fills it now and then
			v := handshake{isn: [2]uint32{rng.Uint32(), rng.Uint32()}, clientFirst: true}
			forget(k)
			if len(order) == limit {
				forget(order[0])
				evicted++
			}
			entries[k], order = v, append(order, k)
			h.put(stampOf(now), k, v)
		case op < 7:
			want, ok := entries[k]
			if got, found := h.take(k); got != want || found != ok {
				t.Fatalf("step %d: %v %v, want %v %v", i, got, found, want, ok)
			}
			forget(k)
		default:
			if len(order) > 0 {
				k = order[rng.IntN(len(order))]
			}
			want, ok := entries[k]
			if got, found := h.get(k); got != want || found != ok {
				t.Fatalf("step %d: %v %v, want %v %v", i, got, found, want, ok)
			}
		}
		if h.n != len(entries) || h.evicted != evicted {
			t.Fatalf("step %d: %d entries, %d evicted; want %d, %d", i, h.n, h.evicted, len(entries), evicted)
		}
	}
	if evicted == 0 {
		t.Error("the limit was never met")
	}
	if n := h.expire(stampOf(now) + 1); n != int64(len(entries)) || h.n != 0 {
		t.Errorf("%d expired of %d, %d left", n, len(entries), h.n)
	}
	if h.slots > limit+1 {
		t.Errorf("%d slots for %d handshakes", h.slots, limit)
	}
}

// TestAssembler_OldHandshakeIsNotJoinedWithNewConnection: hours later the ports are used again, and the SYN is missed.
func TestAssembler_OldHandshakeIsNotJoinedWithNewConnection(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.isn = [2]uint32{500_000_000, 600_000_000} // of the later connection
	w.timestamps = time.Hour
	w.dialogue()
	rows, s := replayed(t, Config{}, w.frames)
	if len(rows) != 3 || s.LostBytes != 0 || s.IgnoredBytes != 0 || s.HalfOpenIdle != 1 {
		t.Errorf("%d rows, %d octets lost, %d ignored, %d handshakes forgotten; want 3, 0, 0, 1", len(rows),
			s.LostBytes, s.IgnoredBytes, s.HalfOpenIdle)
	}
}
