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
	acked      int64     // bytes of the client that the server had received when it sent it
	fine       int64     // number of the last reply up to this one that is no 4xx or 5xx, plus one
	queueID    string
	pipelining bool // EHLO was answered with this keyword
	chunking   bool // likewise
	unoffered  bool // BDAT was refused because CHUNKING had not been advertised, as Exim words it
	torn       bool // its head may have been missed
	open       bool // a line with a hyphen was read, more must come
}

// LooksLikeReply says whether data begins like a server's reply: where both ports of a connection are SMTP ports, this
// tells the roles.
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

// readReplies splits the server's bytes into replies.
func (d *Dialogue) readReplies(data []byte, acked int64) {
	if d.state == inDark || d.state == inHello {
		d.serverOff += int64(len(data))
		return
	}
	d.rlineAcked = acked
	limit := orDefault(d.cfg.MaxLine, 64<<10)
	l := &d.rline
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			l.add(data, limit)
			d.serverOff += int64(len(data))
			return
		}
		text := data[:i+1]
		start := d.serverOff - l.n
		if l.n > 0 {
			l.add(text, limit)
			text = l.buf
		}
		d.serverOff += int64(i + 1)
		data = data[i+1:]
		d.replyLine(trimLineEnd(text), start, acked)
		*l = line{}
	}
}

func (d *Dialogue) replyLine(text []byte, start, acked int64) {
	code, final, ok := replyLine(text)
	if !ok {
		d.stats.Junk++
		return
	}
	r := &d.rcurrent
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
		return
	}
	r.end, r.acked, r.torn = d.serverOff, acked, d.rtorn
	d.rtorn = false
	d.queueReply(*r)
	*r = reply{}
}

func (d *Dialogue) queueReply(r reply) {
	d.isSMTP = true
	if d.match.replies.len() >= orDefault(d.cfg.MaxReplies, 4096) {
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

// loseReplies reads on behind a hole in the server's bytes.
func (d *Dialogue) loseReplies(n int64) {
	if d.state == inDark || d.state == inHello {
		d.serverOff += n
		return
	}
	// A reply whose code was read is a reply, though its text is not whole.
	if code, final, ok := replyLine(d.rline.buf); ok && final && len(d.rline.buf) > 3 {
		r := d.rcurrent
		if !r.open {
			r.start = d.serverOff - d.rline.n
		}
		r.code, r.end, r.acked, r.open = code, d.serverOff, d.rlineAcked, false
		d.queueReply(r)
	}
	d.flagUpTo(d.serverOff + n)
	d.matchReplies()
	d.serverOff += n
	d.rline, d.rcurrent, d.rtorn = line{}, reply{}, true
	d.sync.lostReplies(d.serverOff)
}

// unsolicited takes a reply that answers no command that was seen.
func (d *Dialogue) unsolicited(r reply) {
	d.stats.Unsolicited++
	if d.state == inData && r.code != 421 && r.acked <= d.messageAt {
		return // sent before the message was
	}
	blind := !d.seen[FromClient] || d.sync.uncertain || d.s.Midstream
	switch {
	case d.state == inData && d.doubt:
		d.state, d.resync, d.doubt = inCommand, true, false
		d.line = line{}
		d.endTransaction(Unknown)
	case d.state == inData && d.surplus:
		if r.code < 400 { // it took what was passed over for commands
			d.readSurplus()
		}
	case d.state == inData && r.code == 421:
		d.surplus = true
		d.endTransaction(Aborted)
	case d.state == inData:
		// The server settled the message: its end was in a hole, or it took one that RFC 5321 does not know.
		c := command{verb: verbEndOfData, t: r.t, size: -1, flags: Gap}
		if !d.body.gap {
			c.flags = 0
			if r.code < 300 || d.body.smuggling {
				c.flags = Smuggling
			}
		}
		if d.surplus = d.sure && !d.body.gap && r.code >= 400; !d.surplus {
			d.state, d.resync = inCommand, true
		}
		if d.body.gap {
			d.sync.lostEndOfData()
		}
		d.line = line{}
		d.resolve(c, &r)
	case d.state == inChunk && d.chunkRefused && r.acked-d.clientOff <= d.chunkLeft && r.code != 421:
		d.readSurplus() // it answers something within the octets that it had refused
	case d.tx != nil && d.tx.blindData:
		d.tx.submitted = true
		d.settle(&r)
	case r.code == 354 && blind:
		d.blindData(r)
	case r.code == 354 && d.seen[FromClient] && d.state == inCommand && r.acked == d.clientOff && !d.smuggled:
		d.flag(Gap, false) // what the client sends next is a message, whatever was read before it
		d.blindData(r)
		d.tx.flags |= Gap
	case r.code == 354 && d.smuggled && d.tx == nil: // the server took a DATA out of the message before
		d.open(command{t: r.t, flags: Smuggling})
		d.tx.blindData, d.tx.missed = true, true
	case r.code == 421:
		d.endTransaction(Aborted)
	}
}

// readSurplus goes back to commands where the server took what was passed over behind a message that it had refused for
// commands: these were missed.
func (d *Dialogue) readSurplus() {
	d.state, d.surplus, d.resync, d.torn = inCommand, false, true, true
	d.sync.lostCommands()
	d.line = line{}
}

// blindData opens the data of a transaction whose DATA was not seen.
func (d *Dialogue) blindData(r reply) {
	if d.severNext && d.clientOff != r.acked {
		d.severNow()
	}
	if d.tx == nil || d.tx.severed {
		d.endTransaction(Unknown)
		d.open(command{t: r.t})
	}
	if d.seen[FromClient] {
		if d.clientOff == r.acked { // the message begins here
			d.severNext = false // the hole was DATA
			if d.sync.serverHoleEnd <= r.start {
				d.inStep()
				d.sync.sawGoAhead(r.end)
			}
			d.beginMessage(body{})
			return
		}
		d.beginMessage(body{gap: true, midLine: true})
		d.messageAt = r.acked
		d.tx.missed = true
		return
	}
	d.tx.missed = true
	d.tx.blindData = true
}
