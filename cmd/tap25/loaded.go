package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tap25/store"
)

// capturesHeld are the files of a replay, each with the key of its rows. A file that was followed into the database has its
// rows there already, in segments of another cut; what was replayed is noted, so that a follower, or a replay together with
// other files, adds none of it.
type capturesHeld struct {
	parts []parts
	held  []bool
	now   int      // the file being read
	lock  *os.File // that keeps other replays of them out; nil: none
}

// release lets other replays of these files go on.
func (c *capturesHeld) release() {
	if c != nil && c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

// lookUpCaptures asks the database which of the files it holds, after any other replay of them on this machine has ended.
func (r *replay) lookUpCaptures(ctx context.Context, s *stream, paths []string) (*capturesHeld, error) {
	c := &capturesHeld{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			break // reading will say so
		}
		digest, _, err := digestFile(ctx, path, info.Size())
		if err != nil {
			break // likewise
		}
		c.parts = append(c.parts, parts{key: r.fileKey(digest)})
	}
	if err := r.lock(ctx, s, c); err != nil {
		return c, err
	}
	begun := -1
	err := s.ask(ctx, func(db *store.DB) error {
		c.held = make([]bool, len(c.parts))
		for i, p := range c.parts {
			var err error
			if c.held[i], err = db.Loaded(ctx, s.cfg.sensor, p.key); err != nil {
				return err
			}
			if c.held[i] {
				continue
			}
			first, err := db.Loaded(ctx, s.cfg.sensor, p.numbered())
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
		err = fmt.Errorf("%s: a replay --follow has begun it and not finished it: let that go on to its end, since here the rows that are there would be added again", paths[begun])
	}
	return c, err
}

// lock keeps other replays of the same files out until they are released. Where no lock file can be made, the keys still tell
// afterwards, see note.
func (r *replay) lock(ctx context.Context, s *stream, c *capturesHeld) (err error) {
	_, database := replaySpool(resolveDB(r.db))
	var keys []string
	for _, p := range c.parts {
		keys = append(keys, fmt.Sprintf("%s %q %s", database, s.cfg.sensor, p.key))
	}
	c.lock, err = lockCaptures(ctx, keys, func() { s.cfg.log.Info().Msg("waiting for another replay of these files") })
	if err != nil && ctx.Err() == nil {
		s.cfg.log.Warn().Err(err).Msg("another replay of these files at the same time would not be noticed before its end")
		err = nil
	}
	return err
}

// errTwice is a file of a replay that was followed meanwhile, as far as the keys tell.
var errTwice = errors.New("another tap25 has read some of these files at the same time: their rows may be in the database twice")

// count is how many of the files the database holds.
func (c *capturesHeld) count() (n int) {
	for _, held := range c.held {
		if held {
			n++
		}
	}
	return n
}

// repeats says whether a row is of a file that the database holds, or counts it; nil is a stream that is no file.
func (c *capturesHeld) repeats(octets int) bool {
	if c == nil || c.now >= len(c.parts) {
		return false
	}
	if !c.held[c.now] {
		c.parts[c.now].add(octets)
	}
	return c.held[c.now]
}

// note enters the files whose rows were loaded by this replay, if all of it is loaded. A follower may begin a part a row later
// or earlier, where a session goes on from one file to the next, so there may be one more.
func (c *capturesHeld) note(ctx context.Context, s *stream) error {
	if c == nil || s.discard.Load() || s.spool.Stats().Waiting > 0 {
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
	begun, twice := time.Now(), false
	worth := func(err error) bool { return !errors.Is(err, errBehind) || time.Since(begun) < standbysWithin }
	err := s.again(ctx, worth, func(db *store.DB) error {
		// That all is loaded is true of this server only where it has what another may have lost.
		if err := s.lacks(ctx, db); err != nil {
			return err
		}
		// Of some files only, it would have the next replay of all cut the rows of the others elsewhere, and add them again.
		before, err := db.Note(ctx, s.cfg.sensor, keys)
		if err != nil {
			return fmt.Errorf("note that files are loaded: %w", err)
		}
		// All of them: by another replay of the same, or where the answer was lost.
		twice = twice || before > 0 && before < len(keys)
		return s.standbysHave(ctx, db)
	})
	if errors.Is(err, errBehind) {
		s.cfg.log.Warn().Msg("a standby has not received the last rows yet: if it takes the place of the database now, run the same command again")
		err = nil
	}
	if err == nil && twice {
		err = errTwice
	}
	return err
}
