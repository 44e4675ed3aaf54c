package smtp

import "encoding/binary"

const (
	recordHeader = 5       // RFC 8446 section 5.1
	maxRecord    = 1 << 14 // octets of a record's plaintext
	maxHello     = 1 << 14 // octets of a ClientHello that are kept: the largest with post-quantum keys have 2 KiB

	contentAlert         = 21
	contentHandshake     = 22
	handshakeClientHello = 1
)

// clientHello collects a ClientHello from TLS records. A client may cut it into as many as it likes, and records into
// segments, at any octet (RFC 8446 section 5.1). Each octet is looked at once, and the message parsed once, when it is
// whole or no more of it comes.
type clientHello struct {
	header  [recordHeader]byte // of the record at hand
	n       int                // octets of it that were read
	left    int                // octets of the record that are still to come
	message []byte             // what was read of the handshake message
}

// empty reports whether nothing was read.
func (h *clientHello) empty() bool { return h == nil || h.n == 0 && len(h.message) == 0 }

// memoryUse is about how many octets it takes.
func (h *clientHello) memoryUse() int {
	if h == nil {
		return 0
	}
	return cap(h.message)
}

// read reads data, and reports whether no more of it is needed: the message is whole, too long, or no ClientHello.
func (h *clientHello) read(data []byte) (done bool) {
	for len(data) > 0 {
		if h.left == 0 {
			k := copy(h.header[h.n:], data)
			data = data[k:]
			if h.n += k; h.n < recordHeader {
				return !looksLikeTLS(h.header[:h.n])
			}
			h.n, h.left = 0, int(binary.BigEndian.Uint16(h.header[3:]))
			if !looksLikeTLS(h.header[:]) || h.left > maxRecord {
				return true
			}
			continue
		}
		k := min(len(data), h.left)
		h.message = append(h.message, data[:min(k, maxHello-len(h.message))]...)
		data = data[k:]
		if h.left -= k; h.whole() {
			return true
		}
	}
	return false
}

// whole reports whether more octets would change nothing.
func (h *clientHello) whole() bool {
	m := h.message
	switch {
	case len(m) == 0:
		return false
	case m[0] != handshakeClientHello, len(m) >= maxHello:
		return true
	}
	return len(m) >= 4 && len(m)-4 >= int(m[1])<<16+int(m[2])<<8+int(m[3])
}

// serverName returns the name of the server in what was read of the ClientHello (RFC 6066 section 3), "" if it is not
// in it.
func (h *clientHello) serverName() string {
	if h == nil {
		return ""
	}
	c := &cursor{b: h.message}
	if kind := c.take(1); len(kind) == 0 || kind[0] != handshakeClientHello {
		return ""
	}
	body := c.prefix(3)
	body.take(2 + 32) // version, random
	body.vector(1)    // session id
	body.vector(2)    // cipher suites
	body.vector(1)    // compression methods
	extensions := body.prefix(2)
	for len(extensions.b) > 0 && !extensions.bad {
		kind := extensions.take(2)
		data := extensions.vector(2)
		if len(kind) == 2 && kind[0] == 0 && kind[1] == 0 {
			list := data.vector(2)
			if t := list.take(1); len(t) == 1 && t[0] == 0 {
				return string(list.vector(2).b)
			}
		}
	}
	return ""
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

func (c *cursor) length(octets int) (n int) {
	for _, o := range c.take(octets) {
		n = n<<8 | int(o)
	}
	return n
}

func (c *cursor) vector(lengthOctets int) *cursor {
	n := c.length(lengthOctets)
	return &cursor{b: c.take(n), bad: c.bad}
}

// prefix is a vector of which the end may be missing.
func (c *cursor) prefix(lengthOctets int) *cursor {
	n := c.length(lengthOctets)
	return &cursor{b: c.take(min(n, len(c.b))), bad: c.bad}
}

// isServersTLS reports whether a server whose first octets are b speaks TLS: a record with a handshake message or an
// alert.
func isServersTLS(b []byte) bool {
	return len(b) >= 3 && (b[0] == contentAlert || b[0] == contentHandshake) && b[1] == 3 && b[2] <= 4
}

// looksLikeTLS reports whether b begins like a record with a handshake message, or like the ClientHello of SSL 2.0,
// which old clients send to servers of SSL 3.0 and TLS 1.0 (RFC 5246 appendix E.2). No command of SMTP begins so.
func looksLikeTLS(b []byte) bool {
	if len(b) > 0 && b[0] >= 0x80 {
		return len(b) < 3 || b[2] == handshakeClientHello
	}
	return len(b) > 0 && b[0] == contentHandshake && (len(b) == 1 || b[1] == 3)
}
