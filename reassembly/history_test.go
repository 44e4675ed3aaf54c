package reassembly

import (
	"math/rand/v2"
	"testing"
)

// TestHistory_AgreesWithTheWholeStream adds a stream in pieces, with holes, and compares copies with what was kept: the
// whole of it since the last hole, of which at least the last maxHistory octets must be known.
func TestHistory_AgreesWithTheWholeStream(t *testing.T) {
	var pool historyPool
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var h history
		var stream []byte
		hole := 0
		for range 60 {
			if rng.IntN(10) == 0 {
				stream = append(stream, make([]byte, 1+rng.IntN(100))...)
				hole = len(stream)
				if rng.IntN(2) == 0 {
					h.forget(&pool)
				}
			}
			piece := make([]byte, 1+rng.IntN([]int{10, 100, 1000, 5000}[rng.IntN(4)]))
			for i := range piece {
				piece[i] = byte(rng.Uint32())
			}
			h.add(&pool, int64(len(stream)), piece)
			stream = append(stream, piece...)
			known := max(hole, len(stream)-maxHistory)
			from := max(0, len(stream)-rng.IntN(4000))
			data := append([]byte(nil), stream[from:from+rng.IntN(len(stream)-from+1)]...)
			if h.differs(int64(from), data) {
				t.Fatalf("seed %d: a true copy differs", seed)
			}
			if len(data) == 0 {
				continue
			}
			i := rng.IntN(len(data))
			data[i] ^= 1
			if got := h.differs(int64(from), data); got != (from+i >= known) {
				t.Fatalf("seed %d: octet %d of %d changed, known from %d: %v", seed, from+i, len(stream), known, got)
			}
			if len(h.ring) > maxHistory {
				t.Fatalf("a ring of %d octets", len(h.ring))
			}
		}
		h.forget(&pool)
	}
	for class, rings := range pool {
		for _, r := range rings {
			if len(r) != minHistory<<class {
				t.Errorf("a ring of %d octets among those of %d", len(r), minHistory<<class)
			}
		}
	}
}
