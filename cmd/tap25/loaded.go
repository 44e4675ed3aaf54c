package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tap25/store"
	"tap25/store/stream"
)

// capturesHeld are the files of a replay, each with the key of its rows. replay --follow cuts the rows of a file into other segments
// than replay. So both note the keys of whole files in the database, and neither adds the rows of a file that is noted there.
type capturesHeld struct {
	parts []parts
	held  []bool
	now   int      // the file being read
	lock  *os.File // keeps other replays of them waiting; nil: none
}

// release unlocks the files for other replays.
func (c *capturesHeld) release() {
	if c != nil && c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

// lookUpCaptures asks the database which of the files it holds, after any other replay of them on this machine has ended.
func (r *replay) lookUpCaptures(ctx context.Context, s *stream.Stream, paths []string) (*capturesHeld, error) {
	c := &capturesHeld{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			break // reading it reports the error
		}
		digest, _, err := digestFile(ctx, path, info.Size())
		if err != nil {
			break // reading it reports the error
		}
		c.parts = append(c.parts, parts{key: r.fileKey(digest)})
	}
	if err := r.lock(ctx, s, c); err != nil {
		return c, err
	}
	begun := -1
	err := s.Ask(ctx, func(db *store.DB) error {
		c.held = make([]bool, len(c.parts))
		for i, p := range c.parts {
			var err error
			if c.held[i], err = db.Loaded(ctx, s.Sensor(), p.key); err != nil {
				return err
			}
			if c.held[i] {
				continue
			}
			first, err := db.Loaded(ctx, s.Sensor(), p.numbered())
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
		err = fmt.Errorf("%s: a replay --follow has begun this file and has not finished it: run that to its end first, "+
			"because this replay would add its rows again", paths[begun])
	}
	return c, err
}

// lock keeps other replays of the same files waiting until release. If the lock file cannot be made, note still finds out
// afterwards.
func (r *replay) lock(ctx context.Context, s *stream.Stream, c *capturesHeld) (err error) {
	_, database := replaySpool(resolveDB(r.db))
	var keys []string
	for _, p := range c.parts {
		keys = append(keys, fmt.Sprintf("%s %q %s", database, s.Sensor(), p.key))
	}
	c.lock, err = lockCaptures(ctx, keys, func() { s.Log().Info().Msg("waiting until another replay of these files ends") })
	if err != nil && ctx.Err() == nil {
		s.Log().Warn().Err(err).Msg("cannot lock these files: tap25 would notice another replay of them only at the end")
		err = nil
	}
	return err
}

// errTwice means that, by the keys in the database, another tap25 loaded a file at the same time.
var errTwice = errors.New("another tap25 read some of these files at the same time: their rows may be in the database twice")

// count returns the number of files that the database holds.
func (c *capturesHeld) count() (n int) {
	for _, held := range c.held {
		if held {
			n++
		}
	}
	return n
}

// repeats reports whether the database holds the file of a row; if not, it counts the row. c is nil for standard input.
func (c *capturesHeld) repeats(octets int) bool {
	if c == nil || c.now >= len(c.parts) {
		return false
	}
	if !c.held[c.now] {
		c.parts[c.now].add(octets)
	}
	return c.held[c.now]
}

// note records the files of this replay as loaded, if all their rows are. If a session spans two files, a follower may begin a part
// one row earlier or later, so note records one more part.
func (c *capturesHeld) note(ctx context.Context, s *stream.Stream) error {
	if c == nil || s.Discards() || s.Stats().Spool.Waiting > 0 {
		return nil
	}
	var keys []string
	for _, p := range c.parts {
		if p.rows == 0 {
			continue
		}
		keys = append(keys, p.key)
		for p.part++; p.part >= 0; p.part-- {
			keys = append(keys, p.numbered())
		}
	}
	twice := false
	err := s.Confirm(ctx, func(db *store.DB) error {
		// All files at once: with only some of them noted, the next replay would cut the rows of the others into other segments and add
		// them again.
		before, err := db.Note(ctx, s.Sensor(), keys)
		if err != nil {
			return fmt.Errorf("note that files are loaded: %w", err)
		}
		// If all were noted before, another replay did it, or the answer to this statement was lost.
		twice = twice || before > 0 && before < len(keys)
		return nil
	})
	if errors.Is(err, stream.ErrBehind) {
		s.Log().Warn().Msg("a standby has not received the last rows yet: if a failover makes it the database now, run the same command again")
		err = nil
	}
	if err == nil && twice {
		err = errTwice
	}
	return err
}
