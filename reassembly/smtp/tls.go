package smtp

// startTLSReply applies the reply to STARTTLS (RFC 3207 section 4).
func (d *Dialogue) startTLSReply(c *command, r *reply) {
	d.client.block(false)
	accepted := codeOf(r) == 220
	if r == nil {
		accepted = !d.backlog.empty() && looksLikeTLS(d.backlog.head().data)
	}
	if accepted {
		d.encrypt(c, r)
		return
	}
	if r == nil && d.backlog.hasData() && d.backlog.head().acked <= c.acked {
		n, _ := d.backlog.flight() // sent with STARTTLS: nobody's mail if that was accepted
		d.leaveUnread(int64(n))
	}
}

// encrypt begins a session of which nothing can be read but the ClientHello; r is nil if the reply was not seen.
func (d *Dialogue) encrypt(c *command, r *reply) {
	d.endTransaction(Aborted)
	d.mail.encrypt(c)
	d.match.dropReplies()
	d.server.reset()
	d.sync.ended()
	if r == nil {
		d.client.expectHello(0)
		d.mail.encrypted.flag(d.holeFlag())
		return
	}
	d.client.expectHello(r.end)
}

// missedStartTLS reports whether a hole has hidden STARTTLS: the client goes on with a ClientHello after it, and the
// server said 220 when it had received all before that. Then the session is encrypted.
func (d *Dialogue) missedStartTLS(p *piece) bool {
	if !d.client.hole.resync || d.client.line.n > 0 || p.data[0] != contentHandshake || !looksLikeTLS(p.data) {
		return false
	}
	for i := d.match.replies.len() - 1; i >= 0 && i >= d.match.replies.len()-2; i-- {
		r := d.match.replies.at(i)
		if r.code == greetingCode && r.acked == d.client.offset && r.acked > 0 && p.acked >= r.end {
			kept := *r
			d.encrypt(&command{verb: verbStartTLS, t: p.t, flags: Gap}, &kept)
			return true
		}
	}
	return false
}

// encryptedAtOnce takes a connection that is encrypted from its first octet: the server's is of TLS. Nothing that was
// read of it is SMTP, whatever it looks like. What the client's first octets are says nothing: a server may refuse them
// and go on.
func (d *Dialogue) encryptedAtOnce() {
	d.match.dropCommands()
	d.match.dropReplies()
	d.server.reset()
	d.backlog.drop()
	d.head.mayBeLine(false)
	d.client.block(false)
	d.client.encrypted()
	d.mail.drop()
}

// holeFlag is Gap if a reply was missed in a hole, and not because its direction was never seen.
func (d *Dialogue) holeFlag() Flags {
	if d.seen[FromServer] {
		return Gap
	}
	return 0
}

// readClientHello collects the ClientHello after STARTTLS.
func (d *Dialogue) readClientHello(p *piece) {
	if d.client.hello.empty() && !looksLikeTLS(p.data) && p.acked < d.client.helloFrom {
		d.mail.encrypted.flag(Injected) // sent before the client could know the answer: it is nobody's mail
		return
	}
	if d.client.addHello(p.data) {
		d.emitEncrypted()
		d.client.encrypted()
	}
}

// emitEncrypted emits the row of an encrypted session, if it has not gone out, with the name of the server if that was
// read.
func (d *Dialogue) emitEncrypted() {
	tx := d.mail.takeEncrypted()
	if tx == nil {
		return
	}
	e := d.row(tx, Encrypted)
	if name := d.client.hello.serverName(); name != "" {
		e.TLSServerName = d.texts.text8([]byte(name))
	}
	d.emit(e)
}
