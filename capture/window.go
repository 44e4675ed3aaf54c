package capture

import (
	"io"
)

const (
	// readSize is how much is read at once: small enough to stay in a core's second-level cache between the read and
	// the parsing, large enough that system calls do not show.
	readSize = 256 << 10

	// maxFrame is the longest frame that is believed. libpcap's MAXIMUM_SNAPLEN is 256 KiB, the kernel's GRO makes
	// frames of up to 8 × 65,535 octets (BIG TCP, GRO_MAX_SIZE): a longer one is a damaged length.
	maxFrame = 1 << 20
)

// window shows a stream piece by piece without copying: the pieces are slices of its buffer.
type window struct {
	r          io.Reader
	buf        []byte
	swap       func(used []byte) []byte // see Files.KeepFrames; nil: the same memory is used again and again
	start, end int                      // buf[start:end] is read and not yet taken
	base       int64                    // offset of buf[0] in the stream
	err        error                    // what r returned last; kept until all before it is taken
	reads      int64                    // calls of r
	moved      int64                    // octets copied within memory, to make room
}

// reset begins a new stream: head, then what r has.
func (w *window) reset(r io.Reader, head []byte) {
	w.start, w.end = 0, 0
	if w.renew(); w.buf == nil {
		w.buf = make([]byte, readSize)
	}
	w.r, w.end, w.base, w.err = r, copy(w.buf, head), 0, nil
	w.reads, w.moved = 0, 0
}

// offset returns the offset of the next octet to be taken.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// peek returns the next n octets, which stay valid until the next call. It returns io.EOF at the end of the stream and
// io.ErrUnexpectedEOF if fewer than n octets are left.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.start < n {
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buf[w.start : w.start+n : w.start+n], nil
}

// take returns the next n octets like peek and passes over them.
func (w *window) take(n int) ([]byte, error) {
	if w.end-w.start < n { // as in peek, without a call more for each frame
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	b := w.buf[w.start : w.start+n : w.start+n]
	w.start += n
	return b, nil
}

// skip passes over n octets.
func (w *window) skip(n int) error {
	for n > 0 {
		step := min(n, readSize)
		if _, err := w.take(step); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		n -= step
	}
	return nil
}

// fill reads until the buffer holds n octets from start on.
func (w *window) fill(n int) error {
	w.renew()
	for empty := 0; w.end < n; {
		if w.err != nil {
			if w.err == io.EOF && w.end > 0 {
				return io.ErrUnexpectedEOF
			}
			return w.err
		}
		if w.end == len(w.buf) { // doubling: a claimed length costs at most twice the octets that are there
			grown := make([]byte, 2*len(w.buf))
			w.moved += int64(copy(grown, w.buf))
			w.buf = grown
		}
		var k int
		k, w.err = w.r.Read(w.buf[w.end:])
		w.reads++
		w.end += k
		if k > 0 {
			empty = 0
		} else if empty++; empty == 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return nil
}

// renew moves what is not yet taken to the beginning of the buffer, or of another one.
func (w *window) renew() {
	to := w.buf
	if w.swap != nil {
		to = w.swap(w.buf)
	}
	if len(to) < w.end-w.start {
		to = make([]byte, len(w.buf))
	}
	w.moved += int64(copy(to, w.buf[w.start:w.end]))
	w.base += int64(w.start)
	w.buf, w.start, w.end = to, 0, w.end-w.start
}

// offsetError is an error at an offset of the stream; Files makes a FileError of it.
type offsetError struct {
	offset int64
	err    error
}

func (e *offsetError) Error() string { return e.err.Error() }

// where says at which offset err was met: the end of what could be read, unless the error knows better.
func (w *window) where(err error) error {
	if _, ok := err.(*offsetError); ok {
		return err
	}
	return &offsetError{offset: w.base + int64(w.end), err: err}
}
