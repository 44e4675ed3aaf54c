package main

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// grace is how long work that is under way goes on after a signal: rows of a pipe wait for room in the spool, sealed rows are
	// loaded, connections are closed. With what comes after it, the process ends within a second.
	grace = 500 * time.Millisecond

	// lastWrite is how long each write to standard output or standard error may take when the grace is over.
	lastWrite = 100 * time.Millisecond
)

// graceAfter returns a context that ends so long after ctx.
func graceAfter(ctx context.Context) context.Context {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, end) })
	return late
}

// until returns a context that ends with ctx or with other, whichever ends first.
func until(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// errNoReader is the error of a write that was given up after a signal.
var errNoReader = errors.New("its reader had stopped reading when a signal came")

// outlet is standard output or standard error, which may be a pipe that is full. A write waits for its reader for any time, but not
// after a signal: then it is given up, and with it all later ones.
type outlet struct {
	file *os.File
	late context.Context // ends when the grace after a signal is over

	mu    sync.Mutex
	buf   []byte // what is being written: p is the caller's again if the write is given up
	stuck bool
}

// interruptible wraps w if it is a file, which a write may block on.
func interruptible(ctx context.Context, w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		return &outlet{file: f, late: graceAfter(ctx)}
	}
	return w
}

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stuck {
		return 0, errNoReader
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
		return 0, errNoReader
	}
}
