package reassembly

import (
	"math/rand/v2"
	"testing"
)

// TestHistory_AgreesWithTheWholeStream adds a stream in pieces, with holes, and compares copies with what was kept: the
// whole of it since the last hole, of which as many octets must be known as each piece asked for, rounded up to a ring.
func TestHistory_AgreesWithTheWholeStream(t *testing.T) {
	var pool historyPool
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var h history
		var stream []byte
		hole, room, known := 0, 0, 0
		for range 60 {
			if rng.IntN(10) == 0 {
				stream = append(stream, make([]byte, 1+rng.IntN(100))...)
				hole = len(stream)
				if rng.IntN(2) == 0 {
					h.forget(&pool)
					room = 0
				}
			}
			piece := make([]byte, 1+rng.IntN([]int{10, 100, 1000, 5000}[rng.IntN(4)]))
			for i := range piece {
				piece[i] = byte(rng.Uint32())
			}
			if room > maxHistory && rng.IntN(10) == 0 {
				h.shrink(&pool)
				room, known = maxHistory, max(known, len(stream)-maxHistory)
			}
			keep := maxHistory << rng.IntN(6) * (16 - rng.IntN(8)) / 16
			h.add(&pool, int64(len(stream)), piece, keep)
			stream = append(stream, piece...)
			for room < min(len(stream)-max(hole, known), keep) {
				room = max(2*room, minHistory)
			}
			known = max(hole, known, len(stream)-room)
			from := max(0, len(stream)-rng.IntN(2*keep))
			data := append([]byte(nil), stream[from:from+rng.IntN(len(stream)-from+1)]...)
			if h.differs(nil, int64(from), data) {
				t.Fatalf("seed %d: a true copy differs", seed)
			}
			if len(data) == 0 {
				continue
			}
			i := rng.IntN(len(data))
			data[i] ^= 1
			if got := h.differs(nil, int64(from), data); got != (from+i >= known) {
				t.Fatalf("seed %d: octet %d of %d changed, known from %d: %v", seed, from+i, len(stream), known, got)
			}
			if len(h.ring) != room || room > maxUnacked {
				t.Fatalf("a ring of %d octets, want %d", len(h.ring), room)
			}
		}
		h.forget(&pool)
	}
	size := 0
	for class, rings := range pool.rings {
		for _, r := range rings {
			size += len(r)
			if len(r) != minHistory<<class {
				t.Errorf("a ring of %d octets among those of %d", len(r), minHistory<<class)
			}
		}
	}
	if size != pool.size || size > maxPooled {
		t.Errorf("%d octets in the pool, %d by its account", size, pool.size)
	}
}
