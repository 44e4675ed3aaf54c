package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/evidence"
)

// Retention is how long days are kept, in the calendar's units; one of them is set.
type Retention struct{ Years, Months, Days int }

var retentionForm = regexp.MustCompile(`^([1-9][0-9]{0,4})(d|mo|y)$`)

// ParseRetention reads a number of days, months or years, such as "730d", "24mo" or "2y". It returns an error for any
// other form.
func ParseRetention(s string) (Retention, error) {
	m := retentionForm.FindStringSubmatch(s)
	if m == nil {
		return Retention{}, fmt.Errorf("%q is not a number of days, months or years, such as 730d, 24mo or 2y", s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return Retention{}, err
	}
	return map[string]Retention{"d": {Days: n}, "mo": {Months: n}, "y": {Years: n}}[m[2]], nil
}

// ExpireConfig configures [DB.Expire]; its zero value is the default.
type ExpireConfig struct {
	Retention Retention     // zero: the one stored in the database
	Change    bool          // store Retention in place of the one stored in the database, which may be longer
	DryRun    bool          // only report what would be dropped
	Version   string        // of the program, for the record
	Patience  time.Duration // how long a day that is in use is tried; zero: ten seconds
	Now       time.Time     // zero: the database's clock

	// Signer signs a certificate of each destruction; nil: nobody does, and [DB.Verify] reports the days.
	Signer *Signer

	// EndReaders is how long a transaction of an auditor or an administrator may keep a day from being dropped: then
	// its session is ended. So is one of a sensor that is in no load. Zero: an hour; negative: no session is ended.
	EndReaders time.Duration

	kept time.Time // the first day that is kept, for certificates
}

// ExpiredDay reports what was dropped of a day.
type ExpiredDay struct {
	Day  time.Time
	Kind string // partition, misdated, or held, if a legal hold ended
	Rows, Bytes,
	Kept int64 // rows that a legal hold kept, of these; unknown in a dry run
}

// ExpireReport reports what [DB.Expire] did.
type ExpireReport struct {
	Cutoff  time.Time // the first day that is kept
	Shorter bool      // the retention asked for was shorter than the stored one, which was taken
	Dropped []ExpiredDay
	Busy    []BusyDay // days in use, left for the next time
	Ended   []DayUser // sessions that kept a day, or partitions from being made, for too long
}

// endReaders is the default of ExpireConfig.EndReaders.
const endReaders = time.Hour

// giveWay is how long expiry waits for a lock. It is less than PostgreSQL's deadlock_timeout of a second, so that
// expiry is the one that gives up in a deadlock, and short, since writers and readers queue after it.
const giveWay = "200ms"

// Expire drops the days that are older than the retention, each in a transaction of its own, after copying what legal
// holds keep; and removes what ended holds kept. The database stores the retention, drops nothing that it keeps, and
// records who asked. The error is [ErrNoRetention] if there is none, [ErrShorterRetention] if cfg's is shorter than the
// stored one, unless cfg.Change. Capture files whose rows were all dropped may be loaded again. It may run beside
// loads, readers and itself: a day in use is tried again for cfg.Patience, then reported as busy, which is no error.
// The report is valid with an error too.
func (db *DB) Expire(ctx context.Context, cfg ExpireConfig) (ExpireReport, error) {
	var report ExpireReport
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Second
	}
	cfg.EndReaders = cmp.Or(cfg.EndReaders, endReaders)
	if cfg.Now.IsZero() {
		if err := db.conn.QueryRow(ctx, "select now()").Scan(&cfg.Now); err != nil {
			return report, fmt.Errorf("read the server's time: %w", err)
		}
	}
	cutoff, err := db.cutoff(ctx, cfg)
	if err != nil {
		return report, err
	}
	report.Cutoff, cfg.kept = cutoff, cutoff
	if cfg.DryRun {
		return report, db.wouldExpire(ctx, &report)
	}
	rows, err := db.conn.Query(ctx, "select day from tap25_internal.partitions() where day < $1 order by day",
		report.Cutoff)
	if err != nil {
		return report, fmt.Errorf("list the days: %w", err)
	}
	days, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return report, fmt.Errorf("list the days: %w", err)
	}
	for _, day := range days {
		err := db.expireBusy(ctx, cfg, &report, db.dropDay(cfg, day))
		if inUse(err) {
			err = db.freeDay(ctx, cfg, &report, day)
		}
		if err != nil {
			return report, fmt.Errorf("drop the day %s: %w", day.Format(time.DateOnly), err)
		}
	}
	if !report.Cutoff.Equal(forEver) {
		err = db.expireBusy(ctx, cfg, &report, db.dropMisdated(cfg, report.Cutoff))
	}
	if err == nil || inUse(err) {
		err = db.expireBusy(ctx, cfg, &report, db.dropReleased(cfg))
	}
	if err != nil && !inUse(err) {
		return report, fmt.Errorf("remove rows that are no longer held: %w", err)
	}
	return report, db.markDropped(ctx)
}

// drop drops something within a transaction, and returns what it was and the links that certify it.
type drop func(ctx context.Context, tx pgx.Tx) ([]ExpiredDay, []*evidence.Link, error)

// expireBusy drops something, again while somebody else uses it.
func (db *DB) expireBusy(ctx context.Context, cfg ExpireConfig, report *ExpireReport, what drop) error {
	deadline := time.Now().Add(cfg.Patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		dropped, err := db.expireOnce(ctx, cfg.Signer, what)
		if err == nil {
			report.Dropped = append(report.Dropped, dropped...)
			return nil
		}
		if !inUse(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (db *DB) expireOnce(ctx context.Context, s *Signer, what drop) (dropped []ExpiredDay, err error) {
	committed := func() {}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = '"+giveWay+"'"); err != nil {
			return err
		}
		var links []*evidence.Link
		if dropped, links, err = what(ctx, tx); err != nil || s == nil || len(links) == 0 {
			return err
		}
		committed, err = db.sign(ctx, tx, s, "", links)
		return err
	})
	if err == nil {
		committed()
	}
	return dropped, err
}

// inUse reports whether a lock was not free in time, or PostgreSQL ended a deadlock.
func inUse(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "55P03" || e.Code == "40P01")
}

func (db *DB) wouldExpire(ctx context.Context, report *ExpireReport) error {
	rows, err := db.conn.Query(ctx, `
		select p.day, 'partition',
		       coalesce((select sum(rows) from tap25_internal.days d where d.day = p.day), 0)::bigint,
		       p.bytes, 0::bigint
		from tap25_internal.partitions() p where p.day < $1 order by p.day`, report.Cutoff)
	if err == nil {
		report.Dropped, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ExpiredDay])
	}
	if err != nil {
		return fmt.Errorf("list the days: %w", err)
	}
	return nil
}
