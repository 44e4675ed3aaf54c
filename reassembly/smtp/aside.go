package smtp

import (
	"bytes"
	"time"
)

// aside is what a server sent that is no reply, but may be a client's: who was the client may have said TURN in octets
// that have not come yet, if the capture has the directions one after the other.
type aside struct {
	pieces []piece
	size   int64
	need   int64 // octets of the client that tell
	never  bool  // there was no room once
}

// setAside keeps octets of the server, and reports whether there was room.
func (s *replyReader) setAside(p piece, limit int) bool {
	a := &s.aside
	if a.never || a.size+int64(len(p.data)) > int64(limit) {
		a.never = true
		return false
	}
	a.size += int64(len(p.data))
	if n := len(a.pieces); n > 0 && a.pieces[n-1].acked == p.acked && a.pieces[n-1].t.Equal(p.t) {
		a.pieces[n-1].data = append(a.pieces[n-1].data, p.data...)
		return true
	}
	p.data = bytes.Clone(p.data)
	a.pieces = append(a.pieces, p)
	return true
}

// beginAside keeps a line that was read, and has what comes after it kept, until need octets of the client have come.
func (s *replyReader) beginAside(line []byte, t time.Time, need int64, limit int) bool {
	s.aside.need = need
	return s.setAside(piece{t: t, acked: need, data: line}, limit)
}

// takeAside takes what was kept, and returns how many octets that is.
func (s *replyReader) takeAside() (pieces []piece, size int64) {
	pieces, size = s.aside.pieces, s.aside.size
	s.aside = aside{never: s.aside.never}
	return pieces, size
}

// looksReversed reports whether a line of the server that is no reply may be what a client says first, after a TURN
// that has not come yet.
func (d *Dialogue) looksReversed(line []byte, acked int64) bool {
	if d.closing || !d.seen[FromClient] || acked <= d.client.offset+d.backlog.octets {
		return false
	}
	word, rest := cutWord(trimLineEnd(line))
	return verbOf(word) == verbHello && len(rest) > 0
}

// keepsAside keeps octets of the server, if some before them are kept.
func (d *Dialogue) keepsAside(data []byte, acked int64) bool {
	if d.server.aside.size == 0 {
		return false
	}
	if d.server.setAside(piece{t: d.now, data: data, acked: acked}, d.maxHeld()) {
		d.server.skip(int64(len(data)))
		return true
	}
	d.stats.Overflows++
	d.readAside()
	return false
}

// readAside reads what was kept of the server as replies.
func (d *Dialogue) readAside() {
	pieces, size := d.server.takeAside()
	d.server.skip(-size)
	d.work.takes(len(pieces))
	for _, p := range pieces {
		d.readReplies(p.data, p.acked)
	}
}

// judgeAside reads it if the client's octets show that the roles were not reversed, and reports whether it did.
func (d *Dialogue) judgeAside() bool {
	if d.server.aside.size == 0 || !d.closing && d.client.offset+d.backlog.octets < d.server.aside.need {
		return false
	}
	d.readAside()
	return true
}
