package smtp

import (
	"bytes"
	"time"
)

// reply is one reply of the server, all its lines (RFC 5321 section 4.2.1).
type reply struct {
	code       uint16
	t          time.Time // of its last octet
	start, end int64     // offsets in the server's stream
	acked      int64     // octets of the client that the server had received when it sent it
	fine       int64     // number of the last reply up to this one that is no 4xx or 5xx, plus one
	queueID    string
	pipelining bool // EHLO was answered with this keyword
	chunking   bool // the same for CHUNKING
	unoffered  bool // BDAT was refused because CHUNKING had not been advertised, as Exim words it
	torn       bool // its head may have been missed
	open       bool // a line with a hyphen was read, more must come
}

// LooksLikeReply reports whether data begins like a server's reply: where both ports of a connection are SMTP ports,
// this tells the roles.
func LooksLikeReply(data []byte) bool { _, _, ok := replyLine(data); return ok }

func replyLine(b []byte) (code uint16, final, ok bool) {
	if len(b) < 3 || b[0] < '2' || b[0] > '5' || b[1] < '0' || b[1] > '9' || b[2] < '0' || b[2] > '9' {
		return 0, false, false
	}
	code = uint16(b[0]-'0')*100 + uint16(b[1]-'0')*10 + uint16(b[2]-'0')
	if len(b) == 3 {
		return code, true, true
	}
	switch b[3] {
	case '-':
		return code, false, true
	case ' ', '\t', '\r', '\n':
		return code, true, true
	}
	return 0, false, false
}

// replyReader splits the server's octets into replies.
type replyReader struct {
	offset    int64 // after the last octet read
	line      line
	current   reply
	lineAcked int64 // octets of the client that the server had received when it sent the last piece
	torn      bool  // after a hole, before the first reply's end
	greeting  greetingReader
	aside     aside
}

// replyPart is what replyReader has read.
type replyPart uint8

const (
	noReply    replyPart = iota // nothing yet, or a line that more must follow
	junkLine                    // a line that is none of a reply
	wholeReply                  // see finish
)

// read reads up to the end of a line and returns how many octets that was, and the line. What is kept of a line is
// bounded by limit.
func (s *replyReader) read(data []byte, acked int64, limit int) (n int, part replyPart, line []byte) {
	s.greeting.piece(s.line.n, s.lineAcked, acked)
	s.lineAcked = acked
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		s.line.add(data, limit)
		s.offset += int64(len(data))
		return len(data), noReply, nil
	}
	text, start := data[:i+1], s.offset-s.line.n
	if s.line.n > 0 {
		s.line.add(text, limit)
		text = s.line.buf
	}
	s.offset += int64(i + 1)
	line = text
	text = trimLineEnd(text)
	cut := s.greeting.cut(text, &s.current, start)
	part = s.readLine(text[cut:], start+int64(cut))
	s.dropLine()
	return i + 1, part, line
}

// dropLine drops what was read of a line.
func (s *replyReader) dropLine() { s.line = s.line.anew() }

// readLine reads a whole line that begins at offset start.
func (s *replyReader) readLine(text []byte, start int64) replyPart {
	code, final, ok := replyLine(text)
	if !ok {
		return junkLine
	}
	r := &s.current
	s.greeting.line(r, code, start, s.lineAcked)
	if !r.open {
		*r = reply{start: start, open: true}
	}
	r.code = code
	if id := queueID(code, text[min(len(text), 4):]); id != "" {
		r.queueID = id
	}
	if len(text) > 4 {
		keyword := bytes.TrimSpace(text[4:])
		r.pipelining = r.pipelining || bytes.EqualFold(keyword, []byte("PIPELINING"))
		r.chunking = r.chunking || bytes.EqualFold(keyword, []byte("CHUNKING"))
		r.unoffered = r.unoffered || code == 503 && bytes.Contains(keyword, []byte("CHUNKING not advertised"))
	}
	if !final {
		return noReply
	}
	return wholeReply
}

// finish gives the reply that is whole, valid until the next line is read.
func (s *replyReader) finish() *reply {
	r := &s.current
	r.end, r.acked, r.torn, r.open = s.offset, s.lineAcked, s.torn, false
	s.torn = false
	s.greeting.past = true
	return r
}

// first returns the first octets of the server, with those that data adds to them; nil if they are past.
func (s *replyReader) first(data []byte) []byte {
	switch {
	case s.offset >= 3 || s.torn || s.offset != int64(len(s.line.buf)):
		return nil
	case s.offset == 0: // nearly always
		return data[:min(len(data), 3)]
	}
	return append(s.line.buf[:s.offset:s.offset], data[:min(len(data), 3)]...)
}

// skip passes over octets that are no replies.
func (s *replyReader) skip(n int64) { s.offset += n }

// cutShort gives the reply that a hole begins in, if its code was read.
func (s *replyReader) cutShort() (r reply, ok bool) {
	code, final, ok := replyLine(s.line.buf)
	if !ok || !final || len(s.line.buf) <= 3 {
		return reply{}, false
	}
	if r = s.current; !r.open {
		r = reply{start: s.offset - s.line.n}
	}
	r.code, r.end, r.acked, r.open = code, s.offset, s.lineAcked, false
	return r, true
}

// lose reads on after a hole of n octets.
func (s *replyReader) lose(n int64) {
	s.offset += n
	s.greeting = greetingReader{past: true}
	s.reset()
	s.torn = true
}

// reset drops what was read of a reply.
func (s *replyReader) reset() { s.line, s.current = s.line.anew(), reply{} }

// readReplies reads a piece of the server.
func (d *Dialogue) readReplies(data []byte, acked int64) {
	if d.encrypted() {
		d.server.skip(int64(len(data)))
		return
	}
	if isServersTLS(d.server.first(data)) && !d.session.Midstream {
		d.encryptedAtOnce()
		d.server.skip(int64(len(data)))
		return
	}
	for len(data) > 0 {
		if d.keepsAside(data, acked) {
			return
		}
		n, part, line := d.server.read(data, acked, d.maxLine())
		if r := d.server.greeting.take(); r != nil {
			d.queueReply(r)
		}
		switch data = data[n:]; part {
		case junkLine:
			if d.looksReversed(line, acked) && d.server.beginAside(line, d.now, acked, d.maxHeld()) {
				continue
			}
			d.stats.Junk++
		case wholeReply:
			d.queueReply(d.server.finish())
		}
	}
}

func (d *Dialogue) encrypted() bool { return d.client.state == inDark || d.client.state == inHello }

func (d *Dialogue) maxReplies() int { return orDefault(d.cfg.MaxReplies, 4096) }

func (d *Dialogue) maxLine() int { return orDefault(d.cfg.MaxLine, 64<<10) }

func (d *Dialogue) queueReply(r *reply) {
	d.isSMTP = true
	if d.match.replies.len() >= d.maxReplies() {
		d.stats.Overflows++
		d.forgetReply()
	}
	r.t = d.now
	d.match.queueReply(r)
}

// forgetReply drops the oldest reply that waits for its command, as if it had been missed.
func (d *Dialogue) forgetReply() {
	r := d.match.takeReply()
	if !d.seen[FromClient] {
		d.unsolicited(r)
		return
	}
	d.flag(Gap, true)
	d.sync.missedReplies(r.end)
}

// loseReplies reads on after a hole in the server's octets.
func (d *Dialogue) loseReplies(n int64) {
	if d.encrypted() {
		d.server.skip(n)
		return
	}
	d.readAside()
	if r, ok := d.server.cutShort(); ok {
		d.queueReply(&r)
	}
	d.flagUpTo(d.server.offset + n)
	d.matchReplies()
	d.cutFinals()
	d.server.lose(n)
	d.sync.lostReplies(d.server.offset-n, d.server.offset)
}

// memoryUse is about how many bytes are used.
func (s *replyReader) memoryUse() int {
	return s.line.size() + int(s.aside.size) + len(s.aside.pieces)*pieceSize
}
