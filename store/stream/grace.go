package stream

import (
	"context"
	"time"
)

// Grace is how long work that is under way may continue after an interruption: rows of a pipe wait for room in the
// spool, sealed rows are loaded, connections are closed. With what comes after it, a process ends within a second of a
// signal.
const Grace = 500 * time.Millisecond

// GraceAfter returns a context that ends Grace after ctx.
func GraceAfter(ctx context.Context) context.Context {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(Grace, end) })
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
