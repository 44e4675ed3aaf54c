package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tap25/store"
)

const (
	// scopeFiles are the changes of the scope that the database does not have yet; their names sort by time.
	scopeFiles = "scope-*.json"
	// scopedMark is a file of a spool whose sensor has a scope, so that a start without one is known for a change.
	scopedMark = "scoped"

	recordScopesEvery = 5 * time.Second
)

// RecordScope notes durably, beside the spool, that another scope is in force, and has it recorded in the database as
// soon as that answers. It is not for streams with Patience, which ask the database by themselves. After an error, the
// change is not noted.
func (s *Stream) RecordScope(c store.ScopeChange) error {
	mark := filepath.Join(s.dir, scopedMark)
	_, err := os.Stat(mark)
	if scoped := err == nil; c.Rules == nil && !scoped {
		return nil
	}
	text, err := json.Marshal(c)
	if err == nil && !s.notedLast(c.Rules) {
		err = writeDurably(s.dir, fmt.Sprintf("scope-%016x.json", c.Since.UnixMicro()), text)
	}
	if err == nil && c.Rules != nil {
		err = writeDurably(s.dir, scopedMark, nil)
	}
	if err == nil && c.Rules == nil {
		err = os.Remove(mark)
	}
	if err != nil {
		return fmt.Errorf("note the change of the scope: %w", err)
	}
	select {
	case s.scopeNoted <- struct{}{}:
	default: // it will be found
	}
	return nil
}

// notedLast reports whether the last change that waits is to the same rules, as after a restart while the database is
// away.
func (s *Stream) notedLast(rules *string) bool {
	names, err := fs.Glob(os.DirFS(s.dir), scopeFiles)
	if err != nil || len(names) == 0 {
		return false
	}
	text, err := os.ReadFile(filepath.Join(s.dir, slices.Max(names)))
	var last store.ScopeChange
	if err != nil || json.Unmarshal(text, &last) != nil {
		return false
	}
	return (last.Rules == nil) == (rules == nil) && (rules == nil || *last.Rules == *rules)
}

// writeDurably gives a directory a file that is whole after a crash, or is not there.
func writeDurably(dir, name string, text []byte) error {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// recordScopes records what RecordScope notes, and what earlier runs have left, until ctx ends.
func (s *Stream) recordScopes(ctx context.Context) {
	var said Alarm
	tick := time.NewTicker(recordScopesEvery)
	defer tick.Stop()
	for {
		if err := s.recordNoted(ctx); err != nil && ctx.Err() == nil && said.Rings(true) {
			s.cfg.Log.Warn().Err(err).Msg("the change of the scope is not in the database yet; tap25 keeps it and " +
				"tries again")
		}
		select {
		case <-ctx.Done():
			return
		case <-s.scopeNoted:
		case <-tick.C:
		}
	}
}

// recordNoted records the changes that are noted, in their order. It connects only if there is one.
func (s *Stream) recordNoted(ctx context.Context) error {
	names, err := fs.Glob(os.DirFS(s.dir), scopeFiles)
	if err != nil || len(names) == 0 {
		return err
	}
	slices.Sort(names)
	db, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var c store.ScopeChange
		if err = cmp.Or(err, json.Unmarshal(text, &c)); err == nil {
			err = db.RecordScope(ctx, s.cfg.Sensor, s.cfg.Version, c)
		}
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
