package smtp

import (
	"bytes"
	"math"
	"strconv"
)

// bdatCommand reads the argument of BDAT, RFC 3030 section 2. Octets follow it at once, and are octets though the
// server refuses them, unless it does not know the command or the number of octets: then the lines after are commands.
// So if it did not offer CHUNKING, or the size is missing or beyond 2^63-1, its reply decides.
func (d *Dialogue) bdatCommand(c *command, argument []byte) {
	var ok bool
	c.size, c.last, ok = parseBdat(argument)
	c.bad = !ok
	unknown := !d.dialect.chunking && d.lost == 0 && !d.session.Midstream
	c.waits = d.seen[FromServer] && !d.sync.uncertain && (unknown || c.bad || c.afterLF || c.size == math.MaxInt64)
}

// parseBdat reads "chunk-size [LAST]". A size beyond 2^63-1 is given as that.
func parseBdat(b []byte) (size int64, last, ok bool) {
	word, rest := cutWord(b)
	if len(word) == 0 || len(bytes.Trim(word, "0123456789")) > 0 {
		return 0, false, false
	}
	size, err := strconv.ParseInt(string(bytes.TrimLeft(word[:len(word)-1], "0"))+string(word[len(word)-1:]), 10, 64)
	if err != nil {
		size = math.MaxInt64
	}
	rest = bytes.TrimSpace(rest)
	last = bytes.EqualFold(rest, []byte("LAST"))
	return size, last, last || len(rest) == 0
}

// burl reads the argument of BURL, RFC 4468 section 3.2: the server fetches the octets from elsewhere, and their number
// is not seen.
func (c *command) burl(argument []byte) {
	url, rest := cutWord(argument)
	rest = bytes.TrimSpace(rest)
	c.size, c.last = -1, bytes.EqualFold(rest, []byte("LAST"))
	c.bad = len(url) == 0 || !c.last && len(rest) > 0
}

// bdatTaken reads on after a BDAT that has waited for its reply, and reports whether the server took octets.
func (d *Dialogue) bdatTaken(c *command, r *reply) bool {
	d.client.block(false)
	switch {
	case r != nil && r.code >= 400 && (c.bad || c.size == math.MaxInt64 || !d.dialect.chunking && unknownCommand(r)):
		return false
	case c.bad && r == nil:
		return true
	case c.bad: // as many as it had received, for all that is known
		c.bad, c.size = false, max(r.acked-c.end, 0)
		c.flags |= Gap
		d.mail.tx.presume()
	}
	if r != nil {
		d.dialect.knowsBdat()
	}
	d.client.beginChunk(c.size)
	return true
}

// unknownCommand reports whether a server refused BDAT, if it did not offer CHUNKING, or BURL as such, RFC 5321 section
// 4.2.4. Other replies are about this one: Postfix says 503 outside a transaction, and takes the octets and drops them;
// Exim says that CHUNKING was not advertised, and reads on after the line.
func unknownCommand(r *reply) bool {
	return r.code == 500 || r.code == 502 || r.code == 504 || r.unoffered
}

func (d *Dialogue) bdatReply(c *command, r *reply) {
	if c.waits && !d.bdatTaken(c, r) || c.verb == verbBurl && r != nil && unknownCommand(r) {
		if d.mail.tx != nil {
			d.mail.tx.refuse(r.code) // as of a refused DATA
		}
		return
	}
	if r != nil && r.code >= 400 && d.client.state == inChunk && c.size > d.client.offset-c.end {
		d.client.refuseChunk()
	}
	if c.bad {
		if d.mail.tx != nil && codeOf(r) >= 400 {
			d.mail.tx.refuseChunk(r.code)
		}
		return
	}
	if d.messageIsOthers() {
		d.endTransaction(Unknown) // the chunk is of another, which was missed
	}
	if d.mail.tx == nil {
		if d.lost == 0 && !d.session.Midstream || codeOf(r) < 200 || r.code >= 300 {
			return
		}
		opens := command{t: c.t} // no server takes octets without MAIL and RCPT: they were missed
		if !d.session.Midstream {
			opens.flags = Gap
		}
		d.open(&opens)
		d.mail.tx.lose()
	}
	tx := d.mail.tx
	tx.chunk(c)
	if r == nil {
		if c.last && !d.neverAnswered() {
			tx.missReply()
		}
		return
	}
	n := tx.rcpts.len()
	own := c.last && (n > 0 && d.dialect.lmtp || n > 1 && !d.dialect.greeted) // it may be one recipient's
	if r.code >= 400 && !own {
		tx.refuseChunk(r.code)
	}
	switch {
	case c.last && r.code >= 400 && tx.rcpts.len() == 0 && !d.sync.uncertain && tx.flags&Gap == 0:
		tx.refusedEmpty() // refused for want of a recipient: one may follow
	case c.last:
		d.settle(r)
	}
}
