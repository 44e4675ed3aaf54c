package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrShorterRetention is returned by [DB.Expire] for a retention that would drop what the one stored in the database
// keeps.
var ErrShorterRetention = errors.New("shorter than the one stored in the database")

// ErrNoRetention is returned by [DB.Expire] if the database stores no retention and none is given.
var ErrNoRetention = errors.New("the database stores no retention, and none is given: how long mail records may " +
	"be kept is a matter of law, so tap25 has no default; name a time with --retention, such as 24mo")

// String returns the form that [ParseRetention] reads.
func (r Retention) String() string {
	switch {
	case r.Years > 0:
		return fmt.Sprint(r.Years, "y")
	case r.Months > 0:
		return fmt.Sprint(r.Months, "mo")
	default:
		return fmt.Sprint(r.Days, "d")
	}
}

// forEver is a cutoff that no day is older than.
var forEver = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

// storedRetention is the retention that the database enforces.
type storedRetention struct {
	Kept   string // "2 years", or "for ever"
	Cutoff time.Time
	By     string
	At     time.Time
}

// storedAt asks for the stored retention, and the first day that it keeps at a time; nil if none is stored.
func (db *DB) storedAt(ctx context.Context, now time.Time) (*storedRetention, error) {
	rows, err := db.conn.Query(ctx, `select coalesce(kept::text, 'for ever'),
		coalesce(((($1::timestamptz at time zone 'UTC')::date - kept)::date), $2::date), set_by::text, set_at
		from tap25.retentions order by id desc limit 1`, now, forEver)
	if err != nil {
		return nil, fmt.Errorf("ask for the stored retention: %w", err)
	}
	stored, err := pgx.CollectOneRow(rows, pgx.RowToAddrOfStructByPos[storedRetention])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the stored retention: %w", err)
	}
	return stored, nil
}

// cutoff is the first day that is kept: by the retention of cfg, which may be longer than the stored one and not
// shorter, else by the stored one. If none is stored, or it is to be changed, that of cfg is stored.
func (db *DB) cutoff(ctx context.Context, cfg ExpireConfig) (time.Time, error) {
	stored, err := db.storedAt(ctx, cfg.Now)
	if err != nil {
		return time.Time{}, err
	}
	asked := cfg.Retention
	switch {
	case asked == (Retention{}) && stored != nil:
		return stored.Cutoff, nil
	case asked == (Retention{}):
		return time.Time{}, ErrNoRetention
	}
	first, err := db.firstKept(ctx, asked, cfg.Now)
	if err != nil {
		return time.Time{}, err
	}
	if stored != nil && !cfg.Change && first.After(stored.Cutoff) {
		return time.Time{}, fmt.Errorf("the retention of %s is %w, %s, which %s set on %s; to store it, run 'tap25 "+
			"db expire --retention %s --change-retention'",
			asked, ErrShorterRetention, stored.Kept, stored.By, stored.At.UTC().Format(time.DateOnly), asked)
	}
	if (stored == nil || cfg.Change) && !cfg.DryRun {
		_, err := db.conn.Exec(ctx, "select tap25.set_retention(make_interval(years => $1, months => $2, days => $3))",
			asked.Years, asked.Months, asked.Days)
		if err != nil {
			return time.Time{}, fmt.Errorf("store the retention of %s: %w", asked, err)
		}
	}
	return first, nil
}

// firstKept returns the first day that a retention keeps at a time.
func (db *DB) firstKept(ctx context.Context, r Retention, now time.Time) (first time.Time, err error) {
	const cut = "select (($1::timestamptz at time zone 'UTC')::date - make_interval(years => $2, months => $3, days " +
		"=> $4))::date"
	if err := db.conn.QueryRow(ctx, cut, now, r.Years, r.Months, r.Days).Scan(&first); err != nil {
		return first, fmt.Errorf("compute what a retention of %s keeps: %w", r, err)
	}
	return first, nil
}
