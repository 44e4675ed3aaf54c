package smtp

// A server's greeting may lack its code, or its end: firewalls mask it with asterisks, and some servers never finish
// it. A client that goes on all the same takes what it has received for the greeting, and so does the parser.

// greetingReader finds where a greeting ends that the server did not end itself.
type greetingReader struct {
	past  bool   // the first reply was read, or a hole came before it: nothing is to be found
	acked int64  // octets of the client that the server had received when it sent the last line of the first reply
	seam  int64  // octets of the line at hand that the server sent before it had received more from the client; 0: all
	heard int64  // octets of the client that it had received then
	reply *reply // the greeting, once what comes after it shows its end; nil before
}

// piece notes that a piece comes, of a server that has received acked octets of the client. n octets of the line at
// hand came before, when it had received before.
func (g *greetingReader) piece(n, before, acked int64) {
	if !g.past && n > 0 && acked > before {
		g.seam, g.heard = n, before
	}
}

// cut is how many octets of a line that begins at offset start are the unfinished greeting: a reply to something that
// the client sent later follows on the same line.
func (g *greetingReader) cut(text []byte, current *reply, start int64) int {
	n := int(g.seam)
	g.seam = 0
	if g.past || n == 0 || n >= len(text) {
		return 0
	}
	if code, _, ok := replyLine(text[n:]); !ok || code == greetingCode {
		return 0
	}
	if code, _, ok := replyLine(text[:n]); ok {
		g.reply = &reply{code: code, start: start, end: start + int64(n), acked: g.heard}
		*current = reply{}
	}
	return n
}

// line looks at a line of a reply with that code, which begins at offset start, and ends the greeting before it if that
// was left open.
func (g *greetingReader) line(current *reply, code uint16, start, acked int64) {
	if !g.past && current.open && current.code == greetingCode && code != greetingCode && acked > g.acked {
		r := *current
		r.end, r.acked, r.open = start, g.acked, false
		g.reply, *current = &r, reply{}
	}
	g.acked = acked
}

// take gives the greeting that was found, nil if none was.
func (g *greetingReader) take() *reply {
	r := g.reply
	if r != nil {
		*g = greetingReader{past: true}
	}
	return r
}

const greetingCode = 220

// noGreeting reports whether the greeting, which waits for its reply, has none: r, the first reply, answers the
// client's first command. No server greets with another 2xx or 3xx when it has a command already; with 4xx and 5xx it
// may, unless octets that are no reply came first and the client took them for the greeting.
func (d *Dialogue) noGreeting(r *reply) bool {
	if d.match.pending.at(0).verb != verbGreeting || r.code == greetingCode || d.match.pending.len() < 2 {
		return false
	}
	first := d.match.pending.at(1)
	if first.acked == severed || r.acked < first.end {
		return false
	}
	return r.code < 400 || first.acked > 0 && first.acked <= r.start
}

// awaitsFirstCommand reports whether r, which may be the greeting or answer the client's first command, is to wait for
// that.
func (d *Dialogue) awaitsFirstCommand(r *reply) bool {
	return d.match.pending.at(0).verb == verbGreeting && d.match.pending.len() == 1 && r.code != greetingCode &&
		r.acked > d.client.offset && d.seen[FromClient] && !d.closing
}
