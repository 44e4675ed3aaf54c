package reassembly

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRuns_AgreeWithASortedList puts runs in anywhere, takes them out at both ends, and looks for offsets: 300 cases of
// a fixed seed, some of which fill dozens of blocks.
func TestRuns_AgreeWithASortedList(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		var q runs
		var want []run
		for range r.IntN(3000) {
			switch op := r.IntN(10); {
			case op < 7:
				off := int64(r.IntN(10000)) * 4
				i, there := slices.BinarySearchFunc(want, off, func(x run, off int64) int {
					return cmp.Compare(x.off, off)
				})
				if !there {
					x := run{off: off, data: make([]byte, 1+r.IntN(4))}
					want = slices.Insert(want, i, x)
					if moved := q.insert(x); moved > 2*blockRuns+len(q.blocks) {
						t.Fatalf("seed %d: %d moved", seed, moved)
					}
				}
			case len(want) == 0:
			case op == 7:
				if got := q.pop(); got.off != want[0].off {
					t.Fatalf("seed %d: the first one is at %d, want %d", seed, got.off, want[0].off)
				}
				want = want[1:]
			case op == 8:
				if got := q.popLast(); got.off != want[len(want)-1].off {
					t.Fatalf("seed %d: the last one is at %d, want %d", seed, got.off, want[len(want)-1].off)
				}
				want = want[:len(want)-1]
			default:
				off := int64(r.IntN(41000))
				i := slices.IndexFunc(want, func(x run) bool { return x.end() > off })
				if b, k := q.search(off); i < 0 != (b == len(q.blocks)) || i >= 0 && q.at(b, k).off != want[i].off {
					t.Fatalf("seed %d: found block %d, %d", seed, b, k)
				}
			}
		}
		var got []int64
		for b, i := 0, 0; b < len(q.blocks); b, i = q.next(b, i) {
			if len(q.blocks[b]) > blockRuns {
				t.Fatalf("seed %d: a block of %d", seed, len(q.blocks[b]))
			}
			got = append(got, q.at(b, i).off)
		}
		if q.len() != len(want) || !slices.EqualFunc(got, want, func(off int64, x run) bool { return off == x.off }) {
			t.Fatalf("seed %d: %d runs, want %d", seed, len(got), len(want))
		}
	}
}
