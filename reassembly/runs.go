package reassembly

import (
	"cmp"
	"slices"
)

// runs is what a direction holds after a hole: in order, without overlap. They are in blocks, so that one is inserted
// among thousands at the cost of a few dozen.
type runs struct {
	blocks [][]run // none is empty
	n      int
}

// blockRuns is how many runs a block has at most.
const blockRuns = 64

func (q *runs) len() int         { return q.n }
func (q *runs) first() *run      { return &q.blocks[0][0] }
func (q *runs) end() int64       { return q.last().end() }
func (q *runs) last() *run       { b := q.blocks[len(q.blocks)-1]; return &b[len(b)-1] }
func (q *runs) at(b, i int) *run { return &q.blocks[b][i] }

// search finds the first run that ends after an offset: its block, and its place there. If there is none, the block is
// the number of blocks.
func (q *runs) search(off int64) (b, i int) {
	b, _ = slices.BinarySearchFunc(q.blocks, off, func(x []run, off int64) int {
		return cmp.Compare(x[len(x)-1].end(), off+1)
	})
	if b < len(q.blocks) {
		i, _ = slices.BinarySearchFunc(q.blocks[b], off, func(x run, off int64) int {
			return cmp.Compare(x.end(), off+1)
		})
	}
	return b, i
}

// next returns the place after another.
func (q *runs) next(b, i int) (int, int) {
	if i+1 < len(q.blocks[b]) {
		return b, i + 1
	}
	return b + 1, 0
}

// insert puts a run in its place, and returns how many others, or blocks, were moved.
func (q *runs) insert(r run) (moved int) {
	b, i := q.search(r.off)
	last := len(q.blocks) - 1
	switch {
	case b > last && (last < 0 || len(q.blocks[last]) == blockRuns):
		q.blocks = append(q.blocks, nil)
	case b > last:
		b, i = last, len(q.blocks[last])
	case len(q.blocks[b]) == blockRuns:
		const half = blockRuns / 2
		upper := append(make([]run, 0, blockRuns), q.blocks[b][half:]...)
		clear(q.blocks[b][half:])
		q.blocks[b] = q.blocks[b][:half]
		q.blocks = slices.Insert(q.blocks, b+1, upper)
		if moved = half + len(q.blocks) - b; i > half {
			b, i = b+1, i-half
		}
	}
	moved += len(q.blocks[b]) - i
	q.blocks[b] = slices.Insert(q.blocks[b], i, r)
	q.n++
	return moved
}

// split passes the parts of data that lie in no run to fresh, and of the others the run and the part to have.
func (q *runs) split(off int64, data []byte, fresh func(off int64, data []byte),
	have func(r *run, off int64, data []byte)) {
	for b, i := q.search(off); len(data) > 0 && b < len(q.blocks); b, i = q.next(b, i) {
		r := q.at(b, i)
		if n := min(r.off-off, int64(len(data))); n > 0 {
			fresh(off, data[:n])
			off, data = off+n, data[n:]
		}
		if n := min(r.end()-off, int64(len(data))); n > 0 {
			have(r, off, data[:n])
			off, data = off+n, data[n:]
		}
	}
	if len(data) > 0 {
		fresh(off, data)
	}
}

// remove takes the run at a place out, and returns how many others, or blocks, were moved.
func (q *runs) remove(b, i int) (moved int) {
	moved = len(q.blocks[b]) - i
	if q.blocks[b] = slices.Delete(q.blocks[b], i, i+1); len(q.blocks[b]) == 0 {
		moved += len(q.blocks) - b
		q.blocks = slices.Delete(q.blocks, b, b+1)
	}
	if q.n--; q.n == 0 {
		q.blocks = nil
	}
	return moved
}

// pop removes the first run and returns it.
func (q *runs) pop() run {
	r := q.blocks[0][0]
	q.blocks[0][0] = run{}
	if q.blocks[0] = q.blocks[0][1:]; len(q.blocks[0]) == 0 {
		q.blocks[0] = nil
		q.blocks = q.blocks[1:]
	}
	if q.n--; q.n == 0 {
		q.blocks = nil
	}
	return r
}

// popLast removes the last run and returns it.
func (q *runs) popLast() run {
	last := len(q.blocks) - 1
	b := q.blocks[last]
	r := b[len(b)-1]
	b[len(b)-1] = run{}
	if q.blocks[last] = b[:len(b)-1]; len(b) == 1 {
		q.blocks = q.blocks[:last]
	}
	if q.n--; q.n == 0 {
		q.blocks = nil
	}
	return r
}
