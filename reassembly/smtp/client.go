package smtp

import (
	"bytes"
	"time"
)

// state is how the client's next octet is to be read. The package documentation draws what leads from one to another.
type state uint8

const (
	inCommand state = iota
	inData          // a message, RFC 5321 section 4.1.1.4, up to CRLF.CRLF
	inChunk         // a counted chunk, RFC 3030
	inHello         // after an accepted STARTTLS, up to the ClientHello
	inDark          // after that: encrypted
)

// clientReader knows what the client's next octet means.
type clientReader struct {
	state     state
	blocked   bool  // a reply that decides it is awaited: what comes is held
	offset    int64 // after the last octet read, not those held
	line      line
	afterLF   bool // the line before ended with LF alone
	hole      lineHole
	message   message
	chunk     chunk
	authLines int          // lines of an AUTH exchange that must follow, by the server's word (1) or by presumption
	hello     *clientHello // nil: no octet of one was read
	helloFrom int64        // end of the reply that accepted STARTTLS

	spoke      int64 // it sent its last command before it had received so many octets
	passedOver int64 // it sent lines that were passed over after a hole before it had received so many octets
	messageEnd int64 // where the last message ended
	smuggled   bool  // an end of data that servers disagree on was met
	unread     bool  // octets were left unread
}

// line assembles one line that may come in many pieces.
type line struct {
	buf   []byte // what is kept of it when it does not come in one piece
	n     int64  // octets so far
	t     time.Time
	acked int64 // octets of replies that the client had received when it sent the first octet
	over  bool  // longer than is kept
	holed bool  // octets inside it were missed
	hole  int   // where in buf
}

func (l *line) add(b []byte, limit int) {
	l.n += int64(len(b))
	if room := limit - len(l.buf); len(b) > room {
		b = b[:room]
		l.over = true
	}
	l.buf = append(l.buf, b...)
}

// keptLine is how much memory of a line is kept for the next.
const keptLine = 256

// size is about how much memory a line has, in octets, besides what it keeps. It follows from the line alone, not from
// what was read before it.
func (l *line) size() int {
	if len(l.buf) <= keptLine {
		return 0
	}
	return len(l.buf) + len(l.buf)/4
}

// anew is the next line. The octets of this one are valid until it is added to.
func (l *line) anew() line {
	if cap(l.buf) > keptLine {
		return line{}
	}
	return line{buf: l.buf[:0]}
}

// message is the message that is read in inData.
type message struct {
	body      body
	at        int64 // the client's offset at which it began
	acked     int64 // octets of replies that the client had received at its last piece, or at the 354 before the first
	announced bool  // 354 was seen for it
	presumed  bool  // it may be none: only a lone dot suggests it
	surplus   bool  // the server refused it before its end: what is left of it is neither message nor commands
}

// chunk is what is left of the chunk that is read in inChunk.
type chunk struct {
	left    int64
	refused bool // by the reply to its BDAT, or its size is not known
}

// advance records that n octets were read, or lost.
func (r *clientReader) advance(n int64) { r.offset += n }

// block has what comes next wait for a reply, if that is so.
func (r *clientReader) block(waits bool) { r.blocked = waits }

// spokeAfter records that the client sent a command when it had received that many octets.
func (r *clientReader) spokeAfter(acked int64) { r.spoke = acked + 1 }

// passOver records that octets that the client sent when it had received that many are not read as commands.
func (r *clientReader) passOver(acked int64) { r.passedOver = max(r.passedOver, acked+1) }

// leaveUnread records that octets were left unread.
func (r *clientReader) leaveUnread() { r.unread = true }

// readLine reads up to the end of a command line and returns how many octets that was. If the line is whole, c gets
// what is known of it, and text is the line without its end; otherwise text is nil. over reports whether it is longer
// than is kept. hole is where in it octets were missed, -1 if none were.
func (r *clientReader) readLine(p *piece, limit int, c *command) (n int, text []byte, over bool, hole int) {
	l := &r.line
	if l.n == 0 {
		l.t, l.acked = p.t, p.acked
	}
	i := bytes.IndexByte(p.data, '\n')
	if i < 0 {
		l.add(p.data, limit)
		return len(p.data), nil, false, -1
	}
	text = p.data[:i+1]
	c.start, c.end, c.t, c.acked = r.offset-l.n, r.offset+int64(i+1), l.t, p.acked
	if l.n > 0 || len(text) > limit {
		l.add(text, limit)
		text = l.buf
	}
	if hole = -1; l.holed {
		hole = l.hole
	}
	over = l.over
	r.line = r.line.anew()
	// An LF alone may be what a chunk left of a CRLF.
	c.bareLF = !r.hole.torn && hole < 0 && len(text) > 1 && text[len(text)-2] != '\r'
	c.afterLF, r.afterLF = r.afterLF, c.bareLF
	return i + 1, trimLineEnd(text), over, hole
}

// lineRead records that a line was dealt with: the next has its head.
func (r *clientReader) lineRead() { r.hole.torn = false }

// dropLine drops what was read of a line.
func (r *clientReader) dropLine() { r.line = r.line.anew() }

// expectAuthLines records that n lines of an AUTH exchange must follow.
func (r *clientReader) expectAuthLines(n int) { r.authLines = n }

// takeAuthLine records that one of them came.
func (r *clientReader) takeAuthLine() {
	r.authLines--
	r.resynced()
}

// beginMessage reads what comes as a message. The client had received acked octets of replies when it began it, the
// 354 among them; 0 if that was not seen.
func (r *clientReader) beginMessage(b body, acked int64) {
	r.state, r.line, r.afterLF = inData, r.line.anew(), false
	r.message = message{body: b, at: r.offset, acked: acked, presumed: r.message.presumed}
}

// beganAt records that the message began at another offset.
func (r *clientReader) beganAt(offset int64) { r.message.at = offset }

// announced records that the message was announced by a 354 that was seen.
func (r *clientReader) announced() { r.message.announced = true }

// presumed records that the message may be none.
func (r *clientReader) presumed() { r.message.presumed = true }

// missedEnd reports whether the end of the message was in a hole: the client has received something since.
func (r *clientReader) missedEnd(acked int64) bool {
	m := &r.message
	return m.body.gap && m.acked > 0 && acked > m.acked && !m.presumed
}

// readMessage reads octets of a message and returns how many, and whether the end of data was among them.
func (r *clientReader) readMessage(p *piece) (n int, ended bool) {
	n, ended = r.message.body.feed(p.data)
	r.message.acked = p.acked
	return n, ended
}

// endMessage goes back to commands after the end of data, which is among the next n octets. The end of data of what
// the server had refused before it has no reply: then ok is false.
func (r *clientReader) endMessage(p *piece, n int) (c command, ok bool) {
	m := &r.message
	if m.surplus {
		r.endSurplus()
		return c, false
	}
	c = command{verb: verbEndOfData, bad: m.presumed, t: p.t, acked: p.acked, end: r.offset + int64(n),
		size: m.body.bytes}
	c.start, c.message = c.end-3, m.at
	r.messageEnd = c.end
	if m.body.smuggling {
		c.flags |= Smuggling
		r.smuggled = true
	}
	if m.body.gap {
		c.flags |= Gap
		c.size = -1
	}
	r.state, m.presumed = inCommand, false
	r.hole.resync, r.hole.torn, r.hole.small = false, false, false
	return c, true
}

// endSurplus goes back to commands after the end of what the server had refused.
func (r *clientReader) endSurplus() { r.state, r.message.surplus = inCommand, false }

// missEnd goes back to commands after a message whose end was missed.
func (r *clientReader) missEnd() { r.state = inCommand }

// refuseMessage records that the server refused the message before its end.
func (r *clientReader) refuseMessage() { r.message.surplus = true }

// leaveMessage goes back to commands if the server shows that the message is over, or was none: commands beyond
// doubt come next.
func (r *clientReader) leaveMessage() {
	r.state, r.message.surplus, r.message.presumed = inCommand, false, false
	r.hole.resync = true
	r.line = r.line.anew()
}

// leaveSurplus goes back to commands if the server took for commands what was passed over.
func (r *clientReader) leaveSurplus() {
	r.state, r.message.surplus = inCommand, false
	r.hole.resync, r.hole.torn = true, true
	r.line = r.line.anew()
}

// loseBody takes a hole in a message.
func (r *clientReader) loseBody() { r.message.body.lose() }

// beginChunk reads the next size octets as a chunk.
func (r *clientReader) beginChunk(size int64) {
	r.afterLF = false
	r.chunk = chunk{left: size}
	if size > 0 {
		r.state = inChunk
	}
}

// refuseChunk records that the server refused the chunk at hand.
func (r *clientReader) refuseChunk() { r.chunk.refused = true }

// readChunk reads of n octets those of the chunk and returns how many they are.
func (r *clientReader) readChunk(n int64) int64 {
	if n >= r.chunk.left {
		n = r.chunk.left
		r.state = inCommand
	}
	r.chunk.left -= n
	return n
}

// expectHello reads what comes as a ClientHello. The reply to STARTTLS ended at offset from; 0 if it was not seen.
func (r *clientReader) expectHello(from int64) {
	r.state = inHello
	if from > 0 {
		r.helloFrom = from
	}
}

// addHello reads octets of the ClientHello, and reports whether no more of it is needed.
func (r *clientReader) addHello(b []byte) (done bool) {
	if r.hello == nil {
		r.hello = new(clientHello)
	}
	return r.hello.read(b)
}

// encrypted records that nothing more can be read.
func (r *clientReader) encrypted() { r.state, r.hello = inDark, nil }

// drop drops what is kept.
func (r *clientReader) drop() { r.hello = nil }

// memoryUse is about how many bytes are used.
func (r *clientReader) memoryUse() int { return r.line.size() + r.hello.memoryUse() }

// lineHole is how lines are read after a hole.
type lineHole struct {
	resync    bool  // only commands beyond doubt count
	torn      bool  // the line at hand comes after the hole, which may hide its head
	small     bool  // the hole was too small to end a transaction
	size      int64 // its octets
	first     bool  // no other had been before it
	severNext bool  // it is as long as DATA: unless a 354 says that it was, it may hide RSET
}

// resynced records that a line is a command beyond doubt.
func (r *clientReader) resynced() { r.hole.resync, r.hole.small = false, false }

// wasData records that the hole was DATA, or that it is known what else it may hide.
func (r *clientReader) wasData() { r.hole.severNext = false }

// loseLine begins afresh at the next line that is a command beyond doubt.
func (r *clientReader) loseLine() {
	if r.line.n > 0 {
		r.passOver(r.line.acked)
	}
	r.hole.resync, r.hole.torn, r.afterLF = true, true, false
	r.line = r.line.anew()
}

// loseInLine takes a hole of n octets among commands if it is too small to hide more than a part of the line at hand.
// again records that it goes on from the hole before.
func (r *clientReader) loseInLine(n int64, again bool) bool {
	if !again {
		r.hole.size, r.hole.first = 0, !r.hole.resync
	}
	r.hole.size += n
	l := &r.line
	if l.n == 0 || n >= shortestReset || r.hole.resync || l.holed {
		return false
	}
	l.holed, l.hole = true, len(l.buf)
	return true
}

// loseLines takes any other hole, and reports whether it may hide RSET and another MAIL.
func (r *clientReader) loseLines() (severs bool) {
	h, l := &r.hole, &r.line
	whole := h.first && l.n == 0 // it begins with a line
	h.severNext = whole && h.size == shortestReset
	h.small = whole && h.size < shortestReset
	return !h.severNext && (!h.first || l.holed || h.size+l.n >= shortestReset)
}

// loseChunk takes a hole of n octets in a chunk and returns how many are left of it after the chunk.
func (r *clientReader) loseChunk(n int64) int64 {
	if n < r.chunk.left {
		r.chunk.left -= n
		return 0
	}
	n -= r.chunk.left
	r.chunk.left, r.state = 0, inCommand
	return n
}

// shortestReset is the length of "RSET" CRLF: a smaller hole hides no command that ends a transaction.
const shortestReset = 6

// trimLineEnd takes all CR and LF off the end of a line.
func trimLineEnd(b []byte) []byte {
	for len(b) > 0 && isLineEnd(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
