package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// MailQuestion is which rows of the view mail are read. Nil bounds and no sensors mean all.
type MailQuestion struct {
	Since, Before *time.Time
	Sensors       []string
}

// MailDay is a UTC day that may have rows.
type MailDay struct {
	Day  time.Time
	Rows int64 // about how many were loaded; 0: not known
}

// MailSource is whose rows the view mail has.
type MailSource struct {
	By       string // login
	At       time.Time
	Database string // its identity, a UUID
	Schema   int32
	Heads    []evidence.Checkpoint // of the chains of its rows
}

// MailSource returns whose rows these are. The error is one of [LacksRight] if this login may not read the view mail.
func (db *DB) MailSource(ctx context.Context) (s MailSource, err error) {
	if _, err := db.conn.Exec(ctx, "select from tap25.mail limit 0"); err != nil {
		return s, fmt.Errorf("read mail: %w", err)
	}
	if s.Schema, _, err = db.Version(ctx); err != nil {
		return s, err
	}
	err = db.conn.QueryRow(ctx, "select session_user::text, now(), e.database::text from tap25_internal.evidence e").
		Scan(&s.By, &s.At, &s.Database)
	if err != nil {
		return s, fmt.Errorf("ask whose rows these are: %w", err)
	}
	rows, err := db.conn.Query(ctx, `select c.sensor, c.number, c.hash, k.fingerprint
		from tap25_internal.chains c join tap25.keys k on k.id = c.key where c.number > 0 order by 1, 4`)
	if err == nil {
		s.Heads, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c evidence.Checkpoint, err error) {
			var number int64
			var hash, key []byte
			err = row.Scan(&c.Sensor, &number, &hash, &key)
			c.Database, c.Number = s.Database, uint64(number)
			copy(c.Hash[:], hash)
			copy(c.Key[:], key)
			return c, err
		})
	}
	if err != nil {
		return s, fmt.Errorf("read the heads of the chains: %w", err)
	}
	return s, nil
}

// MailCompleteness returns the row of completeness() for a question as JSON.
func (db *DB) MailCompleteness(ctx context.Context, q MailQuestion) (row []byte, err error) {
	var sensor *string
	if len(q.Sensors) == 1 {
		sensor = &q.Sensors[0]
	}
	err = db.conn.QueryRow(ctx, `select to_json(c)::text
		from tap25.completeness(coalesce($1::timestamptz, '-infinity'), coalesce($2::timestamptz, 'infinity'), $3) c`,
		q.Since, q.Before, sensor).Scan(&row)
	if err != nil {
		return nil, fmt.Errorf("ask how complete the rows are: %w", err)
	}
	return row, nil
}

// MailDays returns the days that may have rows of a question, in their order. Most are those of the counts of loaded
// rows. Between these, only rows that are kept aside can be, since they are misdated or under a legal hold.
func (db *DB) MailDays(ctx context.Context, q MailQuestion) (days []MailDay, err error) {
	rows, err := db.conn.Query(ctx, `
		select day, sum(rows)::bigint from tap25.volumes
		where day >= coalesce(($1::timestamptz at time zone 'UTC')::date, '-infinity')
		  and day < coalesce($2::timestamptz, 'infinity')
		group by day order by day`, q.Since, q.Before)
	var counted []MailDay
	if err == nil {
		counted, err = pgx.CollectRows(rows, pgx.RowToStructByPos[MailDay])
	}
	since := q.Since
	for _, d := range counted {
		if err == nil && (since == nil || since.Before(d.Day)) {
			days, err = db.addDaysBetween(ctx, days, since, &d.Day)
		}
		days, since = append(days, d), new(d.Day.AddDate(0, 0, 1))
	}
	if err == nil && (since == nil || q.Before == nil || since.Before(*q.Before)) {
		days, err = db.addDaysBetween(ctx, days, since, q.Before)
	}
	if err != nil {
		return nil, fmt.Errorf("find the days that have rows: %w", err)
	}
	return days, nil
}

// addDaysBetween adds the days of a time in which no day is counted.
func (db *DB) addDaysBetween(ctx context.Context, days []MailDay, since, before *time.Time) ([]MailDay, error) {
	rows, err := db.conn.Query(ctx, `
		select distinct (seen_at at time zone 'UTC')::date, 0::bigint from tap25.mail
		where seen_at >= coalesce($1::timestamptz, '-infinity') and seen_at < coalesce($2::timestamptz, 'infinity')
		order by 1`, since, before)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows(days, rows, pgx.RowToStructByPos[MailDay])
}

// sliceRows is about how many rows the server sorts at once.
const sliceRows = 500_000

// MailOfDay reads the rows of a day that a question asks for, in the order of their time, as one snapshot has them.
// They have neither Sensors nor Copies.
func (db *DB) MailOfDay(ctx context.Context, d MailDay, q MailQuestion) iter.Seq2[*CaseRow, error] {
	since, before := d.Day, d.Day.AddDate(0, 0, 1)
	if q.Since != nil && q.Since.After(since) {
		since = *q.Since
	}
	if q.Before != nil && q.Before.Before(before) {
		before = *q.Before
	}
	slice := (before.Sub(since) / time.Duration(d.Rows/sliceRows+1)).Truncate(time.Microsecond) + time.Microsecond
	return func(yield func(*CaseRow, error) bool) {
		err := pgx.BeginTxFunc(ctx, db.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
			func(pgx.Tx) error {
				for at := since; at.Before(before); at = at.Add(slice) {
					end := at.Add(slice)
					if end.After(before) {
						end = before
					}
					for r, err := range db.mailBetween(ctx, at, end, q.Sensors) {
						if err != nil {
							return err
						}
						if !yield(r, nil) {
							return errUndo
						}
					}
				}
				return nil
			})
		if err != nil && !errors.Is(err, errUndo) {
			yield(nil, err)
		}
	}
}

func (db *DB) mailBetween(ctx context.Context, since, before time.Time, sensors []string) iter.Seq2[*CaseRow, error] {
	return query(ctx, db, "read mail", scanMailRow, "select "+rowColumns+` from tap25.mail
		where seen_at >= $1 and seen_at < $2 and ($3::text[] is null or sensor = any ($3))
		order by seen_at, sensor, session_id, mail_no, rcpt_to collate "C"`, since, before, sensors)
}
