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
	// maxUnacked is how many are kept if the peer has not acknowledged them: until then it may accept another copy.
	// More are kept if its window is larger: see half.room.
	maxUnacked = 64 << 10
	// stepBytes is how many octets moved to another ring count as one of Stats.Steps.
	stepBytes = 2 << 10
)

// history is the end of a stream: the octet of offset o is at o modulo the length of the ring, a power of two that
// grows with what there is to keep.
type history struct {
	ring       []byte
	start, end int64 // offsets of what is kept
}

// add keeps the end of data, whose offset is that of what follows the data added before, or that of what follows a
// hole. At least the last keep octets of the two are kept.
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

// resize moves what precedes the offset end to another ring, as much as it has room for.
func (h *history) resize(p *historyPool, need int, end int64) {
	old := *h
	h.ring = p.get(need)
	p.steps += int64(min(len(old.ring), len(h.ring)) / stepBytes)
	for off := max(old.start, end-int64(min(len(old.ring), len(h.ring)))); off < end; {
		n := copy(h.ring[int(off)&(len(h.ring)-1):], old.at(off, end))
		off += int64(n)
	}
	p.put(old.ring)
}

// shrink keeps the last maxHistory octets.
func (h *history) shrink(p *historyPool) { h.cut(p, maxHistory, maxHistory) }

// cut keeps the last keep octets, in a ring of at least size.
func (h *history) cut(p *historyPool, size, keep int) {
	h.start = max(h.start, h.end-int64(keep))
	h.resize(p, size, h.end)
}

// at returns the octets from an offset on, as far as they are contiguous in the ring.
func (h *history) at(off, end int64) []byte {
	i := int(off) & (len(h.ring) - 1)
	return h.ring[i:min(len(h.ring), i+int(end-off))]
}

// differs reports whether data at off differs from what was added there, as far as that is kept.
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

// forget returns the ring to the pool.
func (h *history) forget(p *historyPool) {
	p.put(h.ring)
	*h = history{}
}

// historyPool keeps the rings of closed connections for new ones: most connections live for seconds.
type historyPool struct {
	rings [12][][]byte // of minHistory octets, twice that, up to largestPooled; larger ones are rare
	size  int          // octets
	steps int64        // Stats.Steps: octets that were moved to another ring, by stepBytes
}

const (
	// maxPooled bounds the octets that are kept unused.
	maxPooled = 2 << 20
	// largestPooled is the largest ring that is kept unused: twice minRoom, which a message fills in an ordinary
	// session.
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
