package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The times that are loaded, in microseconds since PostgreSQL's epoch: the years 1 to 9999. Others are no clock's, and
// beyond what a date in between holds.
const (
	firstTime = -62135596800*1e6 - postgresEpoch
	lastTime  = 253402300800*1e6 - postgresEpoch
)

// checkRow says why a record cannot be sent to the database without harm to its neighbours: one that is not exactly a
// row would be read as part of the next, or as the end of all.
func checkRow(record []byte) (reason string) {
	if len(record) < 14 || binary.BigEndian.Uint16(record) != columnCount || binary.BigEndian.Uint32(record[2:]) != 8 {
		return "not a row in COPY's binary form"
	}
	rest := record[2:]
	for range columnCount {
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

// refusedCode returns the SQLSTATE of an error that says that rows are not to be had, whatever the time and the server's
// state: 22 data exception, 23 integrity constraint, 54 program limit, and 08P01 for a column that is too short. The text of
// such errors may quote the rows.
func refusedCode(err error) (code string, ok bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Severity == "FATAL" || e.Severity == "PANIC" {
		return "", false
	}
	return e.Code, slices.Contains([]string{"22", "23", "54"}, e.Code[:min(2, len(e.Code))]) || e.Code == "08P01"
}

// hopeless is an error that waiting does not cure: somebody has to do something.
func hopeless(err error) bool {
	if errors.Is(err, ErrNoSchema) || errors.Is(err, ErrOlderSchema) || errors.Is(err, errNewerSchema) {
		return true
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if all, ok := c.Unwrap().(interface{ Unwrap() []error }); ok { // of several hosts: another may let us in
			return !slices.ContainsFunc(all.Unwrap(), func(err error) bool { return !hopeless(err) })
		}
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"28", "3D", "3F", "42"}, e.Code[:min(2, len(e.Code))])
}

// Hopeless says whether waiting does not cure an error.
func Hopeless(err error) bool { return hopeless(err) }

// Passes says whether an error is that of a server which goes down or comes up: it had taken the connection, or says so
// itself (SQLSTATE 57P01 admin_shutdown, 57P02 crash_shutdown, 57P03 cannot_connect_now); or of a standby, which may be
// promoted.
func Passes(err error) bool {
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{"57P01", "57P02", "57P03"}, e.Code)
	}
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET}, func(cut error) bool { return errors.Is(err, cut) })
}

// plain is an error without anything that the server may have quoted of the rows.
func plain(err error) error {
	if l, ok := errors.AsType[*lockedError](err); ok {
		return fmt.Errorf("%w; %s", plain(l.err), l.by)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok:
		return err
	case slices.Contains([]string{"08", "25", "28", "3D", "40", "42", "53", "55", "57", "58"}, e.Code[:min(2, len(e.Code))]) && e.Code != "08P01":
		return fmt.Errorf("%s (SQLSTATE %s)", e.Message, e.Code)
	}
	return fmt.Errorf("the server reports SQLSTATE %s", e.Code)
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

// divide finds the rows that the server refuses, by trying halves in a transaction that is undone. Those that are no rows
// it finds by itself.
func (db *DB) divide(ctx context.Context, sensor string, rows [][]byte) (good [][]byte, bad refusal, err error) {
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

// tryRows copies rows behind a savepoint, in halves where they are refused.
func tryRows(ctx context.Context, tx pgx.Tx, misdated misdatedDays, rows [][]byte, bad refusal) (good [][]byte, err error) {
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
