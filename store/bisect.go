package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// The times that are loaded, in microseconds since PostgreSQL's epoch: the years 1 to 9999. No clock gives others, and
// some are beyond the range of a date.
const (
	firstTime = -62135596800*1e6 - postgresEpoch
	lastTime  = 253402300800*1e6 - postgresEpoch
)

// checkRow returns the reason why a record cannot be sent to the database without harm to its neighbours, or "": one
// that is not exactly a row would be read as part of the next, or as the end of all.
func checkRow(record []byte) (reason string) {
	if len(record) < 14 || columnsOf(record) == 0 || binary.BigEndian.Uint32(record[2:]) != 8 {
		return "not a row in COPY's binary form"
	}
	rest := record[2:]
	for range columnsOf(record) {
		if len(rest) < 4 {
			return "not a row in COPY's binary form"
		}
		n := int64(int32(binary.BigEndian.Uint32(rest)))
		if rest = rest[4:]; n < -1 || n > int64(len(rest)) {
			return "not a row in COPY's binary form"
		}
		rest = rest[max(n, 0):]
	}
	if len(rest) > 0 {
		return "not a row in COPY's binary form"
	}
	if at := int64(binary.BigEndian.Uint64(record[6:])); at < firstTime || at >= lastTime {
		return "time outside the years 1 to 9999"
	}
	return ""
}

// refusal is rows that the server refuses, by the reason.
type refusal map[string][][]byte

// and returns these rows and more.
func (r refusal) and(rows [][]byte) [][]byte {
	all := append([][]byte{}, rows...)
	for _, refused := range r {
		all = append(all, refused...)
	}
	return all
}

// bisect finds the rows that the server refuses, by trying halves in a transaction that is rolled back. Records that
// are no rows it finds by itself.
func (db *DB) bisect(ctx context.Context, sensor string, rows [][]byte) (good [][]byte, bad refusal, err error) {
	bad = refusal{}
	var whole [][]byte
	for _, r := range rows {
		if reason := checkRow(r); reason != "" {
			bad[reason] = append(bad[reason], r)
		} else {
			whole = append(whole, r)
		}
	}
	if err := db.makeDays(ctx, whole); err != nil {
		return nil, nil, err
	}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		misdated, err := beginLoad(ctx, tx, sensor, whole)
		if err == nil {
			good, err = tryRows(ctx, tx, misdated, whole, bad)
		}
		if err == nil {
			err = errUndo
		}
		return err
	})
	if !errors.Is(err, errUndo) {
		return nil, nil, fmt.Errorf("find the rows that the server refuses: %w", err)
	}
	return good, bad, nil
}

// tryRows copies rows after a savepoint, in halves if they are refused.
func tryRows(ctx context.Context, tx pgx.Tx, misdated misdatedDays, rows [][]byte, bad refusal) (good [][]byte,
	err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return copyDated(ctx, tx, misdated, rows) })
	if err == nil {
		return rows, nil
	}
	code, ok := refusedCode(err)
	if !ok {
		return nil, err
	}
	if len(rows) == 1 {
		reason := "SQLSTATE " + code
		bad[reason] = append(bad[reason], rows[0])
		return nil, nil
	}
	for _, half := range [][][]byte{rows[:len(rows)/2], rows[len(rows)/2:]} {
		g, err := tryRows(ctx, tx, misdated, half, bad)
		if err != nil {
			return nil, err
		}
		good = append(good, g...)
	}
	return good, nil
}
