package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/stream"
)

const (
	// lookAtDirEvery is how often the directory is listed.
	lookAtDirEvery = 500 * time.Millisecond

	// rebuildFor is how much capture time before the end of the finished files is read again at the start, for the sessions that
	// are open there. A session that began earlier continues as midstream.
	rebuildFor = time.Hour

	// drainFor bounds how long the end waits for the database if no signal was the cause. Rows that are left then wait in the spool.
	drainFor = 30 * time.Second
)

// follow reads the capture files of a directory as they become complete, as one stream. It seals the rows of a file in segments
// that parts names, then records the file in the checkpoint. So a file that is read again after a crash yields segments that are
// loaded already. Sessions that are open at the end of the last file have no rows yet: the next start reads the last files again,
// mutes their rows, and continues.
type follow struct {
	dir    string
	log    zerolog.Logger
	replay *replay
	asm    *reassembly.Assembler
	stream *stream.Stream
	done   *checkpoint

	mute     bool // rows of finished files are dropped
	repeated int64
	emitted  int64
	parts    parts // of the file being read
	err      error // of a seal
	unnoted  stream.Alarm
	warned   map[string]bool
}

func (r *replay) follow(cmd *cobra.Command) (err error) {
	cfg, err := assembler(r.sensor, r.ports, r.checksum)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(cmd.Context())
	defer fail(nil)
	f := &follow{dir: r.followDir, log: newLogger(cmd.ErrOrStderr()), replay: r, warned: map[string]bool{}}
	to := stream.Config{
		DSN: resolveDB(r.db), Limits: r.limits, Sensor: cfg.Sensor, Waits: true, Rereadable: true, Fail: fail, Log: f.log,
		Stderr: cmd.ErrOrStderr(), Waiting: tellWaiting(cmd.ErrOrStderr()), Version: version(), EndReaders: afterwards(r.endReaders),
	}
	if r.retention != "never" {
		if to.Retention, err = store.ParseRetention(r.retention); err != nil {
			return &usageError{err}
		}
	}
	if r.spool != "" {
		to.Dirs = []string{r.spool}
	}
	if _, err := listCaptures(f.dir); err != nil {
		return err
	}
	if f.stream, err = stream.Open(ctx, to); err != nil {
		return err
	}
	cfg.Emit = f.emit
	f.asm = reassembly.New(cfg)
	start := time.Now()
	if f.done, err = readCheckpoint(f.stream.Dir()); err == nil {
		err = f.run(ctx)
	}
	f.stream.Discard()     // what is not sealed: the file is read again
	f.asm.CloseWithin(ctx) // counts what is open; its rows come with the next start
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	closed := f.stream.Close(draining)
	if errors.Is(closed, stream.ErrAway) && cmd.Context().Err() != nil {
		f.log.Warn().Err(closed).Msg("ended while rows wait; the next start loads them")
		closed = nil
	}
	r.elapsed = time.Since(start)
	st := f.stream.Stats()
	r.stored, r.repeated = &st, f.repeated
	r.summary(cmd.ErrOrStderr(), f.asm.Stats(), f.emitted+f.repeated)
	return errors.Join(err, closed)
}

// run reads the last finished files again, then new ones, until ctx ends.
func (f *follow) run(ctx context.Context) error {
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
func (f *follow) rebuild(ctx context.Context, files []captureFile) {
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
	f.mute = true
	defer func() { f.mute = false }()
	for _, d := range f.done.Files {
		if ctx.Err() != nil {
			return
		}
		if size, ok := sizes[d.Name]; !ok || size != d.Size || d.Last.Before(last.Add(-rebuildFor)) {
			continue
		}
		if _, err := f.read(ctx, d.Name); err != nil && ctx.Err() == nil {
			f.log.Warn().Err(err).Msg("cannot read a finished file again: its open sessions may continue as midstream")
		}
	}
}

// readNew reads complete files that are not done, up to the first incomplete one.
func (f *follow) readNew(ctx context.Context, files []captureFile) error {
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

// isDone reports whether a file was read before. A file of the same name with other contents was not. A file that has only grown
// was, and the stream lacks its end for good.
func (f *follow) isDone(ctx context.Context, file captureFile) bool {
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
		f.log.Error().Str("file", file.name).Int64("bytes", file.size-d.Size).
			Msg("the file grew after tap25 had read it as complete: replay the added part as a capture of its own")
	}
	return true
}

// readOne reads a file, seals its rows, and notes that it is done.
func (f *follow) readOne(ctx context.Context, file captureFile, exists map[string]bool) error {
	digest, size, err := digestFile(ctx, filepath.Join(f.dir, file.name), file.size)
	if errors.Is(err, os.ErrNotExist) || ctx.Err() != nil {
		return nil // the file is gone, or ctx has ended
	}
	if err != nil {
		return fmt.Errorf("read capture file: %w", err)
	}
	f.parts = parts{key: f.replay.fileKey(digest)}
	before := f.emitted
	last, err := f.read(ctx, file.name)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		f.log.Error().Err(err).Msg("a capture file is damaged: tap25 keeps its rows so far and continues with the next file")
	}
	f.seal(f.parts.key)
	if f.err != nil {
		return f.err
	}
	f.log.Info().Str("file", file.name).Int64("rows", f.emitted-before).Msg("file done")
	return f.note(ctx, doneFile{Name: file.name, Size: size, Digest: digest, Last: last}, exists)
}

// note records that a file is done, and retries each second while the disk is full or fails. A file without a record is read again.
func (f *follow) note(ctx context.Context, file doneFile, exists map[string]bool) error {
	for {
		err := f.done.done(file, exists)
		if err == nil {
			return nil
		}
		if f.unnoted.Rings(true) {
			f.log.Error().Err(err).Msg("waiting until the disk accepts writes")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// read feeds a file's frames to the assembler and returns the time of the last.
func (f *follow) read(ctx context.Context, name string) (last time.Time, err error) {
	files := capture.OpenFiles([]string{filepath.Join(f.dir, name)}, nil)
	defer files.Close()
	stop := context.AfterFunc(ctx, func() { files.Close() })
	defer stop()
	var fr capture.Frame
	for f.err == nil {
		if err := files.Next(&fr); err == io.EOF {
			return last, nil
		} else if err != nil {
			return last, err
		}
		f.replay.frames++
		f.replay.octets += int64(len(fr.Data))
		if fr.Time.After(last) {
			last = fr.Time
		}
		f.asm.Frame(fr.Time, fr.LinkType, fr.Data, fr.Length)
	}
	return last, f.err
}

func (f *follow) emit(e *smtp.Envelope) {
	if f.mute {
		f.repeated++
		return
	}
	f.emitted++
	if f.stream.Discards() {
		f.stream.Emit(e)
		return
	}
	record := store.AppendRow(nil, e)
	if ended := f.parts.add(len(record)); ended != "" {
		f.seal(ended)
	}
	f.stream.Put(record)
}

// seal seals the open part, if there is one.
func (f *follow) seal(key string) {
	if f.parts.rows == 0 || f.err != nil || f.stream.Discards() {
		return
	}
	f.err = f.stream.Seal(key)
}
