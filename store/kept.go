package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/spool"
)

// askAtOnce is how many keys one statement asks for.
const askAtOnce = 1000

// Missing returns those of the segments that no load has committed on the server of this connection: after a failover,
// what the new server has lost. It returns none if this login may not load under their sensor's name.
func (db *DB) Missing(ctx context.Context, segments []spool.Segment) (missing []spool.Segment, err error) {
	bySensor := map[string][]spool.Segment{}
	for _, seg := range segments {
		bySensor[seg.Sensor] = append(bySensor[seg.Sensor], seg)
	}
	for sensor, segments := range bySensor {
		for chunk := range slices.Chunk(segments, askAtOnce) {
			more, err := db.missingOf(ctx, sensor, chunk)
			if err != nil {
				return nil, fmt.Errorf("ask which of %d segments are loaded: %w", len(segments), err)
			}
			missing = append(missing, more...)
		}
	}
	return missing, nil
}

// missingOf asks by entering all, in a transaction that is undone: a sensor may not read loads. A login that may not
// load under that name has nothing to enter again either.
func (db *DB) missingOf(ctx context.Context, sensor string, segments []spool.Segment) (missing []spool.Segment,
	err error) {
	batches := make([]batch, len(segments))
	for i, seg := range segments {
		batches[i] = batch{sensor: sensor, key: seg.Key}
	}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		var steps pgx.Batch
		var fresh []bool
		db.relyOn(&steps)
		enterLoads(&steps, batches, &fresh)
		if err := tx.SendBatch(ctx, &steps).Close(); err != nil {
			return err
		}
		for i, seg := range segments {
			if fresh[i] {
				missing = append(missing, seg)
			}
		}
		return errUndo
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42501" { // insufficient_privilege
		return nil, nil
	}
	if !errors.Is(err, errUndo) {
		return nil, db.locked(ctx, err)
	}
	return missing, nil
}

// ping makes the server answer.
func (db *DB) ping(ctx context.Context) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		var steps pgx.Batch
		db.relyOn(&steps)
		return tx.SendBatch(ctx, &steps).Close()
	})
}
