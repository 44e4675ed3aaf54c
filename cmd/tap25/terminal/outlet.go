package terminal

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// lastWrite is how long each write may take after the context of Interruptible has ended.
const lastWrite = 100 * time.Millisecond

// ErrNoReader is the error of a write that was given up after a signal.
var ErrNoReader = errors.New("its reader had stopped reading when a signal came")

// outlet is standard output or standard error, which may be a pipe that is full. A write waits for its reader without a
// limit until late ends; then this write and all later ones are given up.
type outlet struct {
	file *os.File
	late context.Context

	mu    sync.Mutex
	buf   []byte // what is being written: p is the caller's again if the write is given up
	stuck bool
}

// Interruptible wraps w if it is a file, which a write may block on. Once late has ended, a write that takes longer
// than a tenth of a second returns ErrNoReader, as does every later one.
func Interruptible(late context.Context, w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		return &outlet{file: f, late: late}
	}
	return w
}

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stuck {
		return 0, ErrNoReader
	}
	type result struct {
		n   int
		err error
	}
	o.buf = append(o.buf[:0], p...)
	written := make(chan result, 1)
	go func() {
		n, err := o.file.Write(o.buf)
		written <- result{n, err}
	}()
	select {
	case r := <-written:
		return r.n, r.err
	case <-o.late.Done():
	}
	select {
	case r := <-written:
		return r.n, r.err
	case <-time.After(lastWrite):
		o.stuck = true
		return 0, ErrNoReader
	}
}
