package reassembly

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"

	"tap25/reassembly/decode"
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
	unseen     []unseen
}

// unseen is a segment whose payload was left in the kernel. Of its octets the ring has the last two alone.
type unseen struct {
	off    int64
	n      int
	digest uint64
}

const unseenSize = 24

func (u *unseen) end() int64 { return u.off + int64(u.n) }

// hidden is the offset up to which the ring does not have its octets.
func (u *unseen) hidden() int64 { return u.end() - 2 }

// add keeps the end of data, whose offset is that of what follows the data added before, or that of what follows a
// hole. At least the last keep octets of the two are kept.
func (h *history) add(p *historyPool, off int64, data []byte, keep int) {
	h.extend(p, off, len(data), keep)
	if over := len(data) - len(h.ring); over > 0 {
		off, data = off+int64(over), data[over:]
	}
	for len(data) > 0 {
		n := copy(h.ring[int(off)&(len(h.ring)-1):], data)
		off, data = off+int64(n), data[n:]
	}
}

// addUnseen does the same for a segment that was left in the kernel; tail is its last two octets.
func (h *history) addUnseen(p *historyPool, u unseen, tail []byte, keep int) {
	h.extend(p, u.off, u.n, keep)
	for i, c := range tail {
		h.ring[int(u.hidden()+int64(i))&(len(h.ring)-1)] = c
	}
	h.unseen = append(h.unseen, u)
}

// extend makes room for n octets at an offset. What is not kept any more is forgotten.
func (h *history) extend(p *historyPool, off int64, n, keep int) {
	if off != h.end {
		h.start = off
	}
	h.end = off + int64(n)
	if need := int(min(h.end-h.start, int64(keep))); need > len(h.ring) {
		h.resize(p, need, off)
	}
	h.start = max(h.start, h.end-int64(len(h.ring)))
	for len(h.unseen) > 0 && h.unseen[0].end() <= h.start {
		h.unseen = h.unseen[1:]
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
	if h.unseen != nil {
		h.unseen = append([]unseen(nil), h.unseen[h.search(h.start):]...) // frees the memory of a long flight
	}
}

// size is how much memory is used, in octets.
func (h *history) size() int { return len(h.ring) + cap(h.unseen)*unseenSize }

// at returns the octets from an offset on, as far as they are contiguous in the ring.
func (h *history) at(off, end int64) []byte {
	i := int(off) & (len(h.ring) - 1)
	return h.ring[i:min(len(h.ring), i+int(end-off))]
}

// differs reports whether data at off differs from what was added there, as far as that is kept. Of what was left in the
// kernel each whole segment is compared, by its digest.
func (h *history) differs(key *decode.DigestKey, off int64, data []byte) bool {
	for _, u := range h.unseen[h.search(off):] {
		if u.end() > off+int64(len(data)) {
			break
		}
		if u.off >= off && key.Digest(data[u.off-off:][:u.n]) != u.digest {
			return true
		}
	}
	if skip := h.start - off; skip > 0 {
		skip = min(skip, int64(len(data)))
		off, data = off+skip, data[skip:]
	}
	for len(data) > 0 && off < h.end {
		have := h.at(off, h.end)
		if len(h.unseen) > 0 {
			hidden, end := h.seen(off)
			if n := int(min(hidden-off, int64(len(data)))); n > 0 {
				off, data = off+int64(n), data[n:]
				continue
			}
			have = h.at(off, end)
		}
		n := min(len(have), len(data))
		if !bytes.Equal(have[:n], data[:n]) {
			return true
		}
		off, data = off+int64(n), data[n:]
	}
	return false
}

// search returns the index of the first segment left in the kernel that ends after an offset.
func (h *history) search(off int64) int {
	i, _ := slices.BinarySearchFunc(h.unseen, off, func(u unseen, off int64) int { return cmp.Compare(u.end(), off+1) })
	return i
}

// seen returns the first range at or after an offset whose octets are in the ring.
func (h *history) seen(off int64) (from, to int64) {
	i := h.search(off)
	if from = off; i < len(h.unseen) && h.unseen[i].off <= off {
		from = max(off, h.unseen[i].hidden())
		i++
	}
	if to = h.end; i < len(h.unseen) {
		to = h.unseen[i].off
	}
	return from, to
}

// partly counts the octets of a copy that cannot be compared, because it holds only a part of a segment that was left
// in the kernel. The copy has n octets from the offset off on; those before the offset from do not count.
func (h *history) partly(off, n, from int64) (octets int64) {
	for _, u := range h.unseen[h.search(off):] {
		if u.off >= off+n {
			break
		}
		if off > u.off || off+n < u.end() {
			octets += max(min(off+n, u.hidden())-max(off, u.off, from), 0)
		}
	}
	return octets
}

// digest is the digest of n octets from an offset on, if all of them are kept.
func (h *history) digest(key *decode.DigestKey, off int64, n int) (digest uint64, ok bool) {
	if i := h.search(off); i < len(h.unseen) && h.unseen[i].off < off+int64(n) {
		u := &h.unseen[i]
		return u.digest, u.off == off && u.n == n
	}
	end := off + int64(n)
	if off < h.start || end > h.end {
		return 0, false
	}
	var octets [decode.MaxUnseen]byte
	for to := octets[:n]; off < end; {
		k := copy(to, h.at(off, end))
		off, to = off+int64(k), to[k:]
	}
	return key.Digest(octets[:n]), true
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
