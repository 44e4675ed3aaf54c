package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tap25/store/spool"
)

// askAtOnce is how many keys one statement asks for.
const askAtOnce = 1000

// Missing returns those segments that no load has committed on the server of this connection.
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

// missingOf asks by entering all, in a transaction that is undone: a sensor may not read loads. As a rule all are there, which
// is one statement; else those that are not are found by halves.
func (db *DB) missingOf(ctx context.Context, sensor string, segments []spool.Segment) ([]spool.Segment, error) {
	var keys []string
	for _, seg := range segments {
		keys = append(keys, seg.Key)
	}
	fresh := 0
	err := pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := db.begin(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "insert into loads (sensor, segment, rows) select $1, key, 0 from unnest($2::text[]) as key on conflict do nothing", sensor, keys)
		if err != nil {
			return err
		}
		fresh = int(tag.RowsAffected())
		return errUndo
	})
	switch {
	case !errors.Is(err, errUndo):
		return nil, err
	case fresh == 0:
		return nil, nil
	case fresh == len(segments):
		return segments, nil
	}
	half := len(segments) / 2
	first, err := db.missingOf(ctx, sensor, segments[:half])
	if err != nil {
		return nil, err
	}
	second, err := db.missingOf(ctx, sensor, segments[half:])
	return slices.Concat(first, second), err
}

// ping asks the server for a sign of life.
func (db *DB) ping(ctx context.Context) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error { return db.begin(ctx, tx) })
}
