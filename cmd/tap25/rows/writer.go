package rows

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"tap25/reassembly/smtp"
)

// Writer writes rows as lines, in the order in which they were emitted.
type Writer struct {
	emitted atomic.Int64
	written atomic.Int64 // lines
	headers int64        // lines before the first row

	form  Form
	lines *Lines // nil: the row's own JSON line

	mu   sync.Mutex // between Emit and Flush
	w    *bufio.Writer
	line []byte      // the JSON line of the last row
	err  error       // the first error of writing
	fail func(error) // called with the first error
}

// NewWriter writes to w. fail is called with the first error; Flush returns it too.
func NewWriter(w io.Writer, form Form, fail func(error)) *Writer {
	r := &Writer{form: form, fail: fail}
	r.w = bufio.NewWriterSize(&lineCounter{w, &r.written}, 64<<10)
	if form.Format == "" {
		form.Format = JSON
	}
	r.form.CommunityID = slices.Contains(form.names(), CommunityIDColumn)
	if form.Format != JSON || form.Columns != nil {
		r.lines = NewLines(form.Format, form.names())
	}
	if r.lines != nil {
		header := r.lines.Header()
		r.headers = int64(bytes.Count(header, []byte{'\n'}))
		_, _ = r.w.Write(header) // into its buffer
	}
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
func (r *Writer) Unwritten() int64 { return r.emitted.Load() - max(0, r.written.Load()-r.headers) }

// Emit takes a row; any goroutine may call it.
func (r *Writer) Emit(e *smtp.Envelope) {
	r.emitted.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = e.AppendJSON(r.line[:0])
	if r.form.CommunityID {
		r.line = append(r.line[:len(r.line)-1], `,"`+CommunityIDColumn+`":"`+CommunityID(e.Client, e.Server)+`"}`...)
	}
	r.line = append(r.line, '\n')
	line := r.line
	if r.lines != nil {
		line = r.lines.Line(line)
	}
	_, err := r.w.Write(line)
	r.keep(err)
}

// Flush writes what is buffered; any goroutine may call it, so that a slow capture's rows do not wait for the next.
func (r *Writer) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.w.Flush(); err != nil {
		r.keep(fmt.Errorf("write rows to standard output: %w", err))
	}
	return r.err
}

func (r *Writer) keep(err error) {
	if err != nil && r.err == nil {
		r.err = err
		r.fail(err)
	}
}
