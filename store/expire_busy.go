package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// BusyDay is a day that could not be dropped.
type BusyDay struct {
	Day   time.Time
	Users []DayUser // who used it, or the whole table
}

// DayUser is a session that uses a day.
type DayUser struct {
	Login, Application string
	Since              *time.Time // when its transaction began; nil if the owner may not see it
	Ended              bool
	Reason             string // why it was not ended
}

// freeDay ends the sessions that have kept a day for too long, and tries again to drop it. The database notes that it
// is late.
func (db *DB) freeDay(ctx context.Context, cfg ExpireConfig, report *ExpireReport, day time.Time) error {
	users, err := db.endBlockers(ctx, &day, cfg.EndReaders)
	if err != nil {
		return err
	}
	busy := BusyDay{Day: day}
	for _, u := range users {
		if u.Ended {
			report.Ended = append(report.Ended, u)
		} else {
			busy.Users = append(busy.Users, u)
		}
	}
	if len(busy.Users) < len(users) {
		if err := db.expireBusy(ctx, cfg, report, db.dropDay(cfg, day)); !inUse(err) {
			return err
		}
	}
	report.Busy = append(report.Busy, busy)
	return nil
}

// endBlockers ends the sessions that it may of those that have kept a day from being dropped for too long, or
// partitions from being made if day is nil; it returns them, and the others.
func (db *DB) endBlockers(ctx context.Context, day *time.Time, older time.Duration) ([]DayUser, error) {
	rows, err := db.conn.Query(ctx, `select login::text, coalesce(application, ''), open_since, ended,
		coalesce(reason, '')
		from tap25_internal.end_blockers($1, $2 * interval '1 second')`, day, seconds(older))
	if err != nil {
		return nil, fmt.Errorf("end the sessions that use it: %w", err)
	}
	users, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DayUser])
	if err != nil {
		return nil, fmt.Errorf("end the sessions that use it: %w", err)
	}
	return users, nil
}

// seconds is a time in seconds, or null for a negative one.
func seconds(d time.Duration) *float64 {
	if d < 0 {
		return nil
	}
	return new(d.Seconds())
}

// who names the sessions that use a day.
func (d BusyDay) who() string {
	var names []string
	for _, u := range d.Users {
		names = append(names, u.String())
	}
	return strings.Join(names, ", ")
}

// String names a session by its login and application, and why it was not ended.
func (u DayUser) String() string {
	s := fmt.Sprintf("%q with %q", u.Login, u.Application)
	if u.Since != nil {
		s += ", open since " + u.Since.UTC().Format(time.DateTime)
	}
	if u.Reason != "" {
		s += " (" + u.Reason + ")"
	}
	return s
}

// String returns a line for people.
func (d BusyDay) String() string {
	s := d.Day.Format(time.DateOnly) + ", which is in use"
	if len(d.Users) > 0 {
		s += " by " + d.who()
	}
	return s
}
