package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
	"tap25/store/evidence"
)

// SignWith has a signer sign what [DB.Load] and [DB.LoadMissing] load on this connection.
func (db *DB) SignWith(s *Signer) { db.signer = s }

// LoadMissing adds those rows of a segment that the database does not have, in one transaction, and returns how many.
// A row is there if one with the same value in each column is, of whatever segment. If the segment has equal rows, so
// many of them are. All rows are of the sensor. Otherwise it is like [DB.Load].
func (db *DB) LoadMissing(ctx context.Context, sensor, segment string, rows [][]byte) (added int, err error) {
	defer func() {
		if err != nil {
			added, err = 0, fmt.Errorf("load what is missing of %d rows: %w", len(rows), db.locked(ctx, err))
		}
	}()
	missing, err := missingRows(ctx, db.conn, sensor, rows)
	if err != nil || len(missing) == 0 {
		return 0, err
	}
	if err := db.makeDays(ctx, missing); err != nil { // outside the transaction, as load does
		return 0, err
	}
	committed := func() {}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		missing, err = missingRows(ctx, tx, sensor, rows) // now nobody else imports
		if err != nil || len(missing) == 0 {
			return err
		}
		b := batch{sensor: sensor, key: segment, records: missing, roots: rootsOf(missing)}
		_, committed, err = db.add(ctx, tx, []batch{b}, missing)
		return err
	})
	if err == nil {
		committed()
	}
	return len(missing), err
}

// missingRows returns those of some rows that the database does not have.
func missingRows(ctx context.Context, db asker, sensor string, rows [][]byte) (missing [][]byte, err error) {
	leaves := make([][]byte, len(rows))
	var first, last time.Time
	for i, r := range rows {
		if at := seenAt(r); i == 0 || at.Before(first) {
			first = at
		}
		if at := seenAt(r); i == 0 || at.After(last) {
			last = at
		}
		leaf := evidence.LeafOf(widen([]byte{evidence.LeafPrefix}, r))
		leaves[i] = leaf[:]
	}
	found, err := db.Query(ctx, "select leaf, times from tap25_internal.rows_there($1, $2, $3, $4)", sensor, leaves,
		first, last)
	if err != nil {
		return nil, err
	}
	there := map[string]int64{}
	var leaf []byte
	var times int64
	_, err = pgx.ForEachRow(found, []any{&leaf, &times}, func() error {
		there[string(leaf)] = times
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		if there[string(leaves[i])]--; there[string(leaves[i])] < 0 {
			missing = append(missing, r)
		}
	}
	return missing, nil
}

// errRow is for a tuple that no row of the database has.
var errRow = errors.New("not a row that the database takes")

// CheckRow reads a row as [ParseRow] does. The error is also for a row that the database would refuse for a value that
// AppendRow takes.
func CheckRow(record []byte) (*smtp.Envelope, error) {
	e, err := ParseRow(record)
	if err != nil {
		return nil, err
	}
	negative := func(n *int64) bool { return n != nil && *n < 0 }
	const known = 1<<7 - 1 // flags
	switch {
	case checkRecord(record) != "", e.MailNo < 0, negative(e.MessageBytes), negative(e.DeclaredSize), e.LostBytes < 0,
		e.Flags > known, max(e.MailCode, e.RcptCode, e.DataCode) > 1<<15-1,
		e.Network != "" && !smtp.IsNetwork(e.Network):
		return nil, fmt.Errorf("check row: %w", errRow)
	}
	return e, nil
}
