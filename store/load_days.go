package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Days is a range of UTC days; zero: none.
type Days struct{ First, Last time.Time }

// Add extends the range to the day of a row as AppendRow makes it.
func (d *Days) Add(record []byte) {
	at := day(record)
	if d.First.IsZero() || at.Before(d.First) {
		d.First = at
	}
	if d.Last.IsZero() || at.After(d.Last) {
		d.Last = at
	}
}

// FileKey is a key of a capture file, and the days of the file's rows.
type FileKey struct {
	Key  string
	Days Days
}

// ofFile reports whether a segment is of a capture file or an exported one: then its source can give it again after its
// rows were dropped.
func (b *batch) ofFile() bool {
	return strings.HasPrefix(b.key, "replay-") || strings.HasPrefix(b.key, "follow-") ||
		strings.HasPrefix(b.key, "import-")
}

// daysOfRows returns the days of a segment: those that it was given, else those of its rows.
func (b *batch) daysOfRows() Days {
	days := b.days
	rows, _ := apart(b.records)
	for _, r := range rows {
		days.Add(r)
	}
	return days
}

// forgetDropped forgets which of the segments of capture files were loaded and then dropped by retention.
func forgetDropped(steps *pgx.Batch, batches []batch) {
	var keys []string
	for _, b := range batches {
		if b.ofFile() {
			keys = append(keys, b.key)
		}
	}
	if keys != nil {
		steps.Queue("select tap25_internal.forget_dropped_loads($1, $2)", batches[0].sensor, keys)
	}
}

// dateLoads notes the days of the segments of capture files that this transaction has entered; the server leaves out
// the others.
func dateLoads(steps *pgx.Batch, batches []batch) {
	var keys []string
	var first, last []time.Time
	for _, b := range batches {
		if !b.ofFile() {
			continue
		}
		if days := b.daysOfRows(); !days.First.IsZero() {
			keys, first, last = append(keys, b.key), append(first, days.First), append(last, days.Last)
		}
	}
	if keys != nil {
		steps.Queue("select tap25_internal.date_loads($1, $2, $3, $4)", batches[0].sensor, keys, first, last)
	}
}

// KeptFrom returns the first day that the stored retention keeps; zero if it keeps all, or none is stored.
func (db *DB) KeptFrom(ctx context.Context) (time.Time, error) {
	var from *time.Time
	if err := db.conn.QueryRow(ctx, "select tap25_internal.kept_from()").Scan(&from); err != nil {
		return time.Time{}, fmt.Errorf("ask for the stored retention: %w", err)
	}
	if from == nil {
		return time.Time{}, nil
	}
	return *from, nil
}

// DroppedDays returns those of the days that retention has dropped and that have no rows now.
func (db *DB) DroppedDays(ctx context.Context, days []time.Time) ([]time.Time, error) {
	rows, err := db.conn.Query(ctx, "select * from tap25_internal.dropped_days($1) d order by d", days)
	if err != nil {
		return nil, fmt.Errorf("ask which days were dropped: %w", err)
	}
	dropped, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return nil, fmt.Errorf("ask which days were dropped: %w", err)
	}
	return dropped, nil
}

// markDropped lets the capture files whose rows were all dropped be loaded again.
func (db *DB) markDropped(ctx context.Context) error {
	if _, err := db.conn.Exec(ctx, "select tap25_internal.mark_dropped_loads()"); err != nil {
		return fmt.Errorf("forget the files of dropped days: %w", err)
	}
	return nil
}
