// SPDX-License-Identifier: Apache-2.0

package bpf

import "fmt"

// Verdict is what the XDP program decided about one frame: every frame gets
// exactly one, and it indexes Stats.Verdicts. The order is that of enum verdict
// in filter.c; a test compares the two.
type Verdict uint32

const (
	Segment  Verdict = iota // kept: TCP with a watched port
	Fragment                // kept: fragment of a datagram that holds TCP, or may
	// kept: headers too deep, rare, ambiguous, or in a fragment not seen yet; user space decides
	Undecided
	OtherPort // dropped by design, and so are all below
	NotTCP
	NotIP
	Truncated
	Malformed

	Verdicts int = iota
)

var verdictNames = [Verdicts]string{
	Segment: "segment", Fragment: "fragment", Undecided: "undecided", OtherPort: "other_port",
	NotTCP: "not_tcp", NotIP: "not_ip", Truncated: "truncated", Malformed: "malformed",
}

// String is the name of the verdict in metrics.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict_%d", uint32(v))
}

// Kept reports whether frames of this verdict go to a ring.
func (v Verdict) Kept() bool { return v <= Undecided }

// String names the kind as decode.Unread does: "ethertype 0x88f7", "ip protocol 50", "udp port 4341".
func (u Unread) String() string {
	switch u.Kind {
	case UnreadEtherType:
		return fmt.Sprintf("ethertype 0x%04x", u.Number)
	case UnreadIPProtocol:
		return fmt.Sprintf("ip protocol %d", u.Number)
	}
	return fmt.Sprintf("udp port %d", u.Number)
}

// Stats are the counters of all interfaces, and of each by its name.
type Stats struct {
	Counts
	Interfaces map[string]Counts
	Buffers    []Buffer // of each worker's ring
}

// Counts add up: Seen() = Dropped() + the rings' Delivered + the rings' Full.
type Counts struct {
	Verdicts [Verdicts]uint64
	Rings    []RingCounts // by worker
}

// UnreadKind is the kind of number that an [Unread] has.
type UnreadKind uint16

// Kinds of Unread, as in walk.h.
const (
	UnreadEtherType UnreadKind = 1 + iota
	UnreadIPProtocol
	UnreadUDPPort
)

// Unread is how many frames were dropped that held something in which a tunnel may be.
type Unread struct {
	Kind   UnreadKind
	Number uint16
	Frames uint64
}

// RingCounts counts the frames of one worker.
type RingCounts struct {
	Delivered uint64 // copied to the ring
	Full      uint64 // kept by the verdict, lost because the ring had no room
	Cut       uint64 // delivered, but longer than the largest size class
	Bytes     uint64 // length of the delivered frames on the wire
}

// Buffer is the memory of a ring, in bytes.
type Buffer struct {
	Capacity uint64
	Used     uint64 // of these: what is not read yet, or not given back to the kernel
}

// add adds counters up. Both have the same rings.
func (s *Counts) add(o *Counts) {
	for v, n := range o.Verdicts {
		s.Verdicts[v] += n
	}
	for i, r := range o.Rings {
		s.Rings[i].add(r)
	}
}

func (r *RingCounts) add(o RingCounts) {
	r.Delivered += o.Delivered
	r.Full += o.Full
	r.Cut += o.Cut
	r.Bytes += o.Bytes
}

// Seen is the number of frames the program has run on.
func (s *Counts) Seen() (n uint64) {
	for _, k := range s.Verdicts {
		n += k
	}
	return n
}

// Dropped is the number of frames dropped by design.
func (s *Counts) Dropped() (n uint64) {
	for v, k := range s.Verdicts {
		if !Verdict(v).Kept() {
			n += k
		}
	}
	return n
}

// Delivered and Full are sums over the rings.
func (s *Counts) Delivered() (n uint64) {
	for _, r := range s.Rings {
		n += r.Delivered
	}
	return n
}

// Full is the number of frames lost to full rings.
func (s *Counts) Full() (n uint64) {
	for _, r := range s.Rings {
		n += r.Full
	}
	return n
}
