package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tap25/capture"
	"tap25/cmd/tap25/scope"
	"tap25/store"
	"tap25/store/stream"
)

const (
	// lookAtDirEvery is how often the directory is listed.
	lookAtDirEvery = 500 * time.Millisecond

	// rebuildFor is how much capture time before the end of the finished files is read again at the start, for the
	// sessions that are open there. A session that began earlier continues as midstream.
	rebuildFor = time.Hour

	// drainFor bounds how long the end waits for the database if no signal was the cause. Rows that are left then wait
	// in the spool.
	drainFor = 30 * time.Second
)

// follower reads the capture files of a directory as they become complete, as one stream. It seals the rows of a file
// in segments that parts names, then records the file in the checkpoint. So a file that is read again after a crash
// yields segments that are loaded already. Sessions that are open at the end of the last file have no rows yet: the
// next start reads the last files again, leaves out their rows, and continues.
type follower struct {
	cfg    *Config
	dir    string
	in     *reader
	gate   scope.Gate
	stream *stream.Stream
	done   *checkpoint

	file     *capture.Files // being read
	repeated int64          // rows of finished files
	err      error          // of a seal
	unnoted  stream.Alarm
	warned   map[string]bool
}

// Follow reads the capture files of a directory as they become complete, until ctx ends, and loads their rows into the
// database. The next call continues it. The summary is nil if it has not begun. Rows that wait in the spool when ctx
// ends are no error.
func Follow(signalled context.Context, cfg Config, dir string) (*Summary, error) {
	ctx, fail := context.WithCancelCause(signalled)
	defer fail(nil)
	f := &follower{cfg: &cfg, dir: dir, warned: map[string]bool{}}
	to := stream.Config{
		DSN: cfg.DSN, Limits: cfg.Limits, Sensor: cfg.Reassembly.Sensor, Waits: true, Rereadable: true, Fail: fail,
		Retention: cfg.Retention, PackAfter: cfg.PackAfter, EndReaders: cfg.EndReaders,
		Key: cfg.Key, Witness: cfg.Witness, Timestamp: cfg.Timestamp, Version: cfg.Version, Log: cfg.Log, Stderr: cfg.Stderr,
		Waiting: cfg.Waiting,
	}
	if cfg.Spool != "" {
		to.Dirs = []string{cfg.Spool}
	}
	if _, err := listCaptures(dir); err != nil {
		return nil, err
	}
	var err error
	if f.stream, err = stream.Open(ctx, to); err != nil {
		return nil, err
	}
	if err := f.stream.RecordScope(cfg.scopeChange("follow")); err != nil {
		return nil, errors.Join(err, f.stream.Close(ctx))
	}
	f.gate.Set(cfg.Scope)
	f.in = newReader(cfg.Reassembly, cfg.Workers, f.emit)
	defer context.AfterFunc(ctx, f.in.flows.Hurry)()
	f.in.recordInto(&coverer{})
	start := time.Now()
	if f.done, err = readCheckpoint(f.stream.Dir()); err == nil {
		err = f.run(ctx)
	}
	f.stream.Discard()                      // what is not sealed: the file is read again
	f.in.flows.CloseWithin(f.stream.Late()) // counts what is open; its rows come with the next start
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	closed := f.stream.Close(draining)
	if errors.Is(closed, stream.ErrAway) && signalled.Err() != nil {
		cfg.Log.Warn().Err(closed).Msg("ended while rows wait; the next start loads them")
		closed = nil
	}
	s, stats := f.in.summary(time.Since(start)), f.stream.Stats()
	s.Stored, s.Repeated, s.Scope = &stats, f.repeated, f.gate.Counts()
	return s, errors.Join(err, closed)
}

// run reads the last finished files again, then new ones, until ctx ends.
func (f *follower) run(ctx context.Context) error {
	tick := time.NewTicker(lookAtDirEvery)
	defer tick.Stop()
	first := true
	for {
		files, err := listCaptures(f.dir)
		if err == nil {
			if first {
				f.rebuild(ctx, files)
				first = false
			}
			err = f.readNew(ctx, files)
		}
		if ctx.Err() != nil {
			if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
				return cause
			}
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// rebuild reads the last finished files again, to restore the state of sessions that are open at their end.
func (f *follower) rebuild(ctx context.Context, files []captureFile) {
	sizes := map[string]int64{}
	for _, file := range files {
		sizes[file.name] = file.size
	}
	var last time.Time
	for _, d := range f.done.Files {
		if d.Last.After(last) {
			last = d.Last
		}
	}
	for _, d := range f.done.Files {
		if ctx.Err() != nil {
			return
		}
		if size, ok := sizes[d.Name]; !ok || size != d.Size || d.Last.Before(last.Add(-rebuildFor)) {
			continue
		}
		if err := f.read(ctx, d.Name, &input{held: true}); err != nil && ctx.Err() == nil {
			f.cfg.Log.Warn().Err(err).Msg("cannot read a finished file again: its open sessions may continue as " +
				"midstream")
		}
	}
}

// readNew reads complete files that are not done, up to the first incomplete one.
func (f *follower) readNew(ctx context.Context, files []captureFile) error {
	exists := map[string]bool{}
	for _, file := range files {
		exists[file.name] = true
	}
	for _, file := range files {
		if f.isDone(ctx, file) {
			continue
		}
		if !file.complete {
			return nil
		}
		if err := f.readOne(ctx, file, exists); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// isDone reports whether a file was read before. A file of the same name with other contents was not. A file that has
// only grown was, and the stream lacks its end for good.
func (f *follower) isDone(ctx context.Context, file captureFile) bool {
	d := f.done.find(file.name)
	if d == nil || file.size == d.Size {
		return d != nil
	}
	digest, n, err := digestFile(ctx, filepath.Join(f.dir, file.name), d.Size)
	if err != nil || n < d.Size || digest != d.Digest {
		return false
	}
	if !f.warned[file.name] {
		f.warned[file.name] = true
		f.cfg.Log.Error().Str("file", file.name).Int64("bytes", file.size-d.Size).
			Msg("the file grew after tap25 had read it as complete: replay the added part as a capture of its own")
	}
	return true
}

// readOne reads a file, seals its rows, and notes that it is done.
func (f *follower) readOne(ctx context.Context, file captureFile, exists map[string]bool) error {
	digest, size, err := digestFile(ctx, filepath.Join(f.dir, file.name), file.size)
	if errors.Is(err, os.ErrNotExist) || ctx.Err() != nil {
		return nil // the file is gone, or ctx has ended
	}
	if err != nil {
		return fmt.Errorf("read capture file: %w", err)
	}
	of, before := &input{parts: parts{key: f.cfg.fileKey(digest)}}, f.in.rows.Load()
	err = f.read(ctx, file.name, of)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		f.cfg.Log.Error().Err(err).Msg("a capture file is damaged: tap25 keeps its rows so far and continues with " +
			"the next file")
	}
	if of.rows > 0 {
		f.seal(of.key)
	}
	if f.err == nil && !f.stream.Discards() {
		f.err = f.cfg.cover(f.stream, "follow", f.in.cover.take())
	}
	if f.err != nil {
		return f.err
	}
	f.cfg.Log.Info().Str("file", file.name).Int64("rows", f.in.rows.Load()-before).Msg("file done")
	return f.note(ctx, doneFile{Name: file.name, Size: size, Digest: digest, Last: f.in.last}, exists)
}

// note records that a file is done, and retries each second while the disk is full or fails. A file without a record is
// read again.
func (f *follower) note(ctx context.Context, file doneFile, exists map[string]bool) error {
	for {
		err := f.done.done(file, exists)
		if err == nil {
			return nil
		}
		if f.unnoted.Rings(true) {
			f.cfg.Log.Error().Err(err).Msg("waiting until the disk accepts writes")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// read reads a file, until ctx ends or a seal fails.
func (f *follower) read(ctx context.Context, name string, of *input) error {
	f.file = capture.OpenFiles([]string{filepath.Join(f.dir, name)}, nil)
	defer f.file.Close()
	stop := context.AfterFunc(ctx, func() { f.file.Close() })
	defer stop()
	err := f.in.read(f.file, []*input{of})
	f.in.cover.end()
	if of.held {
		f.in.cover.take() // it is recorded
	}
	return cmp.Or(f.err, err)
}

// emit spools a row if it is in scope, and seals the part that it ends. Rows out of scope count for the size of a part,
// so that a file that is read again with another scope is cut at the same rows.
func (f *follower) emit(r row) {
	if f.stream.Discards() {
		f.stream.Emit(r.Envelope)
		return
	}
	if r.of.held {
		f.repeated++
		return
	}
	record := store.AppendRow(nil, r.Envelope)
	if ended := r.of.add(len(record)); ended != "" {
		f.seal(ended)
	}
	if !f.gate.Pass(r.Envelope) {
		return
	}
	f.in.kept++
	if f.cfg.Scope != nil { // addresses may have gone
		record = store.AppendRow(record[:0], r.Envelope)
	}
	f.stream.Put(record)
}

// seal seals what was emitted; an error ends the file.
func (f *follower) seal(key string) {
	if f.err != nil || f.stream.Discards() {
		return
	}
	if f.err = f.stream.Seal(key); f.err != nil {
		f.file.Close()
	}
}
