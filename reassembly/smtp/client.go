package smtp

import (
	"bytes"
	"time"
)

// line assembles one line that may come in many pieces.
type line struct {
	buf   []byte // what is kept of it when it does not come in one piece
	n     int64  // octets so far
	t     time.Time
	acked int64 // bytes of replies that the client had received when it sent the first octet
	over  bool  // longer than is kept
	holed bool  // octets inside it were missed
	hole  int   // where in buf
}

// command is one command that awaits its reply.
type command struct {
	verb     verb
	last     bool // BDAT or BURL with LAST; AUTH with an initial response; LHLO
	waits    bool // BDAT: its reply decides whether octets follow
	bareLF   bool // its line ends with LF alone
	doubtful bool // it stands behind such a line, which the server may not have taken for one
	bad      bool // malformed BDAT; a line whose verb was missed; the end of what may be no message
	flags    Flags
	t        time.Time // of its first byte
	acked    int64     // bytes of replies that the client had received when it sent it
	heard    int64     // the same, of a severing mark that of the command before it
	start    int64     // offset of its line
	end      int64     // offset behind its line
	message  int64     // the end of data: where the message began
	size     int64     // octets of the chunk (BDAT) or of the message (end of data), -1 where bytes were missed
	arg      *string   // EHLO's argument; AUTH's mechanism
	path     *path
	client   *clientAttributes // of XCLIENT and XFORWARD
}

// endsMessage reports whether the server says after a command whether it takes the message.
func (c *command) endsMessage() bool {
	return c.verb == verbEndOfData || (c.verb == verbBdat || c.verb == verbBurl) && c.last
}

// readClient reads a piece, or holds what cannot be read yet.
func (d *Dialogue) readClient(p piece) {
	if p.lost > 0 {
		if d.blocked || !d.backlog.empty() {
			d.hold(p)
			return
		}
		d.loseOctets(p)
		return
	}
	for len(p.data) > 0 {
		if !d.head.open && (d.blocked || !d.backlog.empty() || d.awaitsReplies(p.acked) || d.doubtful()) {
			d.hold(p)
			return
		}
		n := d.step(p)
		d.clientOff += int64(n)
		p.data = p.data[n:]
		if d.state == inCommand && len(p.data) > 0 && d.match.replies.len() > 0 {
			d.matchReplies()
		}
	}
}

const (
	notWhole flightKind = iota // more of it may come
	ofCommands
	ofMessage // up to its lone dot
	ofEither
)

// step reads the head of p in the present state and returns how much that was.
func (d *Dialogue) step(p piece) int {
	if d.head.open {
		return d.readHead(p)
	}
	switch d.state {
	case inData:
		if d.body.gap && d.bodyAcked > 0 && p.acked > d.bodyAcked && !d.doubt {
			d.missEnd()
			return 0
		}
		n, ended := d.body.feed(p.data)
		d.bodyAcked = p.acked
		if ended && d.surplus {
			d.state, d.surplus = inCommand, false
		} else if ended {
			c := command{verb: verbEndOfData, bad: d.doubt, t: p.t, acked: p.acked, end: d.clientOff + int64(n), size: d.body.bytes}
			c.start, c.message = c.end-3, d.messageAt
			d.state, d.doubt, d.resync, d.torn, d.small = inCommand, false, false, false, false
			if d.body.smuggling {
				c.flags |= Smuggling
				d.smuggled = true
			}
			if d.body.gap {
				c.flags |= Gap
				c.size = -1
			}
			d.await(c)
		}
		return n
	case inChunk:
		n := len(p.data)
		if int64(n) >= d.chunkLeft {
			n = int(d.chunkLeft)
			d.state = inCommand
		}
		d.chunkLeft -= int64(n)
		return n
	case inHello:
		d.readHello(p)
		return len(p.data)
	case inDark:
		return len(p.data)
	}
	return d.readLine(p)
}

// beginMessage reads what comes as a message.
func (d *Dialogue) beginMessage(b body) {
	d.state, d.body, d.bodyAcked, d.line = inData, b, 0, line{}
	d.messageAt, d.sure, d.surplus, d.behindLF = d.clientOff, false, false, false
}

// readLine reads up to the end of one command line.
func (d *Dialogue) readLine(p piece) int {
	if d.severNext {
		d.severNow()
	}
	l := &d.line
	if l.holed && d.clientOff == d.sync.clientHoleEnd && p.acked > l.acked && d.match.endsLine(d.clientOff) {
		d.endHoledLine() // its end was missed, and it was answered
	}
	if l.n == 0 {
		l.t, l.acked = p.t, p.acked
	}
	i := bytes.IndexByte(p.data, '\n')
	if i < 0 {
		l.add(p.data, d.maxLine())
		return len(p.data)
	}
	text, start := p.data[:i+1], d.clientOff-l.n
	if l.n > 0 || len(text) > d.maxLine() {
		l.add(text, d.maxLine())
		text = l.buf
	}
	whole := *l
	*l = line{}
	bareLF := !d.torn && !whole.holed && len(text) > 1 && text[len(text)-2] != '\r' // an LF alone may be what a chunk left of a CRLF
	text = trimLineEnd(text)
	c := command{t: whole.t, acked: p.acked, start: start, end: d.clientOff + int64(i+1), bareLF: bareLF, doubtful: d.behindLF && !d.lfTaken}
	d.behindLF = bareLF
	defer func() { d.torn = false }()
	if whole.holed {
		d.holedCommand(text, whole.hole, c)
	} else {
		d.command(text, c, whole.over)
	}
	return i + 1
}

// trimLineEnd takes all CR and LF off the end of a line.
func trimLineEnd(b []byte) []byte {
	for len(b) > 0 && isLineEnd(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func (l *line) add(b []byte, limit int) {
	l.n += int64(len(b))
	if room := limit - len(l.buf); len(b) > room {
		b = b[:room]
		l.over = true
	}
	l.buf = append(l.buf, b...)
}

// await queues a command for its reply.
func (d *Dialogue) await(c command) {
	if c.acked != severed && c.verb != verbGreeting {
		d.spoke = c.acked + 1
	}
	if c.acked == severed { // a severing mark: it takes effect behind the commands before it, and has no reply
		if d.match.pending.len() == 0 {
			return
		}
		d.match.markAll()
		if d.match.pending.last().acked != severed { // two of them say no more than one
			d.match.enqueue(c)
		}
		return
	}
	if d.match.pending.len() >= orDefault(d.cfg.MaxPending, 1<<17) {
		d.stats.Overflows++
		d.flag(Truncated, true)
		d.giveUpPending()
		d.sync.overflowed(d.server.offset)
	}
	d.match.enqueue(c)
}

// command reads one command line without its line end.
func (d *Dialogue) command(text []byte, c command, over bool) {
	if over {
		c.flags |= Truncated
		d.stats.Overflows++
	}
	if d.authLines > 0 {
		d.authLines--
		c.verb = verbAuthLine
		d.resync, d.small = false, false
		if d.blocked = d.seen[FromServer]; d.blocked {
			d.await(c)
			return
		}
		if isBase64Line(text) {
			return
		}
		d.authLines = 0
	}
	word, rest := cutWord(text)
	if !over && d.proxyCommand(text, &c, false) {
		return
	}
	c.verb = verbOf(word)
	switch c.verb {
	case verbMail, verbRcpt:
		keyword := "from"
		if c.verb == verbRcpt {
			keyword = "to"
		}
		c.path = parsePath(rest, keyword, over)
		if c.path == nil && d.resync {
			c.verb = verbOther
		} else if c.path == nil {
			c.path = &path{}
		}
		if c.verb == verbMail {
			d.sync.sawMail()
		}
	case verbHello:
		if arg := bytes.TrimSpace(rest); len(arg) > 0 {
			c.arg = text8(arg)
		} else if d.resync {
			c.verb = verbOther
		}
		c.last = bytes.EqualFold(word, []byte("LHLO"))
	case verbBdat:
		d.bdatCommand(&c, rest)
	case verbBurl:
		burlCommand(&c, rest)
	case verbXclient, verbXforward:
		a := parseClientAttributes(rest)
		c.client = &a
	case verbAuth:
		mechanism, initial := cutWord(rest)
		c.arg = text8(bytes.ToUpper(mechanism[:min(len(mechanism), 20)]))
		c.last = len(bytes.TrimSpace(initial)) > 0
	}
	if d.resync {
		if c.verb == verbOther {
			d.loseCommand(text, c)
			return
		}
		d.resync, d.small = false, false
	}
	if d.torn && d.sync.uncertain && !d.match.endsLine(c.start) {
		c.flags |= Gap // its head may be in the hole
	}
	d.catchUp(&c)
	if c.verb != verbOther {
		d.isSMTP = d.isSMTP || c.verb != verbAuthLine
	}
	d.await(c)
	switch c.verb {
	case verbData, verbAuth, verbStartTLS:
		d.blocked = true
	case verbBdat:
		if d.blocked = c.waits; !c.waits && !c.bad {
			d.beginChunk(c.size)
		}
	}
}

// isBase64Line says whether a line has the form of an AUTH response, RFC 4954 section 4.
func isBase64Line(b []byte) bool {
	if string(b) == "*" {
		return true
	}
	for _, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=') {
			return false
		}
	}
	return true
}
