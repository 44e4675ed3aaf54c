package smtp

import (
	"bytes"
	"slices"
)

// flight is what is known of the first flight held: the octets that the client sent with one acknowledgment. They are
// read once, as they come.
type flight struct {
	acked  int64
	behind int64   // number of the piece after the last one that was read
	end    int64   // offset after the last octet that was read
	tail   [3]byte // the last ones
	dot    int64   // offset after the last line that is a dot alone, with a line end before it; 0: none
	lines  int64   // offset up to which it was asked whether its lines are commands
	bad    int64   // offset after the last line that is none; 0: none
}

// flight is the length of the first flight held, and what is held after it.
func (b *backlog) flight() (n int, next *piece) {
	if b.empty() {
		return 0, nil
	}
	f, h := &b.recall().flight, b.head()
	if h.lost > 0 {
		return 0, h
	}
	if f.behind <= b.pieces.first || f.acked != h.acked || f.end < h.off {
		*f = flight{acked: h.acked, behind: b.pieces.first + 1, end: h.off}
	}
	for i := int(f.behind - 1 - b.pieces.first); i < b.pieces.len(); i++ {
		p := b.pieces.at(i)
		if p.lost > 0 || p.acked != f.acked {
			next = p
			break
		}
		f.read(p.data[f.end-p.off:])
		f.behind = b.pieces.first + int64(i) + 1
	}
	return int(f.end - h.off), next
}

// read looks for lone dots.
func (f *flight) read(data []byte) {
	if len(data) == 0 {
		return
	}
	f.end += int64(len(data))
	if i := bytes.LastIndex(data, []byte(loneDot)); i >= 0 {
		f.dot = f.end - int64(len(data)-i-len(loneDot))
	} else {
		across := append(f.tail[:len(f.tail):len(f.tail)], data[:min(len(data), len(f.tail))]...)
		if i := bytes.LastIndex(across, []byte(loneDot)); i >= 0 {
			f.dot = f.end - int64(len(data)) + int64(i+len(loneDot)-len(f.tail))
		}
	}
	if len(data) < len(f.tail) {
		copy(f.tail[:], f.tail[len(data):])
	}
	copy(f.tail[max(len(f.tail)-len(data), 0):], data[max(len(data)-len(f.tail), 0):])
}

// loneDot is the end of data, RFC 5321 section 4.1.1.4, as it is told from commands: the CR before it may have been
// missed.
const loneDot = "\n.\r\n"

// loneDot returns how far it is from the head of the first flight held to after its last line that is a dot alone, 0
// if there is none.
func (b *backlog) loneDot() int {
	n, _ := b.flight()
	h := b.head()
	if f := &b.recall().flight; n > 0 && f.dot-int64(len(loneDot)) >= h.off {
		return int(f.dot - h.off)
	}
	if n >= 3 && string(b.text(h.off, h.off+3)) == loneDot[1:] {
		return 3
	}
	return 0
}

// text returns octets that are held, none of them missed.
func (b *backlog) text(from, to int64) []byte {
	i := b.pieces.search(0, func(p *piece) bool { return p.off+int64(len(p.data))+p.lost > from })
	p := b.pieces.at(i)
	if n := to - p.off; n <= int64(len(p.data)) {
		return p.data[from-p.off : n]
	}
	text := slices.Clone(p.data[from-p.off:])
	for int64(len(text)) < to-from {
		i++
		p = b.pieces.at(i)
		text = append(text, p.data[:min(int64(len(p.data)), to-from-int64(len(text)))]...)
	}
	return text
}

// areCommands reports whether all of the first flight held are lines of commands.
func (b *backlog) areCommands() bool {
	n, _ := b.flight()
	f := &b.recall().flight
	if n == 0 || f.tail[len(f.tail)-1] != '\n' {
		return false
	}
	begin := f.end - int64(n)
	if f.lines <= begin {
		f.lines = begin
	} else if b.midLine { // what is left of a line that was asked about whole
		line := b.firstLine(begin, f.end)
		if begin += int64(len(line)); !isCommand(line) {
			return false
		}
	}
	if f.lines < f.end {
		text := b.text(f.lines, f.end)
		b.work.steps(len(text))
		for line := range bytes.Lines(text) {
			if f.lines += int64(len(line)); !isCommand(line) {
				f.bad = f.lines
			}
		}
	}
	return f.bad <= begin
}

// firstLine is the first line of octets held, which there is.
func (b *backlog) firstLine(from, to int64) []byte {
	for n := int64(64); ; n *= 4 {
		text := b.text(from, min(from+n, to))
		b.work.steps(len(text))
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			return text[:i+1]
		}
	}
}

func isCommand(line []byte) bool {
	word, rest := cutWord(trimLineEnd(line))
	switch v := verbOf(word); {
	case (v == verbRset || v == verbQuit || v == verbData) && len(rest) == 0:
	case v == verbBdat, v == verbHello && len(rest) > 0:
	case v == verbOther && bytes.EqualFold(word, []byte("NOOP")):
	case v.hasPath(rest):
	default:
		return false
	}
	return true
}
