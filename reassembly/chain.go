package reassembly

// chain is a list of connections that takes no memory but the link in each.
type chain struct {
	first, last *conn
	n           int
	link        func(*conn) *link // in a connection; nil: conn.listed
}

// link is the place of a connection in a chain.
type link struct {
	prev, next *conn
	in         *chain // nil: in none
	since      stamp  // when it was put there
}

func (q *chain) of(c *conn) *link {
	if q.link == nil {
		return &c.listed
	}
	return q.link(c)
}

func (q *chain) pushFront(c *conn, now stamp) {
	*q.of(c) = link{next: q.first, in: q, since: now}
	if q.first != nil {
		q.of(q.first).prev = c
	} else {
		q.last = c
	}
	q.first = c
	q.n++
}

func (q *chain) pushBack(c *conn, now stamp) {
	*q.of(c) = link{prev: q.last, in: q, since: now}
	if q.last != nil {
		q.of(q.last).next = c
	} else {
		q.first = c
	}
	q.last = c
	q.n++
}

func (q *chain) remove(c *conn) {
	l := q.of(c)
	if l.prev != nil {
		q.of(l.prev).next = l.next
	} else {
		q.first = l.next
	}
	if l.next != nil {
		q.of(l.next).prev = l.prev
	} else {
		q.last = l.prev
	}
	*l = link{}
	q.n--
}

// oldest returns the last connection other than c.
func (q *chain) oldest(c *conn) (at place, ok bool) {
	last := q.last
	if last != nil && last == c {
		last = q.of(c).prev
	}
	if last == nil {
		return place{}, false
	}
	return place{c: last, since: q.of(last).since}, true
}

// front returns the first connection.
func (q *chain) front() (at place, ok bool) {
	if q.first == nil {
		return place{}, false
	}
	return place{c: q.first, since: q.of(q.first).since}, true
}

// enlist appends a connection, or removes it.
func (q *chain) enlist(c *conn, now stamp, in bool) {
	switch is := q.of(c).in != nil; {
	case in && !is:
		q.pushBack(c, now)
	case !in && is:
		q.remove(c)
	}
}
