package replay

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tap25/store"
	"tap25/store/stream"
)

// inputs are the files of a replay, each with the key of its rows. replay --follow cuts the rows of a file into other
// segments than replay. So both note the keys of whole files in the database, and neither adds the rows of a file that
// is noted there.
type inputs struct {
	files []*input // up to the first that cannot be read
	lock  *os.File // keeps other replays of them waiting; nil: none
}

// list returns the files; none for standard input.
func (in *inputs) list() []*input {
	if in == nil {
		return nil
	}
	return in.files
}

// release unlocks the files for other replays.
func (in *inputs) release() {
	if in != nil && in.lock != nil {
		in.lock.Close()
		in.lock = nil
	}
}

// lookUp asks the database which of the files it holds, after any other replay of them on this machine has ended.
func lookUp(ctx context.Context, c *Config, s *stream.Stream, paths []string) (*inputs, error) {
	in := &inputs{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			break // reading it reports the error
		}
		digest, _, err := digestFile(ctx, path, info.Size())
		if err != nil {
			break // reading it reports the error
		}
		in.files = append(in.files, &input{parts: parts{key: c.fileKey(digest)}})
	}
	if err := in.lockAll(ctx, c.DSN, s); err != nil {
		return in, err
	}
	begun := -1
	err := s.Ask(ctx, func(db *store.DB) error {
		for i, f := range in.files {
			var err error
			if f.held, err = db.Loaded(ctx, s.Sensor(), f.key); err != nil {
				return err
			}
			if f.held {
				continue
			}
			first, err := db.Loaded(ctx, s.Sensor(), f.numbered())
			if err != nil {
				return err
			}
			if first {
				begun = i
			}
		}
		return nil
	})
	if err == nil && begun >= 0 {
		err = fmt.Errorf("%s: a replay --follow has begun this file and has not finished it: run that to its end "+
			"first, because this replay would add its rows again", paths[begun])
	}
	return in, err
}

// lockAll keeps other replays of the same files waiting until release. If the lock file cannot be made, note still
// finds out afterwards.
func (in *inputs) lockAll(ctx context.Context, dsn string, s *stream.Stream) (err error) {
	_, database := replaySpool(dsn)
	var keys []string
	for _, f := range in.files {
		keys = append(keys, fmt.Sprintf("%s %q %s", database, s.Sensor(), f.key))
	}
	in.lock, err = lockCaptures(ctx, keys, func() {
		s.Log().Info().Msg("waiting until another replay of these files ends")
	})
	if err != nil && ctx.Err() == nil {
		s.Log().Warn().Err(err).Msg("cannot lock these files: tap25 would notice another replay of them only at the " +
			"end")
		err = nil
	}
	return err
}

// errTwice means that, by the keys in the database, another tap25 loaded a file at the same time.
var errTwice = errors.New("another tap25 read some of these files at the same time: their rows may be in the " +
	"database twice")

// held returns the number of files that the database holds.
func (in *inputs) held() (n int) {
	for _, f := range in.files {
		if f.held {
			n++
		}
	}
	return n
}

// note records the files of this replay as loaded, if all their rows are. If a session spans two files, a follower may
// begin a part one row earlier or later, so note records one more part.
func (in *inputs) note(ctx context.Context, s *stream.Stream) error {
	if in == nil || s.Discards() || s.Stats().Spool.Waiting > 0 {
		return nil
	}
	var keys []store.FileKey
	for _, f := range in.files {
		p := f.parts
		if p.rows == 0 {
			continue
		}
		keys = append(keys, store.FileKey{Key: p.key, Days: f.days})
		for p.part++; p.part >= 0; p.part-- {
			keys = append(keys, store.FileKey{Key: p.numbered(), Days: f.days})
		}
	}
	twice := false
	err := s.Confirm(ctx, func(db *store.DB) error {
		// All files at once: with only some of them noted, the next replay would cut the rows of the others into other
		// segments and add them again.
		before, err := db.Note(ctx, s.Sensor(), keys)
		if err != nil {
			return fmt.Errorf("note that files are loaded: %w", err)
		}
		// If all were noted before, another replay did it, or the answer to this statement was lost.
		twice = twice || before > 0 && before < len(keys)
		return nil
	})
	if errors.Is(err, stream.ErrBehind) {
		s.Log().Warn().Msg("a standby has not received the last rows yet: if a failover makes it the database now, " +
			"run the same command again")
		err = nil
	}
	if err == nil && twice {
		err = errTwice
	}
	return err
}
