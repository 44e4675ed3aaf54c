package smtp

import "math/bits"

// What is done to all commands that wait is not done to each of them: it is noted with the number of the first command that it
// does not concern, and applied when a command is taken. So an event costs the same however many commands wait.

// marks are such notes, each the number of the first command that it does not concern.
type marks struct {
	mail  [8]int64 // by bit of Flags: flags of MAIL, RCPT and STARTTLS
	all   int64    // Gap, for all commands
	upTo  int64    // Gap, for those that the client sent before it had received heard octets
	heard int64
	chunk int64 // octets of BDAT were missed
	any   int64 // the largest of these
}

// set notes that a mark concerns all commands before that number.
func (m *marks) set(mark *int64, number int64) { *mark, m.any = number, number }

// apply applies the marks to the command of that number.
func (m *marks) apply(c *command, number int64) {
	if c.verb.isMail() {
		for bit, before := range m.mail {
			if number < before {
				c.flags |= 1 << bit
			}
		}
	}
	if number < m.all || number < m.upTo && c.acked < m.heard {
		c.flags |= Gap
	}
	if number < m.chunk && c.verb == verbBdat {
		c.size = -1
	}
}

// isMail says whether a command can begin a row.
func (v verb) isMail() bool { return v == verbMail || v == verbRcpt || v == verbStartTLS }

// flag marks the open transaction and those whose MAIL awaits its reply; with next, where there is none, the next one.
func (d *Dialogue) flag(f Flags, next bool) {
	marked := d.mailPending > 0
	if d.tx != nil {
		d.tx.flags |= f
		marked = true
	}
	if d.dark != nil {
		d.dark.flags |= f
		marked = true
	}
	if d.mailPending > 0 {
		m := &d.recall().marks
		m.set(&m.mail[bits.TrailingZeros8(uint8(f))], d.pending.end())
	}
	if next && !marked {
		d.nextFlag |= f
	}
}

// flagUpTo marks as incomplete what the replies up to offset end may belong to: what the client sent when it had received
// more does not. end never falls, so that the last call says it all.
func (d *Dialogue) flagUpTo(end int64) {
	if d.tx != nil {
		d.tx.flags |= Gap
	}
	if d.dark != nil {
		d.dark.flags |= Gap
	}
	if d.pending.len() > 0 {
		m := &d.recall().marks
		m.set(&m.upTo, d.pending.end())
		m.heard = end
	}
}

// enqueue has a command wait for its reply.
func (d *Dialogue) enqueue(c command) {
	c.heard = c.acked
	if d.pending.len() > 0 {
		switch last := d.pending.last(); {
		case c.acked == severed:
			c.heard = last.heard
		case c.heard < last.heard:
			d.recall().disorder[FromClient] = d.pending.end()
		}
	}
	if c.verb.isMail() {
		d.mailPending++
	}
	d.pendingSize += c.octets()
	d.pending.push(c)
}

// takePending takes the first command that waits.
func (d *Dialogue) takePending() command {
	number := d.pending.first
	c := d.pending.pop()
	if m := d.memory; m != nil && number < m.marks.any {
		m.marks.apply(&c, number)
	}
	d.uncount(&c)
	return c
}

// octets is about how much memory a command takes besides its own.
func (c *command) octets() int {
	n := c.path.octets()
	if c.arg != nil {
		n += len(*c.arg)
	}
	return n
}

// uncount notes that a command waits no more.
func (d *Dialogue) uncount(c *command) {
	if c.verb.isMail() {
		d.mailPending--
	}
	d.pendingSize -= c.octets()
}

// next is the place of the first command of that kind that waits, the length of the queue if there is none. What was looked at once
// is not looked at again.
func (d *Dialogue) next(v verb) int {
	looked := &d.recall().looked[v]
	n := d.pending.place(*looked)
	from := n
	for n < d.pending.len() && d.pending.at(n).verb != v {
		n++
	}
	*looked = d.pending.first + int64(n)
	d.steps(n - from)
	return n
}

// heard is the place of the first command that waits that the client sent when it had received that many octets, or more if not
// exactly, the length of the queue if there is none. What a client has received does not fall, unless segments overtook each other:
// only commands before the last of these are looked at one by one.
func (d *Dialogue) heard(octets int64, exactly bool) int {
	q := &d.pending
	sorted := q.place(d.recall().disorder[FromClient])
	for i := range sorted {
		if acked := q.at(i).acked; acked == octets || !exactly && acked > octets && acked != severed {
			d.steps(i + 1)
			return i
		}
	}
	d.steps(sorted)
	i := q.search(sorted, func(c *command) bool { return c.heard >= octets })
	if i < q.len() && q.at(i).acked == severed { // no two of these stand together
		i++
	}
	if i < q.len() && exactly && q.at(i).acked != octets {
		return q.len()
	}
	return i
}
