package smtp

// matcher holds the commands that wait for their replies, and the replies that wait for their commands.
type matcher struct {
	work    *work
	pending queue[command] // not yet answered
	replies queue[reply]   // not yet matched
	mails   int            // how many of pending can begin a row
	size    int            // what their paths take
	// lines of the client end there: the server had received so much when it sent its last replies
	ends   [8]int64
	memory *matcherMemory
}

// matcherMemory is what was found among commands and replies, so as not to look for it again: their numbers. In most
// dialogues nothing waits for long, and there is none.
type matcherMemory struct {
	marks    marks        // on commands
	looked   [verbs]int64 // number of the first command among which none of that kind was looked for yet
	bareLFs  int64        // number of the first command not known to end with a bare LF, like all before it
	disorder [2]int64     // number of the last command, and reply, whose sender had received less than before
	anchored anchored
}

const matcherMemorySize = 296

func (m *matcher) recall() *matcherMemory {
	if m.memory == nil {
		m.memory = new(matcherMemory)
	}
	return m.memory
}

// memoryUse is about how many bytes are used.
func (m *matcher) memoryUse() int {
	n := m.size + m.pending.size() + m.replies.size()
	if m.memory != nil {
		n += matcherMemorySize
	}
	return n
}

// isMail reports whether a command can begin a row.
func (v verb) isMail() bool { return v == verbMail || v == verbRcpt || v == verbStartTLS }

// enqueue has a command wait for its reply.
func (m *matcher) enqueue(c *command) {
	c.heard = c.acked
	if m.pending.len() > 0 {
		switch last := m.pending.last(); {
		case c.acked == severed:
			c.heard = last.heard
		case c.heard < last.heard:
			m.recall().disorder[FromClient] = m.pending.end()
		}
	}
	if c.verb.isMail() {
		m.mails++
	}
	m.size += c.octets()
	m.pending.push(*c)
}

// takeCommand takes the first command that waits.
func (m *matcher) takeCommand() command {
	number := m.pending.first
	c := m.pending.pop()
	if m.memory != nil && number < m.memory.marks.any {
		m.memory.marks.apply(&c, number)
	}
	m.uncount(&c)
	return c
}

// octets is about how much memory a command takes besides its own.
func (c *command) octets() int {
	n := c.path.octets()
	if c.client != nil {
		n += clientSize
	}
	if c.arg != nil {
		n += len(*c.arg)
	}
	return n
}

// uncount notes that a command waits no more.
func (m *matcher) uncount(c *command) {
	if c.verb.isMail() {
		m.mails--
	}
	m.size -= c.octets()
}

// next is the place of the first command of that kind that waits, the length of the queue if there is none. What was
// looked at once is not looked at again.
func (m *matcher) next(v verb) int {
	looked := &m.recall().looked[v]
	n := m.pending.place(*looked)
	from := n
	for n < m.pending.len() && m.pending.at(n).verb != v {
		n++
	}
	*looked = m.pending.first + int64(n)
	m.work.steps(n - from)
	return n
}

// heard is the place of the first command that waits that the client sent when it had received that many octets, or
// more if not exactly, the length of the queue if there is none. What a client has received does not fall, unless
// segments overtook each other: only commands before the last of these are looked at one by one.
func (m *matcher) heard(octets int64, exactly bool) int {
	q := &m.pending
	sorted := q.place(m.recall().disorder[FromClient])
	for i := range sorted {
		if acked := q.at(i).acked; acked == octets || !exactly && acked > octets && acked != severed {
			m.work.steps(i + 1)
			return i
		}
	}
	m.work.steps(sorted)
	i := q.search(sorted, func(c *command) bool { return c.heard >= octets })
	if i < q.len() && q.at(i).acked == severed { // no two of these stand together
		i++
	}
	if i < q.len() && exactly && q.at(i).acked != octets {
		return q.len()
	}
	return i
}

// cut takes the commands from the i-th on.
func (m *matcher) cut(i int) {
	for k := i; k < m.pending.len(); k++ {
		m.uncount(m.pending.at(k))
	}
	m.pending.cut(i)
}

// isAuthLine makes the i-th command a line of AUTH, whatever it looks like.
func (m *matcher) isAuthLine(i int) {
	c := m.pending.at(i)
	if c.verb.isMail() {
		m.mails--
	}
	c.verb = verbAuthLine
}

// queueReply has a reply wait for its command.
func (m *matcher) queueReply(r *reply) {
	number := m.replies.end()
	if m.replies.len() > 0 {
		last := m.replies.last()
		if r.fine = last.fine; r.acked < last.acked {
			m.recall().disorder[FromServer] = number
		}
	}
	if r.code < 400 {
		r.fine = number + 1
	}
	m.replies.push(*r)
	copy(m.ends[1:], m.ends[:])
	m.ends[0] = r.acked
}

func (m *matcher) takeReply() reply { return m.replies.pop() }

// repliesTo is how many replies the server sent before it had received the client's octets after end.
func (m *matcher) repliesTo(end int64) (n int) {
	sorted := m.replies.place(m.recall().disorder[FromServer])
	for i := range sorted {
		if m.replies.at(i).acked <= end {
			n++
		}
	}
	m.work.steps(sorted)
	return n + m.replies.search(sorted, func(r *reply) bool { return r.acked > end }) - sorted
}

// repliesUpTo is the number of replies that end at offset x or before.
func (m *matcher) repliesUpTo(x int64) int {
	return m.replies.search(0, func(r *reply) bool { return r.end > x })
}

// endsReply reports whether a client that had received the server's octets up to offset sent a command: a reply ends
// there.
func (m *matcher) endsReply(offset int64) bool {
	return m.heard(offset, true) < m.pending.len()
}

// endsLine reports whether the server has answered the client's octets up to offset: they end with a line then.
func (m *matcher) endsLine(offset int64) bool {
	for _, f := range m.ends {
		if f == offset {
			return true
		}
	}
	return false
}

// answeredAt reports whether the server, when it had received the client's octets up to end and no more, said
// something good after its own first received octets. 4xx and 5xx do not count: a server may break a message off with
// them.
func (m *matcher) answeredAt(end, received int64) bool {
	sorted := m.replies.place(m.recall().disorder[FromServer])
	for i := range sorted {
		if r := m.replies.at(i); r.acked == end && r.code < 400 && r.end > received {
			m.work.steps(i + 1)
			return true
		}
	}
	m.work.steps(sorted)
	from := m.replies.search(sorted, func(r *reply) bool { return r.acked >= end && r.end > received })
	to := m.replies.search(from, func(r *reply) bool { return r.acked > end })
	return from < to && m.replies.at(to-1).fine > m.replies.first+int64(from)
}

// dropCommands drops the commands that wait.
func (m *matcher) dropCommands() { m.pending.drop() }

// dropReplies drops the replies that wait.
func (m *matcher) dropReplies() { m.replies.drop() }

// markIsNext reports whether the first that waits is no command, but a mark of sever.
func (m *matcher) markIsNext() bool { return m.pending.len() > 0 && m.pending.at(0).acked == severed }

// grouped reports whether the client sent the second command before it had received reply r to the first.
func (m *matcher) grouped(r *reply) bool {
	return m.pending.len() > 1 && m.pending.at(1).acked < r.end && !m.pending.at(1).afterLF
}

// upTo is how many of the first commands the server had received when it sent a reply with that acknowledgment.
func (m *matcher) upTo(acked int64) int {
	n := 0
	for n < m.pending.len() && (m.pending.at(n).acked == severed || m.pending.at(n).end <= acked) {
		n++
	}
	m.work.steps(n)
	return n
}

// endsWith reports whether r answers nothing but what ends with the n-th command.
func (m *matcher) endsWith(n int, r *reply) bool {
	return n > 0 && r.acked == m.pending.at(n-1).end && r.end > m.pending.at(n-1).acked
}

// lastIs reports whether the last command that waits is of that kind.
func (m *matcher) lastIs(v verb) bool { return m.pending.len() > 0 && m.pending.last().verb == v }

// missSize records that the size of the first command that waits is not known.
func (m *matcher) missSize() { m.pending.at(0).size = -1 }
