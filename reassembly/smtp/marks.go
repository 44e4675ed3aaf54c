package smtp

import "math/bits"

// What is done to all commands that wait is not done to each of them: it is noted with the number of the first command
// that it does not concern, and applied when a command is taken. So an event costs the same however many commands
// wait.

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

// setUpTo notes that the commands before that number are marked that the client sent before it had received end octets.
func (m *marks) setUpTo(end, number int64) {
	m.set(&m.upTo, number)
	m.heard = end
}

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

// mark sets a flag on all MAIL, RCPT and STARTTLS that wait, and reports whether there are any.
func (m *matcher) mark(f Flags) bool {
	if m.mails == 0 {
		return false
	}
	all := &m.recall().marks
	all.set(&all.mail[bits.TrailingZeros8(uint8(f))], m.pending.end())
	return true
}

// markAll marks all commands that wait as incomplete.
func (m *matcher) markAll() {
	all := &m.recall().marks
	all.set(&all.all, m.pending.end())
}

// markUpTo marks as incomplete the commands that the client sent before it had received end octets. end never falls,
// so that the last call covers the others.
func (m *matcher) markUpTo(end int64) {
	if m.pending.len() > 0 {
		m.recall().marks.setUpTo(end, m.pending.end())
	}
}

// markChunks records that octets of the BDAT that wait were missed.
func (m *matcher) markChunks() {
	all := &m.recall().marks
	all.set(&all.chunk, m.pending.end())
}
