package reassembly

import "tap25/reassembly/decode"

// synOptions is the window scaling that the SYN, or SYN-ACK, of a side offered: 0 if none was captured; unscaled; or
// scaled plus its shift.
type synOptions uint8

const (
	unscaled synOptions = 1 + iota
	scaled
)

// shift is the shift count of a side's windows: 0 unless both SYNs have the option (RFC 7323 section 2.2). If a SYN was
// not captured, the largest shift is assumed. A window assumed too large costs memory, which is bounded; of one assumed
// too small, octets would be dropped that can still be replaced.
func (v *handshake) shift(side int) uint8 {
	switch s := v.seen[side]; {
	case s == unscaled || v.seen[1-side] == unscaled:
		return 0
	case s == 0:
		return decode.MaxShift
	default:
		return uint8(s - scaled)
	}
}

const (
	// minRoom is how many octets of a direction that the peer has not acknowledged are kept, whatever its window: if
	// acknowledgments or the handshake were not captured, the window is not known, and a host that merges segments
	// sends them with 64 KiB.
	minRoom = 128 << 10
	// maxRoom is how many are kept at most, however large the window: common systems let it grow to less. One direction
	// never keeps more than its share of Config.MaxHeld.
	maxRoom = 16 << 20
	shares  = 16
)

// offer notes the window that the peer offered when it acknowledged up to an offset.
func (h *half) offer(acked int64, window uint16, shift uint8) {
	h.edge = max(h.edge, acked+int64(window)<<shift)
}

// room is how many octets of a flight may be kept: what the peer's window allows, within bounds.
func (h *half) room(maxHeld int64) int64 {
	return max(min(max(h.edge-h.acked, minRoom), maxRoom, maxHeld/shares), maxUnacked)
}

// remember keeps the end of what was delivered, and what the peer has not acknowledged.
func (h *half) remember(s *shared, data []byte) {
	from := h.remembered()
	h.history.add(&s.histories, h.next, data, h.keep(s, len(data)))
	h.dropped(from)
}

// keep is how many octets are to be kept once n more are delivered.
func (h *half) keep(s *shared, n int) int {
	keep := maxHistory + max(h.next+int64(n)-h.acked, 0)
	if keep > maxUnacked {
		keep = min(keep, h.room(s.maxHeld))
	}
	return int(keep)
}

// remembered is the offset from which on octets are kept.
func (h *half) remembered() int64 {
	if h.history.ring == nil {
		return h.next
	}
	return h.history.start
}

// dropped notes that the history, which began at an offset, has dropped octets that the peer had not acknowledged.
func (h *half) dropped(from int64) {
	if start := h.history.start; start > from && start > h.acked {
		h.bare = start
	}
}

// uncompared is how many octets of a copy of what was delivered cannot be compared with it. What the peer had
// acknowledged before the copy came need not be: no copy replaces it any more.
func (h *half) uncompared(off, n int64) int64 {
	return max(min(off+n, h.bare)-max(off, h.acked), 0)
}

// cut drops the older part of a flight of more than maxUnacked octets. Half of maxUnacked stays, so that the ring grows
// again only after as much was captured.
func (h *half) cut(p *historyPool) {
	from := h.history.start
	h.history.cut(p, maxUnacked, maxUnacked/2)
	h.dropped(from)
}

// shrink returns the ring of a long flight once all of it was acknowledged.
func (h *half) shrink(p *historyPool) {
	if h.acked >= h.next && h.long() {
		h.history.shrink(p)
	}
}

// long reports whether more of a flight is kept than the commands of a transaction take, and vast, whether it is more
// than is kept unless the window is larger.
func (h *half) long() bool { return len(h.history.ring) > 4*maxHistory }
func (h *half) vast() bool { return len(h.history.ring) > maxUnacked }
