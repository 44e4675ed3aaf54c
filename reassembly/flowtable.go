package reassembly

import "hash/maphash"

// flowTable finds a connection by its tuple. It is open-addressed with linear probing: a segment of a connection that
// is not the latest takes two misses of the cache, however many there are. The hash has a seed of this run, so that a
// sender cannot choose tuples that collide.
type flowTable struct {
	seed  maphash.Seed
	slots []flowSlot // a power of two, at most half of them in use
	n     int        // of these
	steps int64      // Stats.Steps: slots moved to a larger table; a search is short by the seed and the load
}

type flowSlot struct {
	hash uint64
	c    *conn // nil: unused
}

const leastSlots = 1024

func newFlowTable() flowTable {
	return flowTable{seed: maphash.MakeSeed(), slots: make([]flowSlot, leastSlots)}
}

// find returns the slot of a tuple, or the unused one where it would be.
func (f *flowTable) find(k *tuple) (hash uint64, at *flowSlot) {
	hash = maphash.Bytes(f.seed, k[:])
	for i := hash; ; i++ {
		at = &f.slots[i&uint64(len(f.slots)-1)]
		if at.c == nil || at.hash == hash && at.c.key == *k {
			return hash, at
		}
	}
}

func (f *flowTable) get(k *tuple) *conn {
	_, at := f.find(k)
	return at.c
}

// put has the tuple of a connection lead to it.
func (f *flowTable) put(c *conn) {
	if 2*f.n >= len(f.slots) {
		f.grow()
	}
	hash, at := f.find(&c.key)
	if at.c == nil {
		f.n++
	}
	*at = flowSlot{hash, c}
}

func (f *flowTable) grow() {
	old := f.slots
	f.steps += int64(len(old))
	f.slots = make([]flowSlot, 2*len(old))
	for _, s := range old {
		if s.c == nil {
			continue
		}
		i := s.hash
		for f.slots[i&uint64(len(f.slots)-1)].c != nil {
			i++
		}
		f.slots[i&uint64(len(f.slots)-1)] = s
	}
}

// drop empties the slot of a tuple, and moves those that it had displaced back towards their places.
func (f *flowTable) drop(k *tuple) {
	mask := uint64(len(f.slots) - 1)
	gap := maphash.Bytes(f.seed, k[:]) & mask
	for f.slots[gap].c.key != *k {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; f.slots[i].c != nil; i = (i + 1) & mask {
		if home := f.slots[i].hash & mask; (i-home)&mask >= (i-gap)&mask {
			f.slots[gap], gap = f.slots[i], i
		}
	}
	f.slots[gap] = flowSlot{}
	f.n--
}

// all calls f with one connection of each tuple.
func (f *flowTable) all(yield func(*conn) bool) {
	for _, s := range f.slots {
		if s.c != nil && !yield(s.c) {
			return
		}
	}
}
