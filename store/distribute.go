package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed distribute.sql
var distributeSQL string

// ErrDistributed is returned by [DB.PackDays] for a distributed database, whose days stay as they are.
var ErrDistributed = errors.New("the database is distributed, and its days are not packed")

// Distribution is how a database's rows are divided among machines.
type Distribution struct {
	Before  time.Time // when it was done; zero: just now
	Citus   string    // version of the extension
	Workers int       // machines that have rows
	Shards  int       // parts of each table
	Rows    int64     // that were there
}

// Distribute has Citus divide the rows of envelopes, misdated and held among the machines that it knows, by session. It
// does nothing to a database that is distributed, and all or nothing to another. Meanwhile nobody reads or loads. It
// takes the owner of the schema. The error says what is missing; it is [ErrNoSchema] or [ErrOlderSchema] for a database
// that does not have this program's schema.
func (db *DB) Distribute(ctx context.Context) (d Distribution, err error) {
	if err := db.Check(ctx); err != nil {
		return d, err
	}
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if d, err = distribution(ctx, tx); err != nil || !d.Before.IsZero() {
			return err
		}
		if err := distributable(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, distributeSQL); err != nil {
			return err
		}
		return divided(ctx, tx, &d)
	})
	if err != nil {
		return d, fmt.Errorf("distribute the database: %w", db.locked(ctx, err))
	}
	return d, nil
}

// asker is a connection or a transaction.
type asker interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// distribution returns how the rows are divided; zero: they are not.
func distribution(ctx context.Context, db asker) (d Distribution, err error) {
	err = db.QueryRow(ctx, "select distributed_at from tap25_internal.distribution").Scan(&d.Before)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	return d, divided(ctx, db, &d)
}

// divided asks Citus about the tables.
func divided(ctx context.Context, db asker, d *Distribution) error {
	return db.QueryRow(ctx, `select (select extversion from pg_extension where extname = 'citus'),
		(select count(distinct p.groupid) from pg_dist_shard s join pg_dist_placement p using (shardid)
		    where s.logicalrelid = 'tap25_internal.envelopes'::regclass),
		(select count(*) from pg_dist_shard s where s.logicalrelid = 'tap25_internal.envelopes'::regclass),
		(select coalesce(sum(rows), 0)::bigint from tap25_internal.days)`).
		Scan(&d.Citus, &d.Workers, &d.Shards, &d.Rows)
}

// distributable returns an error that says why the database cannot be distributed.
func distributable(ctx context.Context, tx pgx.Tx) error {
	var citus, owns, restored, rows bool
	var owner string
	var packed int
	err := tx.QueryRow(ctx, `select exists (select from pg_extension where extname = 'citus'),
		pg_has_role(c.relowner, 'usage'), c.relowner::regrole::text,
		(select count(distinct day) from tap25_internal.packs),
		(select xmin <> born from tap25_internal.evidence), exists (select from tap25_internal.days where rows > 0)
		from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass`).
		Scan(&citus, &owns, &owner, &packed, &restored, &rows)
	switch {
	case err != nil:
		return err
	case !citus:
		return errors.New("this database does not have the extension citus: install Citus on each machine, put it " +
			"into shared_preload_libraries, and run CREATE EXTENSION citus in a database of the same name on each")
	case !owns:
		return fmt.Errorf("this takes the owner of the tables: connect as %s", owner)
	case packed > 0:
		return fmt.Errorf("%s packed, which cannot be distributed: export the mail with 'tap25 export', and import it "+
			"into a database that was distributed while it was empty", plural(uint64(packed), "day"))
	case restored && rows:
		return errors.New("the rows were restored from a dump, so nothing but the order in which they are on disk " +
			"shows which segment each is of, and that would be lost: distribute an empty database, and import into it")
	}
	var workers int
	if err := tx.QueryRow(ctx, "select count(*) from pg_dist_node where isactive and shouldhaveshards").
		Scan(&workers); err != nil {
		return err
	}
	if workers == 0 {
		return errors.New("no machine may have rows, as Citus knows: SELECT citus_set_coordinator_host('...'), then " +
			"SELECT citus_add_node('...', 5432) for each worker")
	}
	return nil
}

// distributed reports whether the rows are divided among machines.
func (db *DB) distributed(ctx context.Context) (yes bool, err error) {
	err = db.conn.QueryRow(ctx, "select tap25_internal.is_distributed()").Scan(&yes)
	return yes, err
}
