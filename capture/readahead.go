package capture

import (
	"io"
	"os"
	"sync"
)

// readAhead reads in a goroutine of its own, so that a waiting Read can be ended whatever the underlying reader does.
// That goroutine ends with its reader, or after close as soon as the reader's Read returns.
type readAhead struct {
	full  chan chunk
	empty chan []byte
	done  chan struct{}
	once  sync.Once

	cur chunk  // being given out
	buf []byte // cur's whole buffer, to be handed back
}

type chunk struct {
	data []byte
	err  error
}

// readBuffers is enough for one side to fill a buffer while the other empties one.
const readBuffers = 2

func startReadAhead(r io.Reader) *readAhead {
	p := &readAhead{full: make(chan chunk, readBuffers), empty: make(chan []byte, readBuffers),
		done: make(chan struct{})}
	for range readBuffers {
		p.empty <- make([]byte, readSize)
	}
	go p.run(r)
	return p
}

func (p *readAhead) run(r io.Reader) {
	for {
		select {
		case <-p.done:
			return
		case buf := <-p.empty:
			n, err := r.Read(buf)
			p.full <- chunk{buf[:n], err} // never waits: it has room for every buffer
			if err != nil {
				return
			}
		}
	}
}

func (p *readAhead) Read(b []byte) (int, error) {
	if len(p.cur.data) == 0 {
		if p.cur.err != nil {
			return 0, p.cur.err
		}
		if p.buf != nil {
			p.empty <- p.buf[:cap(p.buf)]
			p.buf = nil
		}
		select {
		case p.cur = <-p.full:
			p.buf = p.cur.data
		case <-p.done:
			return 0, os.ErrClosed
		}
	}
	n := copy(b, p.cur.data)
	p.cur.data = p.cur.data[n:]
	return n, nil
}

func (p *readAhead) close() { p.once.Do(func() { close(p.done) }) }
