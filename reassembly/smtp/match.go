package smtp

// match gives each reply to its command: in order (RFC 2920 section 3.1), unless bytes were missed: see anchor.
func (d *Dialogue) matchReplies() {
	for d.match.replies.len() > 0 || d.match.pending.len() > 0 && d.match.pending.at(0).acked == severed {
		if d.work.steps(1); d.work.spent() {
			d.giveUp()
			continue
		}
		if d.sync.uncertain && d.seen[FromClient] && d.match.replies.len() < orDefault(d.cfg.MaxReplies, 4096) {
			if d.anchor() {
				continue
			}
			if !d.guessing {
				return
			}
		}
		if d.match.pending.len() > 0 && d.match.pending.at(0).acked == severed {
			d.match.takeCommand()
			d.mail.tx.sever()
			continue
		}
		if d.sync.serverHoleEnd > 0 {
			if !d.crossHole() {
				return
			}
			continue
		}
		r := *d.match.replies.at(0)
		if d.match.pending.len() == 0 {
			if r.acked > d.client.offset && d.seen[FromClient] {
				return // it answers bytes that have not come yet
			}
			d.unsolicited(d.match.takeReply())
			continue
		}
		c := d.match.pending.at(0)
		if c.verb == verbEndOfData && r.acked > c.message && r.acked < c.end && r.code >= 400 {
			c.size = -1 // the server refused the message before its end
		}
		// A reply that the server sent before it had received the command does not answer it. What the client says that it had
		// received when it sent the command does not count here: it may acknowledge what it never got.
		if r.acked < c.end && (r.code == 421 || c.verb != verbEndOfData || r.acked <= c.message) {
			d.unsolicited(d.match.takeReply())
			continue
		}
		if d.tooEarly(&r) {
			return
		}
		d.takesLF(&r)
		if d.noCommand(&r) {
			d.passOver()
			continue
		}
		if d.outOfStep(&r) {
			continue
		}
		if c.doubtful && !d.dialect.takesLF {
			d.doubtLines()
		}
		d.match.takeReply()
		if d.match.pending.len() > 1 && d.match.pending.at(1).acked < r.end && !d.match.pending.at(1).doubtful {
			d.dialect.groups()
		}
		d.resolve(d.match.takeCommand(), &r)
	}
}

// severed, as a command's acked, marks where sever was called among the commands that still await their replies.
const severed = 1<<63 - 1

// crossHole begins matching afresh behind a hole in the replies, at the first command that the client sent when it had
// received what lies behind the hole.
func (d *Dialogue) crossHole() bool {
	if i := d.match.heard(d.sync.serverHoleEnd, false); i < d.match.pending.len() {
		d.settleHole(i, d.match.pending.at(i).acked)
		return true
	}
	if d.client.blocked && d.backlog.hasData() && d.backlog.head().acked >= d.sync.serverHoleEnd && d.backlog.head().acked <= d.server.offset &&
		d.match.replies.at(0).acked <= d.client.offset+d.backlog.octets {
		d.settleHole(d.match.pending.len(), d.backlog.head().acked)
		return true
	}
	if !d.seen[FromClient] || d.match.pending.len() == 0 && d.match.replies.at(0).acked <= d.client.offset {
		d.unsolicited(d.match.takeReply())
		return true
	}
	return false
}

// settleHole answers the first n commands, whose replies lie before offset x, some of them in the hole.
func (d *Dialogue) settleHole(n int, x int64) {
	d.answer(n, d.match.repliesUpTo(x))
	d.sync.crossed(x)
}
