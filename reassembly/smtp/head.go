package smtp

// head reads what may stand before the first command of a connection: a header of the PROXY protocol, which no reply
// belongs to.
type head struct {
	open   bool        // nothing was read yet that is no part of it
	binary *binaryHead // nil: no octet of a header of version 2 was read
	end    int64       // offset of the client after it; 0: there was none
}

// binaryHead is what few connections begin with: a header of version 2, or what may be one.
type binaryHead struct {
	proxy   proxyBinary
	first   piece // when its first octets came; without these
	waiting int64 // octets that may be a header of version 2, or commands: clientReader.offset does not count them yet
}

// read reads the head of p as a header of version 2, and returns how much of it belongs to one.
func (h *head) read(p *piece) (n int, result proxyResult) {
	if h.binary == nil {
		h.binary = &binaryHead{first: piece{t: p.t, acked: p.acked}}
	}
	b := h.binary
	n, result = b.proxy.read(p.data)
	if h.undecided() {
		b.waiting += int64(n)
	}
	return n, result
}

// undecided reports whether what was read may still be commands.
func (h *head) undecided() bool { return h.binary == nil || h.binary.proxy.n < len(proxySignature) }

// decide returns how many octets are to be counted now.
func (h *head) decide() (n int64) {
	n, h.binary.waiting = h.binary.waiting, 0
	return n
}

// wasHeader says that a header ends at that offset of the client.
func (h *head) wasHeader(end int64) { h.open, h.end = false, end }

// mayBeLine notes whether the line at hand may be a header of version 1.
func (h *head) mayBeLine(may bool) { h.open = may }

// readHead reads the head of p as long as it may be a header of version 2, and returns how much that was. One of
// version 1 is a line: see proxyCommand.
func (d *Dialogue) readHead(p *piece) int {
	if h := &d.head; h.binary == nil && (d.client.line.n > 0 || p.data[0] != proxySignature[0]) {
		if h.mayBeLine(d.client.line.n > 0 || p.data[0] == 'P'); d.session.Midstream {
			h.mayBeLine(false) // a line of version 1 may as well be one of a message
			return 0
		}
		return d.readLine(p)
	}
	n, result := d.head.read(p)
	switch {
	case result == proxyNoSuch:
		d.replayHead(int64(d.head.binary.proxy.n - n))
		return 0
	case d.head.undecided():
		d.client.advance(int64(-n)) // what the caller counts
		return n
	}
	d.client.advance(d.head.decide())
	if result == proxyWhole {
		d.endHead(d.client.offset + int64(n))
	}
	return n
}

// endHead takes a whole header of version 2 that ends at offset end.
func (d *Dialogue) endHead(end int64) {
	d.head.wasHeader(end)
	d.mail.proxied(d.head.binary.proxy.origin())
}

// replayHead reads the first n octets of what was taken for a header of version 2 as commands.
func (d *Dialogue) replayHead(n int64) {
	d.head.mayBeLine(false)
	waiting := d.head.decide()
	d.client.advance(min(waiting, n) - n)
	p := d.head.binary.first
	p.data = d.head.binary.proxy.replay()[:n]
	if d.session.Midstream && waiting > 0 { // it may be of a message
		d.hold(p)
		return
	}
	for len(p.data) > 0 {
		k := d.readLine(&p)
		d.client.advance(int64(k))
		p.data = p.data[k:]
	}
}

// closeHead reads what is left as commands: no more of it comes.
func (d *Dialogue) closeHead() {
	if b := d.head.binary; b != nil && b.waiting > 0 {
		d.replayHead(b.waiting)
	}
}

// loseHead takes a hole of n octets within a header, and returns how many of them come after it.
func (d *Dialogue) loseHead(n int64) int64 {
	h := &d.head
	if h.binary == nil {
		if h.mayBeLine(d.client.line.n > 0); h.open {
			d.flag(Gap, true) // it may have named somebody
		}
		return n
	}
	proxy := &h.binary.proxy
	passed, result := proxy.lose(n)
	switch result {
	case proxyNoSuch:
		d.client.advance(-n)
		d.replayHead(int64(proxy.n))
		d.client.advance(n)
	case proxyWhole:
		d.endHead(d.client.offset - n + passed)
	}
	if passed > 0 && proxy.tornAddress() {
		d.flag(Gap, true)
	}
	return n - passed
}

// proxyCommand reads the first line of a connection as a header of version 1, and reports whether it is one.
func (d *Dialogue) proxyCommand(text []byte, c *command, holed bool) bool {
	if !d.head.open {
		return false
	}
	d.head.mayBeLine(false)
	if o, ok := proxyLine(text); ok && !holed {
		d.head.wasHeader(c.end)
		d.mail.proxied(o)
		return true
	}
	word, _ := cutWord(text)
	return holed && string(word) == "PROXY"
}
