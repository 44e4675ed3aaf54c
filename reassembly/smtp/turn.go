package smtp

import "bytes"

// After an accepted TURN (RFC 821 section 3.8) or ATRN (RFC 2645) the two sides change their roles: who was the client
// greets, and who was the server sends mail. A dialogue of its own reads what comes then.

// reversed is what follows an accepted TURN.
type reversed struct {
	dialogue *Dialogue
	from     [2]int64 // offsets of both directions at which it begins
	flipped  bool     // its client is the connection's server: after a second TURN it is not
}

// direction is what a direction of the connection is to the dialogue.
func (r *reversed) direction(dir Direction) Direction {
	if r.flipped {
		return 1 - dir
	}
	return dir
}

// read passes a piece on. What its sender had received is counted from the beginning of the connection.
func (r *reversed) read(dir Direction, p piece) {
	if p.acked = max(p.acked-r.from[1-dir], 0); p.lost > 0 {
		p.acked = r.dialogue.server.offset
	}
	r.dialogue.read(r.direction(dir), &p)
	r.flatten()
}

// flatten takes the place of a dialogue that was reversed again, so that a connection of nothing but TURN has one at a
// time.
func (r *reversed) flatten() {
	for r.dialogue.turned != nil {
		next := r.dialogue.turned
		for dir := range r.from {
			r.from[dir] += next.from[r.direction(Direction(dir))]
		}
		r.dialogue, r.flipped = next.dialogue, r.flipped != next.flipped
	}
}

// turnReply applies the reply to TURN or ATRN. If it was not seen, or may be another's, the client's greeting shows
// that it was accepted.
func (d *Dialogue) turnReply(r *reply) {
	d.client.block(false)
	code := codeOf(r)
	accepted := code >= 200 && code < 300
	if r == nil || d.sync.uncertain && accepted {
		accepted = d.backlog.hasData() && bytes.HasPrefix(d.backlog.head().data, []byte("220"))
	}
	if !accepted {
		return
	}
	d.endTransaction(Aborted)
	from := d.server.offset
	if r != nil {
		from = r.end
	}
	d.reverse(from)
}

// reverse reads what the client sends from now on as the server's, and what the server sent from that offset on as the
// client's.
func (d *Dialogue) reverse(serverFrom int64) {
	s := d.session
	s.Client, s.Server, s.Midstream = s.Server, s.Client, false
	to := New(d.cfg, s)
	to.follows(d)
	turned := &reversed{dialogue: to, from: [2]int64{d.client.offset, serverFrom}, flipped: true}
	pieces := d.backlog.takeAll()
	d.work.takes(len(pieces))
	for _, p := range pieces {
		turned.read(FromClient, p)
	}
	kept, size := d.server.takeAside()
	if missed := d.server.offset - serverFrom - size; missed > 0 {
		turned.read(FromServer, piece{t: d.now, lost: missed})
	}
	for _, p := range kept {
		turned.read(FromServer, p)
	}
	d.match.dropCommands()
	d.match.dropReplies()
	d.server.reset()
	d.turned = turned
}

// follows takes over what a dialogue knows of the connection whose roles are reversed in its midst.
func (d *Dialogue) follows(before *Dialogue) {
	d.session.Midstream = before.session.Midstream
	d.now, d.seen, d.lost, d.second = before.now, [2]bool{true, true}, before.lost, true
	d.head.mayBeLine(false)
	d.mail.countFrom(before.mail.count)
	if before.sync.doubted {
		d.sync.doubt()
	}
}
