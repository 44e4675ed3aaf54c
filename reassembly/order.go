package reassembly

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"tap25/reassembly/smtp"
)

// half is one direction of a connection. Offsets count its bytes from the first one behind the SYN (or the first that
// was seen), in 64 bits: sequence numbers wrap, offsets do not.
type half struct {
	base    uint32 // sequence number of offset 0
	known   bool   // base is known
	seen    bool   // payload was seen
	next    int64  // what comes before it was delivered, or given up
	acked   int64  // the peer has acknowledged up to here
	ackedAt time.Time
	fin     int64    // offset of the FIN; -1: none seen
	history []byte   // the last bytes delivered, up to next
	held    []run    // behind a hole, in order, without overlap
	ahead   int      // what held takes
	episode *episode // open while something is held
}

// runCost is what a run takes besides its bytes: a page of gopacket's, however short it is.
const runCost = 2048

// run is bytes behind a hole, from one segment.
type run struct {
	off   int64
	data  []byte
	t     time.Time
	acked int64
}

// maxHistory is how many delivered bytes are kept to compare retransmissions with: the commands of a transaction.
const maxHistory = 2 << 10

func (h *half) offset(seq uint32) int64 { return h.next + int64(int32(seq-h.base-uint32(h.next))) }
func (h *half) size() int               { return cap(h.history) + h.ahead + len(h.held)*80 }
func (h *half) waiting() bool {
	return len(h.held) > 0 || h.seen && h.acked > h.next && (h.fin < 0 || h.next < h.fin)
}

// acknowledge notes that the peer acknowledged up to a sequence number, and returns its offset.
func (h *half) acknowledge(t time.Time, ack uint32) int64 {
	if !h.known {
		h.base, h.known = ack, true
	}
	off := h.offset(ack)
	if off > h.next+maxWindow || off < 0 {
		return h.acked // no host would believe it
	}
	if h.fin >= 0 {
		off = min(off, h.fin)
	}
	if off > h.acked {
		h.acked, h.ackedAt = off, t
	}
	return off
}

// remember keeps the end of what was delivered.
func (h *half) remember(data []byte) {
	if len(data) >= maxHistory {
		h.history = append(h.history[:0], data[len(data)-maxHistory:]...)
		return
	}
	if over := len(h.history) + len(data) - 2*maxHistory; over > 0 {
		n := copy(h.history, h.history[len(h.history)+len(data)-maxHistory:])
		h.history = h.history[:n]
	}
	h.history = append(h.history, data...)
}

// differs compares data at off with what was delivered there, as far as that is still known.
func (h *half) differs(off int64, data []byte) bool {
	if len(data) <= 1 && off == h.next-1 {
		return false // keep-alive, RFC 9293 section 3.8.4: its octet is garbage
	}
	start := h.next - int64(len(h.history))
	if off < start {
		skip := min(start-off, int64(len(data)))
		data, off = data[skip:], off+skip
	}
	if len(data) == 0 {
		return false
	}
	have := h.history[off-start:]
	n := min(len(have), len(data))
	return !bytes.Equal(have[:n], data[:n])
}

// order delivers a segment, or keeps what stands behind a hole. The first copy of a byte stands.
func (c *conn) order(t time.Time, dir smtp.Direction, off int64, data []byte, acked int64) {
	h := &c.half[dir]
	h.seen = true
	if off < h.next {
		n := min(h.next-off, int64(len(data)))
		if h.differs(off, data[:n]) {
			c.conflict(dir)
		}
		c.a.stats.DuplicateBytes += n
		off, data = off+n, data[n:]
	}
	if len(data) == 0 {
		return
	}
	if off == h.next && len(h.held) == 0 {
		c.push(t, dir, data, acked)
		return
	}
	c.keep(t, dir, off, data, acked)
	for h.ahead > maxAhead {
		c.giveUp(t, dir)
	}
	c.settleEpisode(dir)
}

// keep puts the parts of a segment that were never seen among those held, and compares the others.
func (c *conn) keep(t time.Time, dir smtp.Direction, off int64, data []byte, acked int64) {
	h := &c.half[dir]
	end := off + int64(len(data))
	var fresh []run
	conflict := false
	for _, r := range h.held {
		rEnd := r.off + int64(len(r.data))
		if rEnd <= off || r.off >= end {
			continue
		}
		if r.off > off {
			fresh = append(fresh, run{off, slices.Clone(data[:r.off-off]), t, acked})
			data, off = data[r.off-off:], r.off
		}
		n := min(rEnd, end) - off
		conflict = conflict || !bytes.Equal(r.data[off-r.off:off-r.off+n], data[:n])
		c.a.stats.DuplicateBytes += n
		data, off = data[n:], off+n
	}
	if len(data) > 0 {
		fresh = append(fresh, run{off, slices.Clone(data), t, acked})
	}
	if conflict {
		c.conflict(dir)
	}
	if h.episode == nil {
		c.openEpisode(dir)
	}
	for _, r := range fresh {
		i, _ := slices.BinarySearchFunc(h.held, r.off, func(x run, off int64) int { return cmp.Compare(x.off, off) })
		h.held = slices.Insert(h.held, i, r)
		h.ahead += len(r.data) + runCost
		h.episode.feed(r.off, r.data)
	}
}

func (c *conn) openEpisode(dir smtp.Direction) {
	h := &c.half[dir]
	h.episode = c.a.orderer.open(h.next, func(n int64) { c.release(dir, n) })
}

// settleEpisode ends the spell of disorder once nothing is held any more.
func (c *conn) settleEpisode(dir smtp.Direction) {
	if h := &c.half[dir]; h.episode != nil && len(h.held) == 0 {
		h.episode.close()
		h.episode, h.held = nil, nil
	}
}

// release delivers the next n bytes of what is held: no hole stands before them.
func (c *conn) release(dir smtp.Direction, n int64) {
	h := &c.half[dir]
	for n > 0 && len(h.held) > 0 {
		r := h.held[0]
		h.held[0] = run{}
		h.held = h.held[1:]
		h.ahead -= len(r.data) + runCost
		n -= int64(len(r.data))
		c.push(r.t, dir, r.data, r.acked)
	}
}

// giveUp takes the first hole for lost; what stands behind it begins a new episode.
func (c *conn) giveUp(t time.Time, dir smtp.Direction) {
	h := &c.half[dir]
	if n := h.held[0].off - h.next; n > 0 {
		c.lose(t, dir, n)
	}
	h.episode.close()
	c.openEpisode(dir)
	for _, r := range slices.Clone(h.held) {
		h.episode.feed(r.off, r.data)
	}
	c.settleEpisode(dir)
}
