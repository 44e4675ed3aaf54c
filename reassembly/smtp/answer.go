package smtp

// answer answers the first n commands with the first m replies as well as can be, from the last backwards: a reply
// that the client had when it sent a command does not answer it, nor does one that the server sent before it had the
// command.
func (d *Dialogue) answer(n, m int) {
	by, used := d.match.pairs(n, m)
	replies := make([]reply, 0, m)
	for range m {
		replies = append(replies, d.match.takeReply())
	}
	for j := range replies {
		if !used[j] {
			d.unsolicited(replies[j])
		}
	}
	for _, j := range by {
		if d.match.pending.len() == 0 {
			return // a reply before them has reversed the roles
		}
		c := d.match.takeCommand()
		switch {
		case c.acked == severed:
			d.mail.tx.sever()
		case j < 0:
			d.resolve(&c, nil)
		default:
			d.resolve(&c, &replies[j])
		}
	}
}

// pairs gives for each of the first commands which of the first replies answers it, -1 for none, and which replies are
// used.
func (m *matcher) pairs(commands, replies int) (by []int, used []bool) {
	by, used = make([]int, commands), make([]bool, replies)
	ladder := m.ladder(replies)
	m.work.takes(commands + replies)
	for i, j := commands-1, replies-1; i >= 0; i-- {
		by[i] = -1
		k, c := j, m.pending.at(i)
		if c.verb != verbGreeting && k >= 0 {
			k = m.climb(ladder, k, c.end)
		}
		if c.acked != severed && k >= 0 && (c.verb == verbGreeting || m.replies.at(k).end > c.acked) {
			by[i], used[k], j = k, true, k-1
		}
	}
	return by, used
}

// A rung leads from a reply to earlier ones that the server sent when it had received more. Servers acknowledge what
// they have received in order, so that there are none: but segments may overtake each other.
type rung struct {
	up    int // the nearest
	far   int // one of those that come after that
	depth int // how many there are
}

// ladder makes the rungs of the first replies, nil where none has one.
func (m *matcher) ladder(replies int) []rung {
	if m.replies.place(m.recall().disorder[FromServer]) == 0 {
		return nil
	}
	rungs := make([]rung, replies)
	for k := range rungs {
		r := rung{up: k - 1, far: -1}
		for r.up >= 0 && m.replies.at(r.up).acked <= m.replies.at(k).acked {
			r.up = rungs[r.up].up
			m.work.steps(1)
		}
		if up := r.up; up >= 0 {
			r.depth, r.far = rungs[up].depth+1, up
			if far := rungs[up].far; far >= 0 && rungs[far].far >= 0 &&
				rungs[up].depth-rungs[far].depth == rungs[far].depth-rungs[rungs[far].far].depth {
				r.far = rungs[far].far
			}
		}
		rungs[k] = r
	}
	return rungs
}

// climb is the last of the first k+1 replies that the server sent when it had received the client's octets up to end,
// -1 if there is none.
func (m *matcher) climb(rungs []rung, k int, end int64) int {
	short := func(k int) bool { return m.replies.at(k).acked < end }
	for k >= 0 && short(k) {
		m.work.steps(1)
		switch {
		case rungs == nil:
			return -1
		case rungs[k].far >= 0 && short(rungs[k].far):
			k = rungs[k].far
		default:
			k = rungs[k].up
		}
	}
	return k
}
