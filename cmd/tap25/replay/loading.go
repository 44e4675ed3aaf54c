package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store"
	"tap25/store/spool"
	"tap25/store/stream"
)

// longLook is the size from which on a message announces that the digests of the files are being computed.
const longLook = 2 << 30

// loading takes the rows of a replay through a spool to the database. It cuts them into segments of segmentRows, across
// files, and leaves out the rows of files that the database holds.
type loading struct {
	cfg    stream.Config
	stream *stream.Stream
	inputs *inputs // nil: standard input
	open   segment // that is not sealed
	err    error   // the first of emit
	fail   func(error)
	own    *Config
	made   coverer

	repeated int64 // rows of files that the database holds
	ages     ages
}

// openLoading opens the stream, checks that this user may load rows of the sensor, before any row waits, and asks which
// of the files the database has. total is the size of the files, 0 for a pipe. fail is called with the first error
// after that.
func openLoading(ctx context.Context, c *Config, paths []string, total int64, fail func(error)) (*loading, error) {
	l := &loading{open: newSegment(), fail: fail, own: c}
	l.cfg = stream.Config{
		DSN: c.DSN, Dirs: []string{c.Spool}, Limits: c.Limits, Sensor: c.Reassembly.Sensor,
		Waits: true, Rereadable: total > 0, Patience: c.Wait, Fail: fail,
		Key: c.Key, Witness: c.Witness, Timestamp: c.Timestamp, Version: c.Version, Log: c.Log, Stderr: c.Stderr, Waiting: c.Waiting,
	}
	if c.Spool == "" {
		base, err := stream.SpoolBase()
		if err != nil {
			return nil, err
		}
		name, _ := replaySpool(c.DSN)
		l.cfg.Dirs, l.cfg.Spools = nil, filepath.Join(base, name)
	}
	var err error
	if l.stream, err = stream.Open(ctx, l.cfg); err != nil {
		return nil, err
	}
	l.cfg.Log.Info().Bool("private_cluster", l.stream.Database().Cluster != nil).Msg("database ready")
	if err := l.askFirst(ctx, c, paths, total); err != nil {
		l.inputs.release()
		return nil, errors.Join(err, l.stream.Close(ctx))
	}
	return l, nil
}

func (l *loading) askFirst(ctx context.Context, c *Config, paths []string, total int64) (err error) {
	err = l.stream.Ask(ctx, func(db *store.DB) error {
		if _, err := db.Loaded(ctx, l.cfg.Sensor, "replay-"); err != nil { // the name of no segment
			return err
		}
		if l.ages.keptFrom, err = db.KeptFrom(ctx); err != nil {
			return err
		}
		return db.RecordScope(ctx, l.cfg.Sensor, c.Version, c.scopeChange("replay"))
	})
	if err != nil || total == 0 {
		return err
	}
	if total > longLook {
		l.cfg.Log.Info().Msg("checking whether these files are in the database already")
	}
	if l.inputs, err = lookUp(ctx, c, l.stream, paths); err != nil {
		return err
	}
	if n := l.inputs.held(); n > 0 {
		l.cfg.Log.Info().Msgf("%d of these files were loaded before: their rows are not added again", n)
	}
	return nil
}

// emit spools a row, and seals the segment that it fills.
func (l *loading) emit(r row) {
	switch {
	case l.err != nil:
	case l.stream.Discards():
		l.stream.Emit(r.Envelope)
	case r.of != nil && r.of.held:
		l.repeated++
		l.ages.repeated(r.SeenAt)
	default:
		record := store.AppendRow(nil, r.Envelope)
		if r.of != nil {
			r.of.add(len(record))
			r.of.days.Add(record)
		}
		l.ages.added(r.SeenAt, &l.cfg.Log)
		l.stream.Put(record)
		if l.open.add(record); l.open.rows >= segmentRows {
			if l.err = l.seal(); l.err != nil {
				l.fail(l.err)
			}
		}
	}
}

// seal seals the open segment, if it has rows.
func (l *loading) seal() error {
	if l.open.rows == 0 || l.stream.Discards() {
		return nil
	}
	return l.stream.Seal(l.open.end())
}

func (l *loading) flush() {}

// discard leaves out what is not sealed and all later rows. It does nothing for a pipe, which cannot be read again.
func (l *loading) discard() {
	if l.cfg.Rereadable {
		l.stream.Discard()
	}
}

func (l *loading) coverage() *coverer { return &l.made }

// recordCoverage seals the rows that are left, then the coverage, in segments of its own. Files that are to be read
// again give theirs then.
func (l *loading) recordCoverage(whole bool) error {
	if l.err != nil {
		return l.err
	}
	if err := l.seal(); err != nil || l.stream.Discards() || l.cfg.Rereadable && !whole {
		return err
	}
	return l.own.cover(l.stream, "replay", l.made.take())
}

// finish loads what is left. If that is all of the files, it notes them, and then loads what earlier replays have left.
func (l *loading) finish(whole bool) error {
	ctx, s := l.stream.Late(), l.stream
	err := errors.Join(l.recordCoverage(whole), s.Drain(ctx))
	if err == nil && whole {
		err = l.inputs.note(ctx, s)
	}
	if err == nil {
		err = l.ages.tell(ctx, s)
	}
	if err == nil && whole && l.cfg.Rereadable && ctx.Err() == nil {
		s.Forget() // if a failover loses rows, the same command adds them again
	}
	l.inputs.release() // before Close, which may wait for replays that wait for this lock
	err = errors.Join(err, s.Close(ctx))
	if err == nil && whole && ctx.Err() == nil {
		err = l.loadLeftovers(ctx)
	}
	return err
}

func (l *loading) count(s *Summary) {
	stats := l.stream.Stats()
	s.Stored, s.Repeated = &stats, l.repeated
}

// loadLeftovers loads what dead replays left in other spools for the same database. It skips a spool that another
// process has open.
func (l *loading) loadLeftovers(ctx context.Context) error {
	cfg := l.cfg
	if cfg.Spools == "" {
		return nil // --spool named the directory
	}
	_, before := replaySpool(cfg.DSN)
	dirs, err := stream.LeftSpools(filepath.Dir(cfg.Spools), filepath.Base(cfg.Spools), before)
	cfg.Spools = ""
	for _, dir := range dirs {
		waits := func(f spool.File) bool {
			return f.State != spool.Refused && f.State != spool.Damaged && f.State != spool.Newer
		}
		files, inspectErr := spool.Inspect(dir)
		if dir == l.stream.Dir() || inspectErr != nil || !slices.ContainsFunc(files, waits) {
			continue
		}
		cfg.Dirs = []string{dir}
		s, openErr := stream.Open(ctx, cfg)
		if errors.Is(openErr, spool.ErrBusy) {
			continue
		}
		if openErr == nil {
			openErr = errors.Join(s.Settled(ctx), s.Close(ctx))
			if st := s.Stats().Loader; st.Added+st.Reloaded+st.Held > 0 {
				cfg.Log.Info().Int64("rows_added", st.Added+st.Reloaded).
					Msg("loaded the rows that an earlier replay left")
			}
		}
		err = errors.Join(err, openErr)
	}
	return err
}

// replaySpool returns the prefix of the spool directories of replays into a database. Each user has another one, since
// a user may lack the right to load under a sensor's name. before is the prefix that earlier versions used, without the
// user.
func replaySpool(dsn string) (name, before string) {
	if dsn == store.Local {
		return "replay", "replay"
	}
	user, where := "", dsn
	if c, err := pgconn.ParseConfig(dsn); err == nil {
		user, where = c.User, fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database)
	}
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "replay-" + hex.EncodeToString(sum[:4])
	}
	return digest(user + "@" + where), digest(where)
}
