package store

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// DaysAhead is how many days' partitions are made before their time.
const DaysAhead = 7

// AheadPartitions makes the partitions of today and of as many days to come, by the database's clock in UTC, and
// returns how many were missing. If another session keeps them from being made, the error (SQLSTATE 55P03) names its
// login.
func (db *DB) AheadPartitions(ctx context.Context, days int) (made int, err error) {
	if err := db.conn.QueryRow(ctx, "select tap25_internal.make_partitions_ahead($1)", days).Scan(&made); err != nil {
		return 0, fmt.Errorf("make partitions ahead: %w", db.locked(ctx, err))
	}
	return made, nil
}

// daysAtOnce is how many partitions one transaction makes: each takes a lock for itself and each of its indexes.
const daysAtOnce = 50

// makeDays makes the partitions that rows need, before the transaction that copies them: so no other sensor waits for
// that, and a segment of many days does not need more locks than there are. Those that it made last it does not ask for
// again: if one was dropped since, beginLoad makes it.
func (db *DB) makeDays(ctx context.Context, rows [][]byte) error {
	days := daysOf(rows)
	if len(days) == 0 || slices.Equal(days, db.made) {
		return nil
	}
	for chunk := range slices.Chunk(days, daysAtOnce) {
		if _, err := db.conn.Exec(ctx, "select tap25_internal.make_partitions($1)", chunk); err != nil {
			return fmt.Errorf("make the partitions of a segment: %w", db.locked(ctx, err))
		}
	}
	db.made = days
	return nil
}

// daysOf returns the UTC days of rows.
func daysOf(rows [][]byte) []time.Time {
	seen := map[int32]bool{}
	var days []time.Time
	for i, r := range rows {
		if d := dayNumber(r); (i == 0 || d != dayNumber(rows[i-1])) && !seen[d] {
			seen[d] = true
			days = append(days, day(r))
		}
	}
	return days
}

// apart divides records into rows and coverage, each in its order. It copies nothing if all are rows.
func apart(records [][]byte) (rows, coverage [][]byte) {
	if !slices.ContainsFunc(records, IsCoverage) {
		return records, nil
	}
	for _, r := range records {
		if IsCoverage(r) {
			coverage = append(coverage, r)
		} else {
			rows = append(rows, r)
		}
	}
	return rows, coverage
}

// copyRecords copies coverage, and rows of days that begin_load was called with.
func copyRecords(ctx context.Context, tx pgx.Tx, to *destination, records [][]byte) error {
	rows, coverage := apart(records)
	if err := copyDated(ctx, tx, to, rows); err != nil {
		return err
	}
	return copyTo(ctx, tx, "tap25.coverage", coverageColumns, coverage)
}

// misdatedDays are days that get no partition, with the reason.
type misdatedDays map[time.Time]string

// destination is where the rows of a load go.
type destination struct {
	misdated    misdatedDays
	distributed bool // first to temporary tables, whose triggers check and count them
}

func copyDated(ctx context.Context, tx pgx.Tx, to *destination, rows [][]byte) error {
	if len(rows) == 0 {
		return nil
	}
	dated, others := rows, [][]byte(nil)
	if len(to.misdated) > 0 {
		dated = nil
		for _, r := range rows {
			if reason, ok := to.misdated[day(r)]; ok {
				others = append(others, misdatedRow(r, reason))
			} else {
				dated = append(dated, r)
			}
		}
	}
	if to.distributed {
		return copyToArrivals(ctx, tx, dated, others)
	}
	if err := copyByDay(ctx, tx, dated); err != nil {
		return err
	}
	return copyTo(ctx, tx, "tap25_internal.misdated", columns+", "+laterColumns+", reason", others)
}

// copyToArrivals copies rows to the temporary tables that beginLoad has made. From there place_arrivals distributes
// them, with the xid of this transaction or savepoint, which a link will record.
func copyToArrivals(ctx context.Context, tx pgx.Tx, dated, misdated [][]byte) error {
	names, dated := sameColumns(dated)
	if err := copyTo(ctx, tx, "pg_temp.arrivals", names, dated); err != nil {
		return err
	}
	err := copyTo(ctx, tx, "pg_temp.arrivals_aside", columns+", "+laterColumns+", reason", misdated)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "select tap25_internal.place_arrivals()")
	return err
}

// daysApart is of how many days rows may be that are copied into each day's partition. PostgreSQL then inserts a
// thousand at once; into the partitioned table, whose trigger looks at the rows, it inserts one by one. A statement for
// each of many days costs more.
const daysApart = 8

// copyByDay copies rows whose days have partitions.
func copyByDay(ctx context.Context, tx pgx.Tx, rows [][]byte) error {
	names, rows := sameColumns(rows)
	days := map[int32][][]byte{}
	var last int32
	var its [][]byte
	for _, r := range rows {
		if d := dayNumber(r); d != last || its == nil {
			if its != nil {
				days[last] = its
			}
			if last, its = d, days[d]; its == nil && len(days) == daysApart {
				return copyTo(ctx, tx, "tap25_internal.envelopes", names, rows)
			}
		}
		its = append(its, r)
	}
	days[last] = its
	for _, d := range slices.Sorted(maps.Keys(days)) { // the days' counts are locked in this order
		table := "tap25_internal.envelopes_" + DayOf(d).Format("20060102")
		if err := copyTo(ctx, tx, table, names, days[d]); err != nil {
			return err
		}
	}
	return nil
}

// sameColumns gives rows that one COPY takes, and the names of its columns: rows have laterColumns if one of them has.
func sameColumns(rows [][]byte) (names string, same [][]byte) {
	wide := 0
	for _, r := range rows {
		if isWide(r) {
			wide++
		}
	}
	switch wide {
	case 0:
		return columns, rows
	case len(rows):
		return columns + ", " + laterColumns, rows
	}
	same = make([][]byte, len(rows))
	for i, r := range rows {
		if same[i] = r; !isWide(r) {
			same[i] = widen(nil, r)
		}
	}
	return columns + ", " + laterColumns, same
}

// beginLoad queues steps that make the partitions that the rows need and lock their days. After the steps have run, the
// result says where the rows go. It is called once in a transaction, before the first row, so that locks are taken in
// one order.
func beginLoad(steps *pgx.Batch, sensor string, rows [][]byte) *destination {
	to := &destination{}
	steps.Queue("select tap25_internal.make_arrivals()").QueryRow(func(row pgx.Row) error {
		return row.Scan(&to.distributed)
	})
	to.misdated = lockDays(steps, sensor, rows)
	return to
}

// lockDays is the part of beginLoad that older schemas support.
func lockDays(steps *pgx.Batch, sensor string, rows [][]byte) (misdated misdatedDays) {
	misdated = misdatedDays{}
	steps.Queue("select * from tap25_internal.begin_load($1, $2)", sensor, daysOf(rows)).Query(func(rows pgx.Rows) error {
		var d time.Time
		var reason string
		_, err := pgx.ForEachRow(rows, []any{&d, &reason}, func() error {
			misdated[d.UTC()] = reason
			return nil
		})
		return err
	})
	return misdated
}

func copyTo(ctx context.Context, tx pgx.Tx, table, columns string, rows [][]byte) error {
	if len(rows) == 0 {
		return nil
	}
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, copyStream(rows),
		"copy "+table+" ("+columns+") from stdin (format binary)")
	if err == nil && tag.RowsAffected() != int64(len(rows)) {
		return fmt.Errorf("copy %d rows: the server accepted %d", len(rows), tag.RowsAffected())
	}
	return err
}

// copyStream is the rows as COPY's binary format wants them: signature, flags, extension; tuples; trailer.
func copyStream(rows [][]byte) io.Reader {
	head, end := []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\xff\xff")
	b := net.Buffers(slices.Concat([][]byte{head}, rows, [][]byte{end}))
	return &b
}
