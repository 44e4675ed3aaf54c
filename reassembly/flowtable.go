package reassembly

// flowTable finds a T by the tuple of its connection. It is open-addressed with linear probing: a segment of a
// connection that is not the latest takes two misses of the cache, however many there are. The hash has a seed of this
// run, so that a sender cannot choose tuples that collide.
type flowTable[T comparable] struct {
	key   func(T) *tuple
	seeds seeds
	slots []flowSlot[T] // a power of two, at most half of them in use
	n     int           // of these
	steps int64         // Stats.Steps: slots moved to a larger table; a search is short by the seed and the load
}

type flowSlot[T comparable] struct {
	hash uint32
	at   T // zero: unused
}

const leastSlots = 1024

func newFlowTable[T comparable](key func(T) *tuple) flowTable[T] {
	return flowTable[T]{key: key, seeds: newSeeds(), slots: make([]flowSlot[T], leastSlots)}
}

// find returns the index of the slot of a tuple, or of the unused one where it would be.
func (f *flowTable[T]) find(k *tuple) (hash, at uint32) {
	var unused T
	hash = uint32(f.seeds.hash(k.addresses[0], k.ports[0]) + f.seeds.hash(k.addresses[1], k.ports[1]))
	mask := uint32(len(f.slots) - 1)
	for at = hash & mask; ; at = (at + 1) & mask {
		if s := &f.slots[at]; s.at == unused || s.hash == hash && f.key(s.at).is(k) {
			return hash, at
		}
	}
}

// get returns the T of a tuple, the zero T if there is none.
func (f *flowTable[T]) get(k *tuple) T {
	_, at := f.find(k)
	return f.slots[at].at
}

// put makes the tuple of x lead to x.
func (f *flowTable[T]) put(x T) {
	var unused T
	if 2*f.n >= len(f.slots) {
		f.grow()
	}
	hash, at := f.find(f.key(x))
	if f.slots[at].at == unused {
		f.n++
	}
	f.slots[at] = flowSlot[T]{hash, x}
}

func (f *flowTable[T]) grow() {
	var unused T
	old := f.slots
	f.steps += int64(len(old))
	f.slots = make([]flowSlot[T], 2*len(old))
	mask := uint32(len(f.slots) - 1)
	for _, s := range old {
		if s.at == unused {
			continue
		}
		i := s.hash
		for f.slots[i&mask].at != unused {
			i++
		}
		f.slots[i&mask] = s
	}
}

// drop empties the slot of a tuple, which must have one, and moves those that it had displaced back towards their
// places.
func (f *flowTable[T]) drop(k *tuple) {
	var unused T
	mask := uint32(len(f.slots) - 1)
	_, gap := f.find(k)
	for i := (gap + 1) & mask; f.slots[i].at != unused; i = (i + 1) & mask {
		if home := f.slots[i].hash & mask; (i-home)&mask >= (i-gap)&mask {
			f.slots[gap], gap = f.slots[i], i
		}
	}
	f.slots[gap] = flowSlot[T]{}
	f.n--
}

// all calls yield with the T of each tuple.
func (f *flowTable[T]) all(yield func(T) bool) {
	var unused T
	for _, s := range f.slots {
		if s.at != unused && !yield(s.at) {
			return
		}
	}
}
