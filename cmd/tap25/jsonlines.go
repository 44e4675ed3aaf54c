package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"tap25/reassembly/smtp"
)

// rows counts the rows of a replay and writes them as JSON lines, in the order in which they were emitted.
type rows struct {
	emitted atomic.Int64

	sink func(*smtp.Envelope) error // takes the rows; nil: standard output

	discard func() // drops unsealed rows and all later ones

	written atomic.Int64 // lines, if sink is nil

	mu   sync.Mutex // between emit and flush
	w    *bufio.Writer
	line []byte      // the last one written
	err  error       // the first error of writing
	fail func(error) // called with the first error
}

func newRows(w io.Writer, fail func(error)) *rows {
	r := &rows{fail: fail}
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

// unwritten returns the number of rows that standard output has not taken whole, as far as tap25 knows.
func (r *rows) unwritten() int64 {
	if r.sink != nil {
		return 0
	}
	return r.emitted.Load() - r.written.Load()
}

func (r *rows) emit(e *smtp.Envelope) {
	r.emitted.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sink != nil {
		if r.err == nil {
			r.keep(r.sink(e))
		}
		return
	}
	r.line = append(e.AppendJSON(r.line[:0]), '\n')
	_, err := r.w.Write(r.line)
	r.keep(err)
}

// flush writes what is buffered; any goroutine may call it, so that a slow capture's rows do not wait for the next.
func (r *rows) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.w.Flush(); err != nil {
		r.keep(fmt.Errorf("write rows to standard output: %w", err))
	}
	return r.err
}

func (r *rows) keep(err error) {
	if err != nil && r.err == nil {
		r.err = err
		r.fail(err)
	}
}
