package reassembly

import (
	"bytes"
	"math/bits"
)

const (
	// maxHistory is how many delivered bytes of a direction are kept to compare retransmissions with: the commands of a
	// transaction.
	maxHistory = 2 << 10
	minHistory = 128
	// maxUnacked is how many are kept where the peer has not acknowledged them: until then another copy may be the one that
	// it takes. More are kept where its window is larger: see half.room.
	maxUnacked = 64 << 10
)

// history is the end of a stream: the octet at offset o stands at o modulo the length of the ring, a power of two that
// grows with what there is to keep.
type history struct {
	ring       []byte
	start, end int64 // offsets of what is kept
}

// add keeps the end of data, which stands at an offset: behind what was added before, or behind a hole. Of what there is
// then, at least so many octets are kept.
func (h *history) add(p *historyPool, off int64, data []byte, keep int) {
	if off != h.end {
		h.start = off
	}
	h.end = off + int64(len(data))
	if need := int(min(h.end-h.start, int64(keep))); need > len(h.ring) {
		h.resize(p, need, off)
	}
	if over := len(data) - len(h.ring); over > 0 {
		off, data = off+int64(over), data[over:]
	}
	h.start = max(h.start, h.end-int64(len(h.ring)))
	for len(data) > 0 {
		n := copy(h.ring[int(off)&(len(h.ring)-1):], data)
		off, data = off+int64(n), data[n:]
	}
}

// resize takes another ring and moves what stands before an offset, as much as it has room for.
func (h *history) resize(p *historyPool, need int, end int64) {
	old := *h
	h.ring = p.get(need)
	p.steps += int64(min(len(old.ring), len(h.ring)) / pageSize)
	for off := max(old.start, end-int64(min(len(old.ring), len(h.ring)))); off < end; {
		n := copy(h.ring[int(off)&(len(h.ring)-1):], old.at(off, end))
		off += int64(n)
	}
	p.put(old.ring)
}

// shrink keeps the last maxHistory octets.
func (h *history) shrink(p *historyPool) { h.cut(p, maxHistory, maxHistory) }

// cut keeps the last octets, so many, in a ring of a size.
func (h *history) cut(p *historyPool, size, keep int) {
	h.start = max(h.start, h.end-int64(keep))
	h.resize(p, size, h.end)
}

// at gives what stands from an offset on, as far as it lies in one piece.
func (h *history) at(off, end int64) []byte {
	i := int(off) & (len(h.ring) - 1)
	return h.ring[i:min(len(h.ring), i+int(end-off))]
}

// differs compares data at off, as far as it is kept, with what was added there.
func (h *history) differs(off int64, data []byte) bool {
	if skip := h.start - off; skip > 0 {
		skip = min(skip, int64(len(data)))
		off, data = off+skip, data[skip:]
	}
	for len(data) > 0 && off < h.end {
		have := h.at(off, h.end)
		n := min(len(have), len(data))
		if !bytes.Equal(have[:n], data[:n]) {
			return true
		}
		off, data = off+int64(n), data[n:]
	}
	return false
}

// forget lets go of all.
func (h *history) forget(p *historyPool) {
	p.put(h.ring)
	*h = history{}
}

// historyPool keeps rings of connections that have ended for those to come: most live for seconds.
type historyPool struct {
	rings [12][][]byte // of minHistory octets, twice that, up to largestPooled; a larger one is seldom
	size  int          // octets
	steps int64        // Stats.Steps: octets that were moved to another ring, by pageSize
}

const (
	// maxPooled bounds the octets that are kept unused.
	maxPooled = 2 << 20
	// largestPooled is the largest ring that is kept unused: twice minRoom, which a message fills in an ordinary session.
	largestPooled = 256 << 10
)

func (p *historyPool) get(need int) []byte {
	class := max(bits.Len(uint(need-1)), bits.Len(minHistory-1)) - bits.Len(minHistory-1)
	if class >= len(p.rings) {
		return make([]byte, minHistory<<class)
	}
	if rings := p.rings[class]; len(rings) > 0 {
		p.rings[class] = rings[:len(rings)-1]
		p.size -= minHistory << class
		return rings[len(rings)-1]
	}
	return make([]byte, minHistory<<class)
}

func (p *historyPool) put(ring []byte) {
	if ring == nil || len(ring) > largestPooled || p.size+len(ring) > maxPooled {
		return
	}
	class := bits.Len(uint(len(ring))) - bits.Len(minHistory)
	p.rings[class] = append(p.rings[class], ring)
	p.size += len(ring)
}
