package smtp

// matchReplies gives each reply to its command: in order (RFC 2920 section 3.1), unless octets were missed: see anchor.
func (d *Dialogue) matchReplies() {
	for more := true; more && (d.match.replies.len() > 0 || d.match.markIsNext()); {
		if d.work.steps(1); d.work.spent() {
			d.giveUp()
			continue
		}
		if d.awaitsFinal() {
			more = d.takeFinal()
			continue
		}
		if d.sync.uncertain && d.seen[FromClient] {
			if d.answerBeforeHole() || d.anchor() {
				continue
			}
			if !d.guessing {
				return
			}
			d.answer(d.match.pending.len(), d.match.repliesTo(d.client.offset))
			return
		}
		switch {
		case d.match.markIsNext():
			d.match.takeCommand()
			d.mail.tx.sever()
		case d.sync.serverHoleEnd > 0:
			more = d.crossHole()
		case d.match.pending.len() == 0:
			more = d.answerNothing()
		default:
			more = d.answerNext()
		}
	}
}

// answerNothing takes the first reply if no command waits. It returns false if it answers octets that have not come
// yet.
func (d *Dialogue) answerNothing() bool {
	if d.match.replies.at(0).acked > d.client.offset && d.seen[FromClient] {
		return false
	}
	d.unsolicited(d.match.takeReply())
	return true
}

// answerNext gives the first reply to the first command, if that is what it answers. It returns false if that is not
// known yet.
func (d *Dialogue) answerNext() bool {
	r, c := *d.match.replies.at(0), d.match.pending.at(0)
	if c.verb == verbEndOfData && r.acked > c.message && r.acked < c.end && r.code >= 400 {
		d.match.missSize() // the server refused the message before its end
	}
	if d.awaitsFirstCommand(&r) {
		return false
	}
	if d.noGreeting(&r) {
		d.match.takeCommand()
		return true
	}
	// A reply that the server sent before it had received the command does not answer it. What the client says that it
	// had received when it sent the command does not count here: it may acknowledge what it never got.
	if r.acked < c.end && (r.code == 421 || c.verb != verbEndOfData || r.acked <= c.message) {
		d.unsolicited(d.match.takeReply())
		return true
	}
	if d.tooEarly(&r) {
		return false
	}
	d.takesLF(&r)
	if d.noCommand(&r) {
		d.passOver()
		return true
	}
	if d.outOfStep(&r) {
		return true
	}
	if c.afterLF && !d.dialect.takesLF {
		d.flagAfterLF()
	}
	d.match.takeReply()
	if d.match.grouped(&r) {
		d.dialect.groups()
	}
	next := d.match.takeCommand()
	d.resolve(&next, &r)
	return true
}

// answerBeforeHole gives the first reply to the first command if both are from before all that was missed: then they
// belong together, whatever comes after them.
func (d *Dialogue) answerBeforeHole() bool {
	if d.match.pending.len() == 0 || d.match.replies.len() == 0 {
		return false
	}
	c, r := d.match.pending.at(0), d.match.replies.at(0)
	if c.flags&Gap != 0 || c.end > d.sync.knownClient || r.end > d.sync.knownServer || c.acked == severed {
		return false
	}
	d.sync.beforeHole()
	more := d.answerNext()
	d.sync.afterHole()
	return more
}

// severed, as a command's acked, marks where sever was called among the commands that still await their replies.
const severed = 1<<63 - 1

// crossHole begins matching afresh after a hole in the replies, at the first command that the client sent when it had
// received what comes after the hole. It returns false if there is none yet.
func (d *Dialogue) crossHole() bool {
	if i := d.match.heard(d.sync.serverHoleEnd, false); i < d.match.pending.len() {
		d.answerBefore(i, d.match.pending.at(i).acked)
		return true
	}
	if d.client.blocked && d.backlog.hasData() {
		acked := d.backlog.head().acked
		heard := acked >= d.sync.serverHoleEnd && acked <= d.server.offset
		if heard && d.match.replies.at(0).acked <= d.client.offset+d.backlog.octets {
			d.answerBefore(d.match.pending.len(), acked)
			return true
		}
	}
	if !d.seen[FromClient] || d.match.pending.len() == 0 && d.match.replies.at(0).acked <= d.client.offset {
		d.unsolicited(d.match.takeReply())
		return true
	}
	return false
}

// answerBefore answers the first n commands, whose replies end before offset x, some of them in the hole.
func (d *Dialogue) answerBefore(n int, x int64) {
	d.answer(n, d.match.repliesUpTo(x))
	d.sync.crossed(x)
}
