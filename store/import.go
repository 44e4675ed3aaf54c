package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

// SignWith has a signer sign what [DB.Load] loads on this connection.
func (db *DB) SignWith(s *Signer) { db.signer = s }

// Identity returns the identity of the database, a UUID. It does not change the database. The error is that of a login
// that may not load rows of the sensor.
func (db *DB) Identity(ctx context.Context, sensor string, s *Signer) (identity string, err error) {
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		h, err := lockChain(ctx, tx, sensor, s)
		if err != nil {
			return err
		}
		identity = h.Database
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		return "", fmt.Errorf("ask which database this is: %w", err)
	}
	return identity, nil
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

// Dropped reports whether retention has dropped a day, and no row of it was loaded since.
func (db *DB) Dropped(ctx context.Context, day time.Time) (bool, error) {
	days, err := db.DroppedDays(ctx, []time.Time{day})
	return len(days) > 0, err
}
