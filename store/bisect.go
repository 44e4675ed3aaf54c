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

// notRecord is the reason of checkRecord for what is neither a row nor coverage.
const notRecord = "neither a row nor coverage in COPY's binary form"

// checkRecord returns the reason why a record cannot be sent to the database without harm to its neighbours, or "": one
// that is not exactly a row, or a record of coverage, would be read as part of the next, or as the end of all.
func checkRecord(record []byte) (reason string) {
	count := columnsOf(record)
	if IsCoverage(record) { // read whole, since the server has errors of its own for what an array must not be
		if _, err := ParseCoverage(record); err != nil {
			return notRecord
		}
		count = coverageCount
	}
	if len(record) < 14 || count == 0 || binary.BigEndian.Uint32(record[2:]) != 8 {
		return notRecord
	}
	rest := record[2:]
	for range count {
		if len(rest) < 4 {
			return notRecord
		}
		n := int64(int32(binary.BigEndian.Uint32(rest)))
		if rest = rest[4:]; n < -1 || n > int64(len(rest)) {
			return notRecord
		}
		rest = rest[max(n, 0):]
	}
	if len(rest) > 0 {
		return notRecord
	}
	if at := int64(binary.BigEndian.Uint64(record[6:])); at < firstTime || at >= lastTime {
		return "time outside the years 1 to 9999"
	}
	return ""
}

// refusal is records that the server refuses, by the reason.
type refusal map[string][][]byte

// and returns these records and more.
func (r refusal) and(rows [][]byte) [][]byte {
	all := append([][]byte{}, rows...)
	for _, refused := range r {
		all = append(all, refused...)
	}
	return all
}

// bisect finds the records that the server refuses, by trying halves in a transaction that is rolled back. What is
// neither a row nor coverage it finds by itself.
func (db *DB) bisect(ctx context.Context, sensor string, records [][]byte) (good [][]byte, bad refusal,
	err error) {
	bad = refusal{}
	var whole [][]byte
	for _, r := range records {
		if reason := checkRecord(r); reason != "" {
			bad[reason] = append(bad[reason], r)
		} else {
			whole = append(whole, r)
		}
	}
	rows, _ := apart(whole)
	if err := db.makeDays(ctx, rows); err != nil {
		return nil, nil, err
	}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		var steps pgx.Batch
		to := beginLoad(&steps, sensor, rows)
		err := tx.SendBatch(ctx, &steps).Close()
		if err == nil {
			good, err = tryRecords(ctx, tx, to, whole, bad)
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

// tryRecords copies records after a savepoint, in halves if they are refused.
func tryRecords(ctx context.Context, tx pgx.Tx, to *destination, records [][]byte, bad refusal) (
	good [][]byte, err error) {
	if len(records) == 0 {
		return nil, nil
	}
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return copyRecords(ctx, tx, to, records) })
	if err == nil {
		return records, nil
	}
	code, ok := refusedCode(err)
	if !ok {
		return nil, err
	}
	if len(records) == 1 {
		reason := "SQLSTATE " + code
		bad[reason] = append(bad[reason], records[0])
		return nil, nil
	}
	for _, half := range [][][]byte{records[:len(records)/2], records[len(records)/2:]} {
		g, err := tryRecords(ctx, tx, to, half, bad)
		if err != nil {
			return nil, err
		}
		good = append(good, g...)
	}
	return good, nil
}
