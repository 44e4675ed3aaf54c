package reassembly

import (
	"bytes"
	"slices"
	"time"

	"tap25/reassembly/smtp"
)

// half is one direction of a connection. Offsets count its bytes from the first one after the SYN (or the first that
// was captured), in 64 bits: sequence numbers wrap, offsets do not.
type half struct {
	base  uint32 // sequence number of offset 0
	known bool   // base is known
	seen  bool   // payload was seen
	heard bool   // an acceptable segment was captured
	next  int64  // what comes before it was delivered, or is lost
	acked int64  // the peer has acknowledged up to here

	*flow
}

// flow is what a direction needs only while its connection is open: far more connections are remembered than are open.
type flow struct {
	fin     int64     // offset of the FIN; -1: none seen
	rst     int64     // offset of the RST that this side sent; -1: none
	ackedAt time.Time // since when bytes that the peer acknowledged are missing
	history history   // the last bytes delivered, up to next
	held    runs      // after a hole
	ahead   int       // what held takes
	feeding
	bogus int64       // the largest acknowledgment that dropBogusAck lowered
	edge  int64       // the largest right edge of the windows that the peer has offered; 0: none
	late  *late       // nil while nothing was acknowledged before it was captured
	wrong *unverified // with a wrong checksum; nil if there is nothing
	// some octets before it are not in the history, though the peer may not have acknowledged them when they were let
	// go
	bare  int64
	shift uint8 // of the windows that this side offers
}

// noFlow is that of both directions of all connections that are closed: nothing is held there, and nothing changes it.
var noFlow flow

const (
	// runCost is what a page of gopacket's takes; each holds up to pageBytes of one run, however short it is.
	runCost   = 2048
	pageBytes = 1900

	// maxEpisode bounds the length of an episode: beyond 3/4 of 2^32 gopacket's sequence numbers lose their order.
	maxEpisode = 1 << 30
)

// run is octets of one segment that are not delivered yet.
type run struct {
	off   int64
	data  []byte
	t     time.Time
	acked int64

	// Of unverified alone:
	segment  uint32 // number of its segment
	conflict bool   // another segment with a wrong checksum has other octets, or it is urgent
}

func (r *run) end() int64 { return r.off + int64(len(r.data)) }

// cost is the memory of a run in octets: its bytes here, and gopacket's pages.
func (r *run) cost() int { return len(r.data) + r.pages()*runCost }

func (r *run) pages() int { return len(r.data)/pageBytes + 1 }

func (h *half) offset(seq uint32) int64 { return h.next + int64(int32(seq-h.base-uint32(h.next))) }
func (h *half) size() int               { return h.history.size() + h.ahead + h.held.len()*80 + h.wrong.size() }
func (h *half) waiting() bool {
	return h.held.len() > 0 || h.heard && h.acked > h.next && (h.fin < 0 || h.next < h.fin)
}

// end is the offset of the FIN or RST that ends the direction, -1 if none has come.
func (h *half) end() int64 {
	if h.fin >= 0 && (h.rst < 0 || h.fin < h.rst) {
		return h.fin
	}
	return h.rst
}

// acknowledge reads an acknowledgment of the peer's, and returns its offset.
func (h *half) acknowledge(t time.Time, ack uint32) int64 {
	if !h.known {
		h.base, h.known = ack, true
	}
	return h.acknowledgeTo(t, h.offset(ack))
}

// acknowledgeTo does the same with an offset.
func (h *half) acknowledgeTo(t time.Time, off int64) int64 {
	if off > h.next+maxWindow || off < 0 {
		return h.acked // no host accepts it
	}
	if h.fin >= 0 {
		off = min(off, h.fin)
	}
	if off > h.acked {
		if h.acked <= h.next {
			h.ackedAt = t
		}
		h.acked = off
		if off > h.next {
			h.acknowledgedEarly(t, off)
		} else if h.late != nil {
			h.late.times = 0
		}
	}
	return off
}

// dropBogusAck lowers acked if the sender's next segment proves that it never sent that far. A host discards such an
// acknowledgment with its segment (RFC 9293 section 3.10.7.4).
func (h *half) dropBogusAck(off int64, n int) {
	if off != h.next || h.held.len() > 0 || h.late.again() {
		return
	}
	if sent := max(off+int64(n), h.wrong.end()); h.acked > sent {
		h.bogus, h.acked = max(h.bogus, h.acked), sent
	}
	if h.late != nil && h.late.awaited > h.acked {
		h.late.awaited = 0
	}
}

// keepAlive reports whether a copy is a keep-alive with an octet (RFC 9293 section 3.8.4), which is garbage. One is
// sent on an idle connection, so what it repeats was acknowledged, or is a line end whose acknowledgment was not
// captured in time. In the latter case a client's must be zero: another octet in place of its line end might be meant
// for the server.
func (h *half) keepAlive(dir smtp.Direction, off int64, data []byte) bool {
	if len(data) != 1 || off != h.next-1 {
		return false
	}
	return off < h.acked || !h.history.differs(nil, off, []byte{'\n'}) && (dir == smtp.FromServer || data[0] == 0)
}

// order delivers the data of a segment, or holds it if it comes after a hole. The first copy of a byte counts; one that
// differs is a conflict.
func (c *conn) order(t time.Time, dir smtp.Direction, off int64, data []byte, acked int64) {
	h := &c.half[dir]
	if !h.seen && off > h.next && h.wrong.len() == 0 {
		c.giveAll() // it is not late, but something was lost before it
	}
	h.seen = true
	c.supersede(dir, off, data)
	if off < h.next {
		n := min(h.next-off, int64(len(data)))
		uncompared := h.uncompared(off, n) + h.history.partly(off, n, max(h.acked, h.bare))
		c.shared.stats.Uncompared += uncompared
		if h.history.differs(c.shared.digestKey, off, data[:n]) && !h.keepAlive(dir, off, data[:n]) {
			c.conflict(dir)
		} else if uncompared > 0 {
			c.give(dir, piece{conflict: true})
		}
		c.shared.stats.DuplicateBytes += n
		off, data = off+n, data[n:]
	}
	if len(data) == 0 {
		return
	}
	if off == h.next && h.held.len() == 0 {
		c.deliver(t, dir, data, acked)
		return
	}
	if h.episode != nil && off+int64(len(data))-h.episode.start > maxEpisode {
		c.drain(dir)
		c.order(t, dir, off, data, acked) // what was held may have reached beyond it
		return
	}
	c.hold(t, dir, off, data, acked)
	for h.ahead > maxAhead {
		c.giveUp(dir)
	}
	c.endEpisode(dir)
}

// hold keeps the parts of a segment that are new, and compares the others with what is held.
func (c *conn) hold(t time.Time, dir smtp.Direction, off int64, data []byte, acked int64) {
	h := &c.half[dir]
	conflict := false
	var fresh []run
	h.held.split(off, data, func(off int64, data []byte) {
		fresh = append(fresh, run{off: off, data: slices.Clone(data), t: t, acked: acked})
	}, func(r *run, off int64, data []byte) {
		conflict = conflict || !bytes.Equal(r.data[off-r.off:][:len(data)], data)
		c.shared.stats.DuplicateBytes += int64(len(data))
	})
	if conflict {
		c.conflict(dir)
	}
	for _, r := range fresh {
		c.shared.stats.Steps += int64(h.held.insert(r))
		h.ahead += r.cost()
	}
	c.feedFresh(dir, fresh) // held is complete by now: gopacket may release at once
}

// release delivers the next n bytes of what is held. A hole before them was given up, and is lost.
func (c *conn) release(dir smtp.Direction, n int64) {
	h := &c.half[dir]
	for n > 0 && h.held.len() > 0 {
		r := h.held.pop()
		c.shared.stats.Steps++
		h.ahead -= r.cost()
		h.fed--
		h.fedPages -= r.pages()
		h.fedOctets -= int64(len(r.data))
		c.shared.orderer.use(-r.pages())
		n -= int64(len(r.data))
		c.passOver(c.shared.now, dir, r.off)
		c.deliver(r.t, dir, r.data, r.acked)
	}
}

// giveUp declares the first hole lost.
func (c *conn) giveUp(dir smtp.Direction) {
	h := &c.half[dir]
	h.episode.skip(h.held.end())
	c.topUp(dir)
}

// endEpisode ends the episode of reordering if nothing is held any more.
func (c *conn) endEpisode(dir smtp.Direction) {
	if c.half[dir].held.len() == 0 {
		c.drain(dir)
	}
}

// drain gives up all holes and ends the episode of reordering.
func (c *conn) drain(dir smtp.Direction) {
	h := &c.half[dir]
	for h.held.len() > 0 {
		c.giveUp(dir)
	}
	if h.episode != nil {
		h.episode.close()
		h.episode = nil
	}
}
