package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

// Load adds the rows of a segment, in one transaction; added is false where an earlier load has committed it.
func (db *DB) Load(ctx context.Context, sensor, segment string, rows [][]byte) (added bool, err error) {
	if err := db.makeDays(ctx, rows); err != nil {
		return false, err
	}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "insert into loads (sensor, segment, rows) values ($1, $2, $3) on conflict do nothing", sensor, segment, len(rows))
		if err != nil {
			return err
		}
		if added = tag.RowsAffected() == 1; !added {
			return nil
		}
		return copyRows(ctx, tx, sensor, rows)
	})
	if err != nil {
		return false, fmt.Errorf("load %d rows: %w", len(rows), err)
	}
	return added, nil
}

// segmentRows is the number of rows of one load: large enough that a transaction costs nothing, small enough to hold.
const segmentRows = 10000

// Sink loads the rows of a replay. A segment is named by what it holds, so that replaying the same capture again, under
// any name or compression, adds only what is missing. A segment that an interruption cuts short has a name that no later
// replay gives it: where the input can be read again, Discard it.
type Sink struct {
	ctx    context.Context
	db     *DB
	sensor string
	rows   [][]byte
	err    error

	discard bool

	// Rows added, rows that the database held already, and rows left for the next replay of an interrupted one.
	Added, Held, Left int64
}

// NewSink makes a sink. ctx bounds all its loads.
func NewSink(ctx context.Context, db *DB, sensor string) *Sink {
	return &Sink{ctx: ctx, db: db, sensor: sensor}
}

// Add takes a row. After a failure it takes no more: Err tells.
func (s *Sink) Add(e *smtp.Envelope) {
	if s.err != nil {
		return
	}
	if s.discard {
		s.Left++
		return
	}
	s.rows = append(s.rows, AppendRow(nil, e))
	if len(s.rows) == segmentRows {
		s.flush()
	}
}

// Discard leaves out the segment that was begun and all rows that come yet.
func (s *Sink) Discard() {
	s.discard = true
	s.Left += int64(len(s.rows))
	s.rows = nil
}

// Err is what loading failed with.
func (s *Sink) Err() error { return s.err }

// Close loads what is left.
func (s *Sink) Close() error {
	s.flush()
	return s.err
}

func (s *Sink) flush() {
	if s.err != nil || len(s.rows) == 0 {
		return
	}
	h := sha256.New()
	for _, r := range s.rows {
		h.Write(r)
	}
	added, err := s.db.Load(s.ctx, s.sensor, "replay-"+hex.EncodeToString(h.Sum(nil)), s.rows)
	switch n := int64(len(s.rows)); {
	case err != nil:
		s.err = err
	case added:
		s.Added += n
	default:
		s.Held += n
	}
	s.rows = s.rows[:0]
}
