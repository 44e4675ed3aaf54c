package smtp

// startTLSReply applies the reply to STARTTLS (RFC 3207 section 4).
func (d *Dialogue) startTLSReply(c command, r *reply) {
	d.blocked = false
	accepted := r != nil && r.code == 220
	if r == nil {
		accepted = !d.backlog.empty() && looksLikeTLS(d.backlog.head().data)
	}
	if !accepted {
		if r == nil && d.backlog.hasData() && d.backlog.head().acked <= c.acked {
			n, _ := d.backlog.flight() // sent with STARTTLS: nobody's mail if that was accepted
			d.leaveUnread(int64(n))
		}
		return
	}
	d.endTransaction(Aborted)
	d.mail.encrypt(&c)
	d.state = inHello
	d.match.dropReplies()
	d.server.reset()
	d.sync.ended()
	if r != nil {
		d.tlsFrom = r.end
	} else {
		d.mail.encrypted.flag(d.holeFlag())
	}
}

// holeFlag is Gap where a reply was missed in a hole, and not because its direction was never seen.
func (d *Dialogue) holeFlag() Flags {
	if d.seen[FromServer] {
		return Gap
	}
	return 0
}

// readHello collects the ClientHello that follows STARTTLS.
func (d *Dialogue) readHello(p piece) {
	if d.hello.empty() && !looksLikeTLS(p.data) && p.acked < d.tlsFrom {
		// It was sent before the client could know the answer: it is nobody's mail.
		d.mail.encrypted.flag(Injected)
		return
	}
	if d.hello.read(p.data) {
		d.emitDark()
		d.state = inDark
	}
}

// emitDark emits the row of an encrypted session, with the name of the server if that was read.
func (d *Dialogue) emitDark() {
	tx := d.mail.takeEncrypted()
	if tx == nil {
		return
	}
	e := d.row(tx, Encrypted)
	if name := d.hello.serverName(); name != "" {
		e.TLSServerName = text8([]byte(name))
	}
	d.hello = clientHello{}
	d.emit(e)
}
