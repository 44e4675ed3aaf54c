package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"tap25/reassembly/smtp"
)

// Rows writes rows as JSON lines, in the order in which they were emitted.
type Rows struct {
	emitted atomic.Int64
	written atomic.Int64 // lines

	mu   sync.Mutex // between Emit and Flush
	w    *bufio.Writer
	line []byte      // the last one written
	err  error       // the first error of writing
	fail func(error) // called with the first error
}

// NewRows writes to w. fail is called with the first error; Flush returns it too.
func NewRows(w io.Writer, fail func(error)) *Rows {
	r := &Rows{fail: fail}
	r.w = bufio.NewWriterSize(&lineCounter{w, &r.written}, 64<<10)
	return r
}

// lineCounter counts the lines that w has taken.
type lineCounter struct {
	w io.Writer
	n *atomic.Int64
}

// Write implements io.Writer.
func (l *lineCounter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.n.Add(int64(bytes.Count(p[:n], []byte{'\n'})))
	return n, err
}

// Unwritten returns the number of rows that the writer has not taken whole, as far as tap25 knows.
func (r *Rows) Unwritten() int64 { return r.emitted.Load() - r.written.Load() }

// Emit takes a row; any goroutine may call it.
func (r *Rows) Emit(e *smtp.Envelope) {
	r.emitted.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = append(e.AppendJSON(r.line[:0]), '\n')
	_, err := r.w.Write(r.line)
	r.keep(err)
}

// Flush writes what is buffered; any goroutine may call it, so that a slow capture's rows do not wait for the next.
func (r *Rows) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.w.Flush(); err != nil {
		r.keep(fmt.Errorf("write rows to standard output: %w", err))
	}
	return r.err
}

func (r *Rows) keep(err error) {
	if err != nil && r.err == nil {
		r.err = err
		r.fail(err)
	}
}
