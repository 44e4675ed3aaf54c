package smtp

import "encoding/binary"

// maxHello bounds what is kept of a ClientHello: one TLS record and its header (RFC 8446 section 5.1).
const maxHello = 5 + 1<<14

// startTLSReply applies the reply to STARTTLS (RFC 3207 section 4).
func (d *Dialogue) startTLSReply(c command, r *reply) {
	d.client.block(false)
	accepted := codeOf(r) == 220
	if r == nil {
		accepted = !d.backlog.empty() && looksLikeTLS(d.backlog.head().data)
	}
	if accepted {
		d.encrypt(&c, r)
		return
	}
	if r == nil && d.backlog.hasData() && d.backlog.head().acked <= c.acked {
		n, _ := d.backlog.flight() // sent with STARTTLS: nobody's mail if that was accepted
		d.leaveUnread(int64(n))
	}
}

// encrypt begins a session of which nothing can be read but the ClientHello; r is nil where the reply was not seen.
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

// holeFlag is Gap where a reply was missed in a hole, and not because its direction was never seen.
func (d *Dialogue) holeFlag() Flags {
	if d.seen[FromServer] {
		return Gap
	}
	return 0
}

func looksLikeTLS(b []byte) bool {
	return len(b) > 1 && b[0] == 22 && b[1] == 3 || len(b) == 1 && b[0] == 22
}

// readClientHello collects the ClientHello after STARTTLS.
func (d *Dialogue) readClientHello(p *piece) {
	if len(d.client.hello) == 0 && !looksLikeTLS(p.data) {
		if p.acked < d.client.helloFrom { // sent before the client could know the answer: it is nobody's mail
			d.mail.encrypted.flag(Injected)
			return
		}
		d.emitEncrypted("")
		d.client.encrypted()
		return
	}
	d.client.addHello(p.data)
	if name, whole := serverName(d.client.hello); whole || len(d.client.hello) >= maxHello {
		d.emitEncrypted(name)
		d.client.encrypted()
	}
}

// emitEncrypted emits the row of an encrypted session, if it has not gone out.
func (d *Dialogue) emitEncrypted(name string) {
	tx := d.mail.takeEncrypted()
	if tx == nil {
		return
	}
	e := d.row(tx, Encrypted)
	if name != "" {
		e.TLSServerName = text8([]byte(name))
	}
	d.emit(e)
}

// cursor reads length-prefixed vectors (RFC 8446 section 3.4); bad once a length goes beyond the end.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) vector(lengthOctets int) *cursor {
	n := 0
	for _, o := range c.take(lengthOctets) {
		n = n<<8 | int(o)
	}
	return &cursor{b: c.take(n), bad: c.bad}
}

// serverName returns the SNI of a ClientHello in its TLS record (RFC 6066 section 3); whole once more bytes would
// change nothing.
func serverName(b []byte) (name string, whole bool) {
	if len(b) < 5 {
		return "", false
	}
	n := int(binary.BigEndian.Uint16(b[3:5]))
	if len(b) < 5+n {
		return "", n > 1<<14 || b[0] != 22
	}
	c := &cursor{b: b[5 : 5+n]}
	if kind := c.take(1); kind == nil || kind[0] != 1 {
		return "", true
	}
	h := c.vector(3)
	h.take(2 + 32) // version, random
	h.vector(1)    // session id
	h.vector(2)    // cipher suites
	h.vector(1)    // compression methods
	extensions := h.vector(2)
	for len(extensions.b) > 0 && !extensions.bad {
		kind := extensions.take(2)
		data := extensions.vector(2)
		if len(kind) == 2 && kind[0] == 0 && kind[1] == 0 {
			list := data.vector(2)
			if t := list.take(1); len(t) == 1 && t[0] == 0 {
				return string(list.vector(2).b), true
			}
		}
	}
	return "", true
}
