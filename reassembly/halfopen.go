package reassembly

import (
	"hash/maphash"

	"tap25/reassembly/decode"
)

// handshake holds what SYN and SYN-ACK gave of a connection without payload so far.
type handshake struct {
	isn         [2]uint32     // of the lower and the higher endpoint
	have        [2]bool       // its number is known
	seen        [2]synOptions // of its SYN or SYN-ACK; 0: not captured
	syn         [2]bool       // it sent a SYN that acknowledged none: both did in a simultaneous open
	marks       marks
	clientFirst bool // the lower endpoint is the client
}

// marks are what else is known of a handshake.
type marks uint8

const (
	answered  marks = 1 << iota // a SYN-ACK was seen
	otherPath                   // a SYN or SYN-ACK came on another path than that by which the handshake is found
)

// maxBehindSYN is how far after the SYN the first captured payload may be.
const maxBehindSYN = 1 << 20

// correctISN moves a server's initial sequence number back if its first payload precedes what an ACK of the client
// implied: that was not the ACK that ends the handshake. A SYN-ACK that was captured stands.
func (v *handshake) correctISN(side int, p *decode.Packet) {
	if v.have[side] && v.seen[side] == 0 && v.syn[1-side] && v.isn[side]-p.Seq < maxBehindSYN {
		v.isn[side] = p.Seq - 1
	}
}

// fits reports whether a segment of that side may belong to the connection that the handshake began.
func (v *handshake) fits(side int, p *decode.Packet) bool {
	in := func(side int, n uint32) bool { return !v.have[side] || n-v.isn[side]-1 < maxBehindSYN }
	return (v.have[0] || v.have[1]) && in(side, p.Seq) && (p.Flags&decode.ACK == 0 || in(1-side, p.Ack))
}

// halfOpenTable holds a bounded number of handshakes. The one that is silent for longest makes room, so a SYN flood
// costs no more than the table. One takes 48 octets; a map with the tuple as its key takes three times that. Not the
// tuple and the path are kept, but a 64-bit hash of them with a seed of this run: among 2^20 connections that a sender
// chose, two collide once in 30 million runs.
type halfOpenTable struct {
	makeRoom func() // for one more
	seed     maphash.Seed
	// slot + 1 of the hash at its place or behind it (linear probing); a power of two, at most half full
	index   []uint32
	chunks  [][]halfOpen // of chunkSlots each: a slice that grows would be there twice meanwhile
	slots   int
	free    uint32 // list of unused slots, by next; 0 ends it, as slot 0 is never used
	n       int
	evicted int64
	// Stats.Steps; a search in the index is not in it: it is short by its seed and load, whoever chose the tuples
	steps int64
}

const chunkSlots = 1 << 12

// halfOpen is a handshake in its place in the list, the oldest behind slot 0.
type halfOpen struct {
	hash       uint64
	prev, next uint32
	at         stamp
	handshake
}

func newHalfOpenTable(limit int) *halfOpenTable {
	h := &halfOpenTable{seed: maphash.MakeSeed(), index: make([]uint32, 1024)}
	h.makeRoom = func() {
		for h.n >= limit {
			h.evict()
		}
	}
	h.unused() // slot 0
	return h
}

// oldest is when the handshake came that is silent for longest.
func (h *halfOpenTable) oldest() stamp { return h.slot(h.slot(0).next).at }

// evict drops it.
func (h *halfOpenTable) evict() {
	h.drop(h.slot(0).next)
	h.evicted++
	h.steps++
}

func (h *halfOpenTable) slot(s uint32) *halfOpen { return &h.chunks[s/chunkSlots][s%chunkSlots] }

// find returns the place of a hash in the index, or of the gap where it would be.
func (h *halfOpenTable) find(hash uint64) int {
	mask := len(h.index) - 1
	i := int(hash) & mask
	for h.index[i] != 0 && h.slot(h.index[i]-1).hash != hash {
		i = (i + 1) & mask
	}
	return i
}

func (h *halfOpenTable) get(k onPath) (handshake, bool) {
	if s := h.index[h.find(maphash.Comparable(h.seed, k))]; s != 0 {
		return h.slot(s - 1).handshake, true
	}
	return handshake{}, false
}

// put keeps a handshake as the latest.
func (h *halfOpenTable) put(at stamp, k onPath, v handshake) {
	hash := maphash.Comparable(h.seed, k)
	s := h.index[h.find(hash)]
	if s != 0 {
		h.unlink(s - 1)
		s--
	} else {
		h.makeRoom()
		s = h.unused()
		h.n++
		if 2*h.n > len(h.index) {
			h.grow()
		}
		h.index[h.find(hash)] = s + 1
	}
	last := h.slot(0).prev
	*h.slot(s) = halfOpen{hash: hash, prev: last, at: at, handshake: v}
	h.slot(last).next, h.slot(0).prev = s, s
}

// unused returns an unused slot.
func (h *halfOpenTable) unused() uint32 {
	if s := h.free; s != 0 {
		h.free = h.slot(s).next
		return s
	}
	if h.slots == len(h.chunks)*chunkSlots {
		h.chunks = append(h.chunks, make([]halfOpen, chunkSlots))
	}
	h.slots++
	return uint32(h.slots - 1)
}

func (h *halfOpenTable) grow() {
	h.steps += int64(h.n)
	h.index = make([]uint32, 2*len(h.index))
	for s := h.slot(0).next; s != 0; s = h.slot(s).next {
		h.index[h.find(h.slot(s).hash)] = s + 1
	}
}

// take returns a handshake and forgets it.
func (h *halfOpenTable) take(k onPath) (handshake, bool) {
	s := h.index[h.find(maphash.Comparable(h.seed, k))]
	if s == 0 {
		return handshake{}, false
	}
	v := h.slot(s - 1).handshake
	h.drop(s - 1)
	return v, true
}

// expire forgets handshakes without a segment since a time, and returns how many.
func (h *halfOpenTable) expire(since stamp) (n int64) {
	for s := h.slot(0).next; s != 0 && h.slot(s).at < since; s = h.slot(0).next {
		h.drop(s)
		n++
	}
	return n
}

func (h *halfOpenTable) unlink(s uint32) {
	e := h.slot(s)
	h.slot(e.prev).next, h.slot(e.next).prev = e.next, e.prev
}

// drop empties a slot, and moves the entries of the index that it had displaced back towards their places.
func (h *halfOpenTable) drop(s uint32) {
	mask := len(h.index) - 1
	gap := h.find(h.slot(s).hash)
	for i := (gap + 1) & mask; h.index[i] != 0; i = (i + 1) & mask {
		home := int(h.slot(h.index[i]-1).hash) & mask
		if (i-home)&mask >= (i-gap)&mask {
			h.index[gap], gap = h.index[i], i
		}
	}
	h.index[gap] = 0
	h.unlink(s)
	*h.slot(s) = halfOpen{next: h.free}
	h.free = s
	h.n--
}
