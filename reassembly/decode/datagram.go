package decode

import "bytes"

const (
	unit             = 8 // octets: fragments begin at multiples of it (RFC 791 section 3.2)
	pageSize         = 2048
	pagesPerDatagram = 65536 / pageSize
)

// state decides what is done with further fragments of a datagram.
type state uint8

const (
	assembling   state = iota
	whole              // complete; only duplicates are expected
	useless            // without TCP of the ports
	contradicted       // IPv6 with an overlap: RFC 5722 drops all of it, and what is still to come
)

// datagram holds the fragments of a datagram that have come. Its pages record which
// units have.
type datagram struct {
	key        fragKey
	at         int64 // packet time of the first fragment that came
	prev, next *datagram

	pages  [pagesPerDatagram]*page
	end    int // of the fragment that reaches farthest
	total  int // from the last fragment, -1 before it came
	units  int // that have come
	pieces int // fragments that brought them

	state             state
	reason            Verdict // of useless
	conflict, offload bool

	// From the fragment at offset zero.
	proto, ttl uint8
	dst        [16]byte
}

// page holds pageSize octets of a datagram; each bit of have is for a unit.
type page struct {
	have [pageSize / unit / 64]uint64
	data [pageSize]byte
	next *page
}

func (p *page) has(u int) bool { return p.have[u/64]>>(u%64)&1 != 0 }
func (p *page) set(u int)      { p.have[u/64] |= 1 << (u % 64) }

// claim marks units [u, end) as had, and reports true. If one of them was already,
// it marks none.
func (p *page) claim(u, end int) bool {
	var masks [len(p.have)]uint64
	for u < end {
		n := min(64-u%64, end-u)
		masks[u/64] = ^uint64(0) >> (64 - n) << (u % 64)
		u += n
	}
	for i, m := range masks {
		if p.have[i]&m != 0 {
			return false
		}
	}
	for i, m := range masks {
		p.have[i] |= m
	}
	return true
}

// first keeps the header fields that the first fragment gives the whole datagram.
func (g *datagram) first(x *piece) {
	g.proto, g.ttl = x.proto, x.ip.ttl
	copy(g.dst[:], x.ip.dst)
}

// expired reports whether a datagram is too old. One from the future is, too: the
// clock was set back.
func (g *datagram) expired(now int64) bool {
	timeout := int64(fragTimeoutIPv4)
	if g.key.v6 {
		timeout = int64(fragTimeoutIPv6)
	}
	return now-g.at > timeout || g.at-now > timeout
}

// has reports whether the unit at an offset has come.
func (g *datagram) has(offset int) bool {
	p := g.pages[offset/pageSize]
	return p != nil && p.has(offset%pageSize/unit)
}

func (g *datagram) isWhole() bool { return g.total >= 0 && g.units == (g.total+unit-1)/unit }

// put copies b to an offset, but not over what has come before. It returns the
// number of new units, and whether a unit that had come has other bytes.
func (g *datagram) put(offset int, b []byte) (fresh int, conflict bool) {
	for len(b) > 0 {
		p, at := g.pages[offset/pageSize], offset%pageSize
		n := min(len(b), pageSize-at)
		if u, end := at/unit, (at+n+unit-1)/unit; p.claim(u, end) { // nearly always
			copy(p.data[at:], b[:n])
			fresh += end - u
		} else {
			k, c := p.merge(at, b[:n])
			fresh, conflict = fresh+k, conflict || c
		}
		offset, b = offset+n, b[n:]
	}
	g.units += fresh
	return fresh, conflict
}

// merge is put within a page, unit by unit.
func (p *page) merge(at int, b []byte) (fresh int, conflict bool) {
	for i := 0; i < len(b); i += unit {
		from, to := b[i:min(i+unit, len(b))], p.data[at+i:]
		if u := (at + i) / unit; !p.has(u) {
			p.set(u)
			copy(to, from)
			fresh++
		} else if !bytes.Equal(to[:len(from)], from) {
			conflict = true
		}
	}
	return fresh, conflict
}

// holds reports whether a whole datagram has this very fragment.
func (g *datagram) holds(x *piece) bool {
	end := x.offset + len(x.body)
	if end > g.total || !x.more && end != g.total {
		return false
	}
	for offset, b := x.offset, x.body; len(b) > 0; {
		at := offset % pageSize
		n := min(len(b), pageSize-at)
		if !bytes.Equal(g.pages[offset/pageSize].data[at:at+n], b[:n]) {
			return false
		}
		offset, b = offset+n, b[n:]
	}
	return true
}

// appendTo appends a whole datagram to b.
func (g *datagram) appendTo(b []byte) []byte {
	for rest, i := g.total, 0; rest > 0; i++ {
		b = append(b, g.pages[i].data[:min(rest, pageSize)]...)
		rest -= pageSize
	}
	return b
}

// pagePool makes pages up to a limit, and reuses them.
type pagePool struct {
	limit, made int
	free        *page
	unused      int // pages in free
}

// reserve gives the datagram the pages for the octets [from, to), and reports
// whether enough were left.
func (o *pagePool) reserve(g *datagram, from, to int) bool {
	first, last := from/pageSize, (to-1)/pageSize
	need := 0
	for i := first; i <= last; i++ {
		if g.pages[i] == nil {
			need++
		}
	}
	if need > o.unused+o.limit-o.made {
		return false
	}
	for i := first; i <= last; i++ {
		if g.pages[i] == nil {
			g.pages[i] = o.take()
		}
	}
	return true
}

func (o *pagePool) take() *page {
	p := o.free
	if p == nil {
		o.made++
		return &page{}
	}
	o.free, p.next = p.next, nil
	o.unused--
	clear(p.have[:]) // not the data: octets that have not come are not read
	return p
}

// release returns all pages of a datagram to the pool.
func (o *pagePool) release(g *datagram) {
	for i, p := range g.pages {
		if p != nil {
			p.next, o.free = o.free, p
			o.unused++
			g.pages[i] = nil
		}
	}
}

// queue is a list of datagrams in the order in which they came.
type queue struct {
	head, tail *datagram
	n          int // kept by the owner if it needs the length
}

func (q *queue) push(g *datagram) {
	g.prev, g.next = q.tail, nil
	if q.tail != nil {
		q.tail.next = g
	} else {
		q.head = g
	}
	q.tail = g
}

func (q *queue) remove(g *datagram) {
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		q.head = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		q.tail = g.prev
	}
	g.prev, g.next = nil, nil
}
