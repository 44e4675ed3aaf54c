package smtp

// head reads what may stand before the first command of a connection: a header of the PROXY protocol, which no reply belongs to.
type head struct {
	open    bool // nothing was read yet that is no part of it
	proxy   proxyBinary
	first   piece // when its first octets came; without these
	end     int64 // offset of the client behind it; 0: there was none
	waiting int64 // octets that may be those of a header of version 2, or commands: Dialogue.clientOff does not count them yet
}

// readHead reads the head of p as long as it may be a header of version 2, and returns how much that was. One of version 1 is a line: see
// proxyCommand.
func (d *Dialogue) readHead(p piece) int {
	h := &d.head
	if h.proxy.n == 0 {
		if d.line.n > 0 || p.data[0] != proxySignature[0] {
			h.open = d.line.n > 0 || p.data[0] == 'P'
			return d.readLine(p)
		}
		h.first = piece{t: p.t, acked: p.acked}
	}
	n, result := h.proxy.read(p.data)
	switch {
	case result == proxyNoSuch:
		d.replayHead(int64(h.proxy.n - n))
		return 0
	case h.proxy.n < len(proxySignature):
		h.waiting += int64(n)
		d.clientOff -= int64(n)
		return n
	}
	d.clientOff += h.waiting
	h.waiting = 0
	if result == proxyWhole {
		d.endHead(d.clientOff + int64(n))
	}
	return n
}

// endHead takes a whole header of version 2 that ends at offset end.
func (d *Dialogue) endHead(end int64) {
	d.head.open, d.head.end = false, end
	d.mail.proxied(d.head.proxy.origin())
}

// replayHead reads the first n octets of what was taken for a header of version 2 as commands.
func (d *Dialogue) replayHead(n int64) {
	h := &d.head
	h.open = false
	d.clientOff -= n - h.waiting
	h.waiting = 0
	p := h.first
	p.data = h.proxy.replay()[:n]
	for len(p.data) > 0 {
		k := d.readLine(p)
		d.clientOff += int64(k)
		p.data = p.data[k:]
	}
}

// closeHead reads what is left as commands: no more of it comes.
func (d *Dialogue) closeHead() {
	if d.head.waiting > 0 {
		d.replayHead(d.head.waiting)
	}
}

// loseHead takes a hole of n octets within a header, and returns how many of them come after it.
func (d *Dialogue) loseHead(n int64) int64 {
	h := &d.head
	if h.proxy.n == 0 {
		if h.open = d.line.n > 0; h.open {
			d.flag(Gap, true) // it may have named somebody
		}
		return n
	}
	passed, result := h.proxy.lose(n)
	switch result {
	case proxyNoSuch:
		d.clientOff -= n
		d.replayHead(int64(h.proxy.n))
		d.clientOff += n
	case proxyWhole:
		d.endHead(d.clientOff - n + passed)
	}
	if passed > 0 && h.proxy.tornAddress() {
		d.flag(Gap, true)
	}
	return n - passed
}

// proxyCommand reads the first line of a connection as a header of version 1, and reports whether it is one.
func (d *Dialogue) proxyCommand(text []byte, c *command, holed bool) bool {
	if !d.head.open {
		return false
	}
	d.head.open = false
	o, ok := proxyLine(text)
	ok = ok && !holed
	if ok {
		d.head.end = c.end
		d.mail.proxied(o)
	}
	word, _ := cutWord(text)
	return ok || holed && string(word) == "PROXY"
}
