package smtp

// answer answers the first n commands with the first m replies as well as can be, from the last backwards: a reply that the
// client had when it sent a command does not answer it, nor does one that the server sent before it had the command.
func (d *Dialogue) answer(n, m int) {
	by, used := d.pairs(n, m)
	replies := make([]reply, 0, m)
	for range m {
		replies = append(replies, d.takeReply())
	}
	for j := range replies {
		if !used[j] {
			d.unsolicited(replies[j])
		}
	}
	for _, j := range by {
		c := d.takePending()
		switch {
		case c.acked == severed:
			if d.tx != nil {
				d.tx.severed = true
			}
		case j < 0:
			d.resolve(c, nil)
		default:
			d.resolve(c, &replies[j])
		}
	}
}

// pairs gives for each of the first n commands which of the first m replies answers it, -1 for none, and which replies are used.
func (d *Dialogue) pairs(n, m int) (by []int, used []bool) {
	by, used = make([]int, n), make([]bool, m)
	ladder := d.ladder(m)
	d.takes(n + m)
	for i, j := n-1, m-1; i >= 0; i-- {
		by[i] = -1
		k, c := j, d.pending.at(i)
		if c.verb != verbGreeting && k >= 0 {
			k = d.climb(ladder, k, c.end)
		}
		if c.acked != severed && k >= 0 && (c.verb == verbGreeting || d.replies.at(k).end > c.acked) {
			by[i], used[k], j = k, true, k-1
		}
	}
	return by, used
}

// A rung leads from a reply to earlier ones that the server sent when it had received more. Servers acknowledge what they have
// received in order, so that there are none: but segments may overtake each other.
type rung struct {
	up    int // the nearest
	far   int // one of those that come after that
	depth int // how many there are
}

// ladder makes the rungs of the first m replies, nil where none has one.
func (d *Dialogue) ladder(m int) []rung {
	if d.replies.place(d.recall().disorder[FromServer]) == 0 {
		return nil
	}
	rungs := make([]rung, m)
	for k := range rungs {
		r := rung{up: k - 1, far: -1}
		for r.up >= 0 && d.replies.at(r.up).acked <= d.replies.at(k).acked {
			r.up = rungs[r.up].up
			d.steps(1)
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

// climb is the last of the first k+1 replies that the server sent when it had received the client's octets up to end, -1 if there
// is none.
func (d *Dialogue) climb(rungs []rung, k int, end int64) int {
	short := func(k int) bool { return d.replies.at(k).acked < end }
	for k >= 0 && short(k) {
		d.steps(1)
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
