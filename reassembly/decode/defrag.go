package decode

import "time"

const (
	// A datagram that is not whole after this long is given up. RFC 8200
	// section 4.5 has 60 s; for IPv4 Linux waits 30 s (ipfrag_time).
	fragTimeoutIPv4 = 30 * time.Second
	fragTimeoutIPv6 = 60 * time.Second

	// maxDatagrams bounds the datagrams that wait for fragments. The fragments of
	// one come within microseconds; what stays longer is loss and attack.
	maxDatagrams = 4096

	// maxFragPages bounds the memory for fragments: 8 MiB a decoder.
	maxFragPages = 4096

	// maxRemembered bounds the whole datagrams that are kept, to recognise
	// duplicates of their fragments. A mirror of both directions of a port
	// brings them within microseconds.
	maxRemembered = 256

	// The most that can follow the smallest header of IPv4, and the largest
	// payload length of IPv6.
	maxDatagramLenIPv4 = 65535 - 20
	maxDatagramLenIPv6 = 65535
)

// FragmentStats counts IP fragments by what became of them: In is the sum of
// Reassembled to Held. A fragment in a datagram that was itself fragmented counts,
// too, so In may exceed the number of frames.
type FragmentStats struct {
	In          int64 // fragments
	Reassembled int64 // part of a datagram that became whole
	Duplicate   int64 // brought nothing new
	Overlapping int64 // contradicted what had come: the fragment (IPv4), all of its datagram (IPv6, RFC 5722)
	Irrelevant  int64 // of a datagram whose first fragment shows that it has no TCP of a watched port
	Bad         int64 // impossible length or offset, wrong header checksum, cut by the snaplen
	Expired     int64 // the rest did not come in time
	Evicted     int64 // dropped for newer ones, over the limit of datagrams or of memory
	Held        int64 // still waiting for the rest

	Datagrams    int64 // datagrams that became whole
	DontFragment int64 // fragments with DF set, which RFC 791 forbids and some stacks send
}

// Add adds what another decoder has counted.
func (s *FragmentStats) Add(o *FragmentStats) {
	s.In += o.In
	s.Reassembled += o.Reassembled
	s.Duplicate += o.Duplicate
	s.Overlapping += o.Overlapping
	s.Irrelevant += o.Irrelevant
	s.Bad += o.Bad
	s.Expired += o.Expired
	s.Evicted += o.Evicted
	s.Held += o.Held
	s.Datagrams += o.Datagrams
	s.DontFragment += o.DontFragment
}

// fragmentField is what an IPv4 header or a fragment header holds of a fragment.
type fragmentField struct {
	id       uint32
	offset   int
	proto    uint8
	more, df bool
	v6       bool
}

// piece is one fragment.
type piece struct {
	at       int64 // packet time, ns
	id       uint32
	path     uint64 // Packet.Path of what is around it
	offset   int
	body     []byte
	ip       ipHeader
	proto    uint8
	more, df bool
	v6       bool
	bad      bool    // cut, or with a wrong header checksum: never used
	reason   Verdict // of a first fragment: why its datagram is of no use, or goOn
}

// fragKey identifies a datagram: by the four fields of RFC 791, the three of RFC 8200, and the path by which its
// fragments came, for two networks may have the same addresses.
type fragKey struct {
	path     uint64
	src, dst [16]byte
	id       uint32
	proto    uint8 // IPv4 only: IPv6's fragments may differ in it
	v6       bool
}

func (x *piece) key() (k fragKey) {
	copy(k.src[:], x.ip.src)
	copy(k.dst[:], x.ip.to)
	k.id, k.v6, k.path = x.id, x.v6, x.path
	if !x.v6 {
		k.proto = x.proto
	}
	return k
}

// defragmenter reassembles IPv4 and IPv6 datagrams. Its memory is bounded by the two
// limits, its time by the octets that come in: a fragment is copied once into
// pages, and once more when its datagram is whole.
type defragmenter struct {
	byKey    map[fragKey]*datagram
	waiting  queue // not whole: oldest first
	complete queue // whole, kept to recognise duplicates: oldest first

	maxDatagrams int
	pages        pagePool
	free         *datagram // unused ones, by next

	stats FragmentStats
	steps int64         // Decoder.Steps
	whole wholeDatagram // valid until the next call of add
}

// wholeDatagram is the datagram that add has completed.
type wholeDatagram struct {
	data     []byte // a buffer of the defragmenter's, which the next datagram overwrites
	ip       ipHeader
	proto    uint8
	src, dst [16]byte
}

// newDefragmenter makes one that holds the given numbers of datagrams and pages, and at least
// the 32 pages that one datagram can take.
func newDefragmenter(datagrams, pages int) *defragmenter {
	return &defragmenter{byKey: map[fragKey]*datagram{}, maxDatagrams: datagrams,
		pages: pagePool{limit: max(pages, pagesPerDatagram)}}
}

// add reads one fragment. If it returns goOn, f.whole is the datagram that the
// fragment completed.
func (f *defragmenter) add(x *piece) Verdict {
	f.stats.In++
	if x.df {
		f.stats.DontFragment++
	}
	f.expire(x.at)
	if x.impossible() {
		f.stats.Bad++
		return BadFragment
	}
	key := x.key()
	g := f.find(key, x)
	if g == nil {
		g = f.begin(key, x.at)
	}
	switch g.state {
	case whole:
		f.stats.Duplicate++
		return Fragment
	case contradicted:
		f.stats.Overlapping++
		return BadFragment
	case useless:
		f.stats.Irrelevant++
		if !x.more { // the usual end of it
			f.drop(g)
		}
		return g.reason
	}
	return f.take(g, x)
}

// impossible reports whether no datagram can have the fragment.
func (x *piece) impossible() bool {
	limit := maxDatagramLenIPv4
	if x.v6 {
		limit = maxDatagramLenIPv6
	}
	return x.bad || len(x.body) == 0 || x.more && len(x.body)%unit != 0 || x.offset+len(x.body) > limit
}

// find returns the datagram that the fragment belongs to, nil for a new one. An
// identification is used again, so fragments of an old datagram must not be joined
// to a new one: what has expired, and what the fragment does not fit, is dropped.
func (f *defragmenter) find(key fragKey, x *piece) *datagram {
	g := f.byKey[key]
	switch {
	case g == nil:
		return nil
	case g.expired(x.at):
		f.stats.Expired += f.drop(g)
	case g.state == whole && !g.holds(x):
		f.drop(g)
	case g.state == useless && x.offset == 0 && x.reason == goOn:
		f.drop(g)
	default:
		return g
	}
	return nil
}

// begin makes room for a datagram and puts it last in the queue.
func (f *defragmenter) begin(key fragKey, at int64) *datagram {
	for len(f.byKey) >= f.maxDatagrams {
		f.evict(nil)
	}
	g := f.free
	if g == nil {
		g = &datagram{}
	} else {
		f.free = g.next
	}
	*g = datagram{key: key, at: at, total: -1}
	f.byKey[key] = g
	f.waiting.push(g)
	return g
}

// take adds a fragment to a datagram that is not whole.
func (f *defragmenter) take(g *datagram, x *piece) Verdict {
	if x.offset == 0 && !g.has(0) {
		if x.reason != goOn {
			return f.giveUp(g, useless, x)
		}
		g.first(x)
	}
	end, final := x.offset+len(x.body), false
	switch {
	case !x.more && (g.total >= 0 && g.total != end || end < g.end), x.more && g.total >= 0 && end > g.total:
		if x.v6 {
			return f.giveUp(g, contradicted, x)
		}
		g.conflict = true
		f.stats.Bad++
		return BadFragment
	case !x.more:
		final = g.total < 0
		g.total = end
	}
	g.end = max(g.end, end)
	for !f.pages.reserve(g, x.offset, end) {
		f.evict(g)
	}
	fresh, conflict := g.put(x.offset, x.body)
	switch {
	case conflict && x.v6:
		return f.giveUp(g, contradicted, x)
	case conflict:
		g.conflict = true
		if fresh == 0 && !final {
			f.stats.Overlapping++
			return Fragment
		}
	case fresh == 0 && !final:
		f.stats.Duplicate++
		return Fragment
	}
	g.offload = g.offload || x.ip.offload
	g.pieces++
	f.stats.Held++
	if !g.isWhole() {
		return Fragment
	}
	f.finish(g)
	return goOn
}

// giveUp frees what a datagram has, and remembers to accept no more of it.
func (f *defragmenter) giveUp(g *datagram, s state, x *piece) Verdict {
	n := int64(g.pieces) + 1
	f.stats.Held -= int64(g.pieces)
	g.state, g.reason, g.pieces = s, x.reason, 0
	f.pages.release(g)
	if s == contradicted {
		f.stats.Overlapping += n
		return BadFragment
	}
	f.stats.Irrelevant += n
	if g.total >= 0 { // the last one came before: nothing more to expect
		f.drop(g)
	}
	return x.reason
}

// finish copies a whole datagram to f.whole, and keeps it to recognise duplicates.
func (f *defragmenter) finish(g *datagram) {
	f.stats.Held -= int64(g.pieces)
	f.stats.Reassembled += int64(g.pieces)
	f.stats.Datagrams++
	w := &f.whole
	w.data = g.appendTo(w.data[:0])
	f.steps += int64(g.total / pageSize)
	w.proto, w.src, w.dst = g.proto, g.key.src, g.dst
	n := 4
	if g.key.v6 {
		n = 16
	}
	w.ip = ipHeader{src: w.src[:n], dst: w.dst[:n], ttl: g.ttl, conflict: g.conflict, offload: g.offload}
	g.state, g.pieces = whole, 0
	f.waiting.remove(g)
	f.complete.push(g)
	f.complete.n++
	if f.complete.n > maxRemembered {
		f.drop(f.complete.head)
	}
}

// drop forgets a datagram and returns the number of fragments that it held.
func (f *defragmenter) drop(g *datagram) int64 {
	f.steps++
	n := int64(g.pieces)
	f.stats.Held -= n
	if g.state == whole {
		f.complete.remove(g)
		f.complete.n--
	} else {
		f.waiting.remove(g)
	}
	f.pages.release(g)
	delete(f.byKey, g.key)
	g.next, f.free = f.free, g
	return n
}

// evict drops the oldest datagram other than keep, the whole ones first.
func (f *defragmenter) evict(keep *datagram) {
	g := f.complete.head
	if g == nil {
		g = f.waiting.head
		if g == keep {
			g = g.next
		}
	}
	f.stats.Evicted += f.drop(g)
}

// expire drops what has timed out at the front of the queues.
func (f *defragmenter) expire(now int64) {
	for g := f.waiting.head; g != nil && g.expired(now); g = f.waiting.head {
		f.stats.Expired += f.drop(g)
	}
	for g := f.complete.head; g != nil && g.expired(now); g = f.complete.head {
		f.drop(g)
	}
}
