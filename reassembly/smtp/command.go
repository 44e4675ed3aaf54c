package smtp

import (
	"bytes"
	"time"
)

// command is one command that awaits its reply.
type command struct {
	verb    verb
	last    bool // BDAT or BURL with LAST; AUTH with an initial response; LHLO
	waits   bool // BDAT: its reply decides whether octets follow
	bareLF  bool // its line ends with LF alone
	afterLF bool // its line comes after such a line, which may not be one to the server
	blank   bool // its line is empty
	bad     bool // malformed BDAT; a line whose verb was missed; the end of what may be no message
	flags   Flags
	t       time.Time // of its first byte
	acked   int64     // octets of replies that the client had received when it sent it
	heard   int64     // the same, of a severing mark that of the command before it
	start   int64     // offset of its line
	end     int64     // offset after its line
	message int64     // the end of data: where the message began
	size    int64     // octets of the chunk (BDAT) or of the message (end of data), -1 where octets were missed
	arg     *string   // EHLO's argument; AUTH's mechanism
	path    *path
	client  *clientAttributes // of XCLIENT and XFORWARD
}

// endsMessage reports whether the server says after a command whether it takes the message.
func (c *command) endsMessage() bool {
	return c.verb == verbEndOfData || (c.verb == verbBdat || c.verb == verbBurl) && c.last
}

// readClient reads a piece, or holds what cannot be read yet.
func (d *Dialogue) readClient(p *piece) {
	if p.lost > 0 {
		if d.session.Midstream && d.head.undecided() {
			d.closeHead()
			d.head.mayBeLine(false)
		}
		if d.client.blocked || !d.backlog.empty() {
			d.hold(*p)
			return
		}
		d.loseOctets(*p)
		return
	}
	for len(p.data) > 0 {
		if d.turned != nil {
			d.turned.read(FromClient, *p)
			return
		}
		if !d.head.open && (d.client.blocked || !d.backlog.empty() || d.awaitsReplies(p.acked) || d.mayBeMessage()) {
			d.hold(*p)
			return
		}
		n := d.step(p)
		d.client.advance(int64(n))
		p.data = p.data[n:]
		if d.client.state == inCommand && len(p.data) > 0 && d.match.replies.len() > 0 {
			d.matchReplies()
		}
	}
}

// step reads the head of p in the present state and returns how much that was.
func (d *Dialogue) step(p *piece) int {
	if d.head.open {
		return d.readHead(p)
	}
	switch d.client.state {
	case inData:
		return d.readMessage(p)
	case inChunk:
		return int(d.client.readChunk(int64(len(p.data))))
	case inHello:
		d.readClientHello(p)
		return len(p.data)
	case inDark:
		return len(p.data)
	}
	if d.missedStartTLS(p) {
		return 0
	}
	return d.readLine(p)
}

func (d *Dialogue) readMessage(p *piece) int {
	if d.client.missedEnd(p.acked) {
		d.missEnd()
		return 0
	}
	n, ended := d.client.readMessage(p)
	if ended {
		if c, ok := d.client.endMessage(p, n); ok {
			d.await(&c)
		}
	}
	return n
}

// readLine reads up to the end of one command line.
func (d *Dialogue) readLine(p *piece) int {
	if d.client.hole.severNext {
		d.severNow()
	}
	offset, l := d.client.offset, &d.client.line
	if l.holed && offset == d.sync.clientHoleEnd && p.acked > l.acked && d.match.endsLine(offset) {
		d.endHoledLine() // its end was missed, and it was answered
	}
	var c command
	n, text, over, hole := d.client.readLine(p, d.maxLine(), &c)
	if text == nil {
		return n
	}
	c.afterLF = c.afterLF && !d.dialect.takesLF
	if hole >= 0 {
		d.holedCommand(text, hole, &c)
	} else {
		d.command(text, &c, over)
	}
	d.client.lineRead()
	return n
}

// command takes one command line without its line end.
func (d *Dialogue) command(text []byte, c *command, over bool) {
	if over {
		c.flags |= Truncated
		d.stats.Overflows++
	}
	if d.client.authLines > 0 && d.authLine(text, c) {
		return
	}
	if !over && d.proxyCommand(text, c, false) {
		return
	}
	d.parse(c, text, over)
	if d.client.hole.resync {
		if c.verb == verbOther {
			d.loseCommand(text, c)
			return
		}
		d.client.resynced()
	}
	if d.client.hole.torn && d.sync.uncertain && !d.match.endsLine(c.start) {
		c.flags |= Gap // its head may be in the hole
	}
	d.catchUp(c)
	d.isSMTP = d.isSMTP || c.verb != verbOther
	d.await(c)
	switch c.verb {
	case verbData, verbAuth, verbStartTLS, verbTurn:
		d.client.block(true)
	case verbBdat:
		d.client.block(c.waits)
		if !c.waits && !c.bad {
			d.client.beginChunk(c.size)
		}
	}
}

// authLine takes a line of an AUTH exchange. Where the server is not seen, it reports whether it is one by its form.
func (d *Dialogue) authLine(text []byte, c *command) bool {
	d.client.takeAuthLine()
	if d.seen[FromServer] {
		c.verb = verbAuthLine
		d.client.block(true)
		d.await(c)
		return true
	}
	if isBase64Line(text) {
		return true
	}
	d.client.expectAuthLines(0)
	return false
}

// parse reads verb and argument. After a hole, what has no argument that makes it a command beyond doubt is none.
func (d *Dialogue) parse(c *command, text []byte, over bool) {
	word, rest := cutWord(text)
	switch c.verb = verbOf(word); c.verb {
	case verbOther:
		c.blank = !over && len(bytes.TrimSpace(text)) == 0
	case verbMail:
		c.takePath(&d.texts, rest, "from", over, d.client.hole.resync)
		if c.verb == verbMail {
			d.sync.sawMail()
		}
	case verbRcpt:
		c.takePath(&d.texts, rest, "to", over, d.client.hole.resync)
	case verbHello:
		if arg := bytes.TrimSpace(rest); len(arg) > 0 {
			c.arg = d.texts.text8(arg)
		} else if d.client.hole.resync {
			c.verb = verbOther
		}
		c.last = bytes.EqualFold(word, []byte("LHLO"))
		d.dialect.says(c.last)
	case verbBdat:
		d.bdatCommand(c, rest)
	case verbBurl:
		c.burl(rest)
	case verbXclient, verbXforward:
		a := parseClientAttributes(rest)
		c.client = &a
	case verbAuth:
		mechanism, initial := cutWord(rest)
		c.arg = d.texts.text8(bytes.ToUpper(mechanism[:min(len(mechanism), 20)]))
		c.last = len(bytes.TrimSpace(initial)) > 0
	}
}

// takePath reads the path of MAIL or RCPT.
func (c *command) takePath(t *texts, rest []byte, keyword string, over, resync bool) {
	c.path = t.parsePath(rest, keyword, over)
	switch {
	case c.path != nil:
	case resync:
		c.verb = verbOther
	default:
		c.path = &path{}
	}
}

// isBase64Line reports whether a line has the form of an AUTH response, RFC 4954 section 4.
func isBase64Line(b []byte) bool {
	if string(b) == "*" {
		return true
	}
	for _, c := range b {
		if !isAlnum(c) && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return true
}

// await queues a command for its reply.
func (d *Dialogue) await(c *command) {
	if c.acked == severed { // a severing mark: it takes effect after the commands before it, and has no reply
		d.awaitMark(c)
		return
	}
	if c.verb != verbGreeting {
		d.client.spokeAfter(c.acked)
	}
	if d.match.pending.len() >= orDefault(d.cfg.MaxPending, 1<<17) {
		d.stats.Overflows++
		d.flag(Truncated, true)
		d.giveUpPending()
		d.sync.overflowed(d.server.offset)
	}
	d.match.enqueue(c)
}

func (d *Dialogue) awaitMark(c *command) {
	if d.match.pending.len() == 0 {
		return
	}
	d.match.markAll()
	if d.match.pending.last().acked != severed { // two of them say no more than one
		d.match.enqueue(c)
	}
}
