package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tap25/capture"
	"tap25/cmd/tap25/rows"
	"tap25/cmd/tap25/scope"
	"tap25/reassembly"
	"tap25/store"
	"tap25/store/stream"
)

// Config says how captures are read, and where their rows go.
type Config struct {
	Reassembly reassembly.Config // Emit is the replay's
	Workers    int               // that read frames; the rows do not depend on it
	Scope      *scope.Scope      // rows that it does not keep go nowhere; nil: none
	Period     Period            // rows that were seen outside it go nowhere; not for Follow

	DSN        string          // a connection string, or store.Local
	Spool      string          // its directory; "": one in the state directory
	Limits     stream.Limits   // of the spool
	Wait       time.Duration   // how long Load waits for a database that does not answer
	Retention  store.Retention // for Follow; zero: no day is dropped
	PackAfter  store.Retention // for Follow; zero: no day is packed
	EndReaders time.Duration   // for Follow, see store.ExpireConfig
	Key        string          // see stream.Config
	Witness    string          // see stream.Config
	Timestamp  string          // see stream.Config

	Version string         // of tap25, for what the database records
	Log     zerolog.Logger // gets no address and nothing of a dialogue
	Stdin   io.Reader      // what "-" names
	Stdout  io.Writer      // gets the rows of Write
	Stderr  io.Writer      // gets the progress, and a line if the start has to wait for the database
	Waiting func()         // called if the end has to wait for others, see cluster.Cluster
}

// scopeChange is that the scope of this replay comes into force.
func (c *Config) scopeChange(program string) store.ScopeChange {
	change := store.ScopeChange{Program: program, Since: time.Now()}
	if c.Scope != nil {
		change.Rules = new(c.Scope.Text())
	}
	return change
}

// ErrInterrupted is the error of a replay that a signal stopped.
var ErrInterrupted = errors.New("interrupted before the end of the input")

// opener opens the destination of files. It may know the files, or the first of them. fail is called with the first
// error after that.
type opener func(ctx context.Context, files *capture.Files, fail func(error)) (destination, []*input, error)

// destination takes the rows of a replay.
type destination interface {
	emit(row)
	flush()                  // writes what is buffered; any goroutine may call it
	discard()                // leaves out the rows that come yet, if the input can be read again
	coverage() *coverer      // makes the coverage that finish records; nil: none
	finish(whole bool) error // writes or loads what is left; whole: no row of the input is missing for want of time
	count(*Summary)          // adds its counters, after finish
}

// Write reads capture files as one continuous stream and writes their rows to standard output. "-" names standard
// input. The summary is nil if the reader of standard output went away.
func Write(ctx context.Context, cfg Config, form rows.Form, paths []string) (*Summary, error) {
	open := func(_ context.Context, _ *capture.Files, fail func(error)) (destination, []*input, error) {
		return &standardOutput{rows.NewWriter(cfg.Stdout, form, fail)}, nil, nil
	}
	return replay(ctx, &cfg, paths, open)
}

// Load reads capture files as one continuous stream and loads their rows into the database, each once however often the
// files are replayed. "-" names standard input. The summary is nil if it has not begun. After an error, the same call
// adds what is missing, unless the input was a pipe.
func Load(ctx context.Context, cfg Config, paths []string) (*Summary, error) {
	open := func(ctx context.Context, files *capture.Files, fail func(error)) (destination, []*input, error) {
		_, total := files.Progress()
		l, err := openLoading(ctx, &cfg, paths, total, fail)
		if err != nil {
			return nil, nil, err
		}
		return l, l.inputs.list(), nil
	}
	cfg.Stdout = nil // which leaves standard error to the progress, also if both are a terminal
	s, err := replay(ctx, &cfg, paths, open)
	if errors.Is(err, ErrInterrupted) && !slices.Contains(paths, "-") {
		err = fmt.Errorf("%w; to add the rest, run the same command again", err)
	}
	return s, err
}

// replay passes the rows of files to the destination that open opens, which may know the files. A signal ends
// signalled; ctx ends with it, or when the destination fails.
func replay(signalled context.Context, cfg *Config, paths []string, open opener) (*Summary, error) {
	ctx, cancel := context.WithCancelCause(signalled)
	defer cancel(nil)
	late := stream.GraceAfter(ctx)
	if err := capture.CheckPaths(paths); err != nil { // before hours of reading the files before it
		return nil, fmt.Errorf("replay: %w", err)
	}
	files := capture.OpenFiles(paths, cfg.Stdin)
	defer files.Close()
	stopClosing := context.AfterFunc(ctx, func() { files.Close() })
	defer stopClosing()
	to, inputs, err := open(ctx, files, cancel)
	if err != nil {
		if signalled.Err() != nil {
			err = ErrInterrupted
		}
		return nil, err
	}
	start := time.Now()
	var gate scope.Gate
	gate.Set(cfg.Scope)
	var in *reader
	in = newReader(cfg.Reassembly, cfg.Workers, func(r row) {
		switch {
		case !cfg.Period.has(r.SeenAt):
			in.outside++
		case gate.Pass(r.Envelope):
			in.kept++
			to.emit(r)
		}
	})
	defer context.AfterFunc(ctx, in.flows.Hurry)()
	in.recordInto(to.coverage())
	progress := startProgress(cfg.Stderr, cfg.Stdout, files, &in.rows, to.flush)
	err = in.read(files, inputs)
	whole := in.end(ctx, late, err, to.discard)
	finished := to.finish(whole)
	progress.stop()
	if errors.Is(finished, syscall.EPIPE) || errors.Is(finished, io.ErrClosedPipe) {
		return nil, nil // as with tap25 replay … | head: the reader has enough
	}
	s := in.summary(time.Since(start))
	s.Scope, s.Broken = gate.Counts(), err != nil
	to.count(s)
	return s, outcome(signalled, ctx, files, whole, err, finished)
}

// outcome is the error of a replay, of which reading and finishing returned these.
func outcome(signalled, ctx context.Context, files *capture.Files, whole bool, read, finished error) error {
	_, total := files.Progress()
	interrupted := signalled.Err() != nil
	switch {
	case finished != nil && interrupted:
		return fmt.Errorf("%w: %w", ErrInterrupted, finished)
	case finished != nil:
		return finished
	case interrupted && (!whole || read != nil || total == 0):
		// Ctrl-C also ends the program at the other end of the pipe, so an end or a cut of the capture means nothing.
		return ErrInterrupted
	case ctx.Err() != nil && !interrupted:
		return context.Cause(ctx)
	case read != nil:
		return fmt.Errorf("replay: %w", read)
	}
	return nil
}

// standardOutput writes rows to standard output.
type standardOutput struct{ rows *rows.Writer }

func (j *standardOutput) emit(r row)         { j.rows.Emit(r.Envelope) }
func (j *standardOutput) flush()             { _ = j.rows.Flush() } // the Writer keeps the error, which ends the replay
func (j *standardOutput) discard()           {}
func (j *standardOutput) coverage() *coverer { return nil }
func (j *standardOutput) finish(bool) error  { return j.rows.Flush() }
func (j *standardOutput) count(s *Summary)   { s.Unwritten = j.rows.Unwritten() }
