package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// batch is the records of one segment: rows and coverage.
type batch struct {
	sensor, key string
	records     [][]byte
	days        Days               // of a capture file; zero: those of rows
	roots       []evidence.DayRows // of the records
}

// Load adds the records of a segment, in one transaction; added is false if an earlier load of that name has committed.
// Each is a tuple of COPY's binary format as made by [AppendRow] or [AppendCoverage]; Load keeps none of them. After an
// error none was added, unless the answer to COMMIT was lost: Load again with the same name is right after any error.
// See [Hopeless] and [Passes] for whether to wait.
func (db *DB) Load(ctx context.Context, sensor, segment string, records [][]byte) (added bool, err error) {
	all, err := db.load(ctx, []batch{{sensor: sensor, key: segment, records: records, roots: rootsOf(records)}})
	if err != nil {
		return false, err
	}
	return all[0], nil
}

// Note enters segments as loaded whose rows the database has under other names: all of them, or none. It returns how
// many of them were there already. Errors are those of [DB.Load].
func (db *DB) Note(ctx context.Context, sensor string, segments []FileKey) (before int, err error) {
	if len(segments) == 0 {
		return 0, nil
	}
	var batches []batch
	for _, key := range segments {
		batches = append(batches, batch{sensor: sensor, key: key.Key, days: key.Days})
	}
	added, err := db.load(ctx, batches)
	for _, a := range added {
		if !a {
			before++
		}
	}
	return before, err
}

// load adds the records of segments of one sensor in one transaction, and reports which of them no earlier load has
// committed.
func (db *DB) load(ctx context.Context, batches []batch) (added []bool, err error) {
	var all [][]byte
	for _, b := range batches {
		all = append(all, b.records...)
	}
	rows, _ := apart(all)
	if err := db.makeDays(ctx, rows); err != nil {
		return nil, err
	}
	committed := func() {}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		added, committed, err = db.add(ctx, tx, batches, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load %d rows: %w", len(rows), db.locked(ctx, err))
	}
	committed()
	return added, nil
}

// add adds segments in a transaction. The rows are those of all of them. The caller calls committed after COMMIT.
func (db *DB) add(ctx context.Context, tx pgx.Tx, batches []batch, rows [][]byte) (added []bool, committed func(),
	err error) {
	committed = func() {}
	added, to, err := db.enter(ctx, tx, batches, rows)
	if err != nil {
		return nil, committed, err
	}
	var fresh []batch
	records := make([][]byte, 0, len(rows))
	for i, b := range batches {
		if added[i] && len(b.records) > 0 {
			fresh, records = append(fresh, b), append(records, b.records...)
		}
	}
	switch {
	case len(records) == 0:
	case db.signer == nil:
		err = copyRecords(ctx, tx, to, records)
	default:
		committed, err = db.copySigned(ctx, tx, fresh, to)
	}
	return added, committed, err
}

// enter enters segments in loads and prepares their rows' days, in one round trip: added is false for a segment that is
// there already.
func (db *DB) enter(ctx context.Context, tx pgx.Tx, batches []batch, rows [][]byte) (added []bool,
	to *destination, err error) {
	to = &destination{}
	var steps pgx.Batch
	db.relyOn(&steps)
	forgetDropped(&steps, batches)
	enterLoads(&steps, batches, &added)
	dateLoads(&steps, batches)
	if len(rows) > 0 {
		to = beginLoad(&steps, batches[0].sensor, rows)
	}
	err = tx.SendBatch(ctx, &steps).Close()
	return added, to, err
}

// copySigned copies the records of segments, each in a savepoint of its own but the first: so PostgreSQL gives the rows
// of each an xmin of their own, which costs no octet and shows later which rows are whose. Then it adds the links.
// The caller calls committed after COMMIT.
func (db *DB) copySigned(ctx context.Context, tx pgx.Tx, batches []batch, to *destination) (
	committed func(), err error) {
	var links []*evidence.Link
	for i, b := range batches {
		if i > 0 {
			if err := beginSegment(ctx, tx, b, i > 1); err != nil {
				return nil, err
			}
		}
		if err := copyRecords(ctx, tx, to, b.records); err != nil {
			return nil, err
		}
		links = append(links, &evidence.Link{Kind: evidence.Segment, Segment: b.key, Days: dated(b.roots, to.misdated)})
	}
	return db.sign(ctx, tx, db.signer, batches[0].sensor, links)
}

// beginSegment begins a savepoint in place of the one before, in one round trip.
func beginSegment(ctx context.Context, tx pgx.Tx, b batch, release bool) error {
	var steps pgx.Batch
	if release {
		steps.Queue("release savepoint segment")
	}
	steps.Queue("savepoint segment")
	steps.Queue("select tap25_internal.stamp_load($1, $2)", b.sensor, b.key)
	return tx.SendBatch(ctx, &steps).Close()
}

// enterLoads enters segments of one sensor in loads; added is false for one that is there already. It waits for a
// session that is just loading one.
func enterLoads(steps *pgx.Batch, batches []batch, added *[]bool) {
	keys, counts := make([]string, len(batches)), make([]int64, len(batches))
	for i, b := range batches {
		keys[i], counts[i] = b.key, int64(len(b.records))
	}
	steps.Queue("select tap25_internal.enter_loads($1, $2, $3)", batches[0].sensor, keys, counts).
		QueryRow(func(row pgx.Row) error { return row.Scan(added) })
}

// errAnotherServer means that a connection now leads to another server, as one through a pooler may after a failover.
var errAnotherServer = errors.New("another server has become the database since the last load")

// relyOn makes the COMMIT of a transaction reliable, whatever the role's settings: the server answers it
// once it is on disk, and on that of a synchronous standby if there is one. A higher synchronous_commit stays. All
// transactions of a connection must be on the same server, since that is asked for what is kept when the connection
// begins.
func (db *DB) relyOn(steps *pgx.Batch) {
	steps.Queue(`select pg_catalog.pg_postmaster_start_time(),
		case when pg_catalog.current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
		    then pg_catalog.set_config('synchronous_commit', 'on', true) end`).QueryRow(func(row pgx.Row) error {
		var server time.Time
		if err := row.Scan(&server, nil); err != nil {
			return err
		}
		if db.server.IsZero() {
			db.server = server
		}
		if !server.Equal(db.server) {
			return errAnotherServer
		}
		return nil
	})
}

// errUndo ends a transaction that only asked a question.
var errUndo = errors.New("undo")

// Loaded reports whether a load of that name was committed, and retention has not dropped all of the file's rows since.
func (db *DB) Loaded(ctx context.Context, sensor, segment string) (bool, error) {
	return db.loaded(ctx, batch{sensor: sensor, key: segment})
}

// loaded reports whether a load has committed a segment. A sensor may not read loads, so it tries to enter it.
func (db *DB) loaded(ctx context.Context, b batch) (yes bool, err error) {
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		var steps pgx.Batch
		var fresh []bool
		forgetDropped(&steps, []batch{b})
		enterLoads(&steps, []batch{b}, &fresh)
		if err := tx.SendBatch(ctx, &steps).Close(); err != nil {
			return err
		}
		yes = !fresh[0]
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		return false, fmt.Errorf("check if a segment is loaded: %w", err)
	}
	return yes, nil
}

// PruneLoads forgets segments of a sensor that no spool can hold any more: those with keys of a spool's own that sort
// before older, and that were loaded more than 30 days ago. It returns how many.
func (db *DB) PruneLoads(ctx context.Context, sensor, older string) (n int64, err error) {
	if err := db.conn.QueryRow(ctx, "select tap25_internal.prune_loads($1, $2)", sensor, older).Scan(&n); err != nil {
		return 0, fmt.Errorf("prune the table loads: %w", err)
	}
	return n, nil
}
