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

// ErrDistributed is returned by [DB.PackDays]: days of a distributed database cannot be packed.
var ErrDistributed = errors.New("the database is distributed, and its days are not packed")

// Distribution describes how a database's rows are divided among machines.
type Distribution struct {
	Before  time.Time // when the database was distributed; zero: by this call
	Citus   string    // version of the extension
	Workers int       // machines that have rows
	Shards  int       // parts of each table
	Rows    int64     // all rows of mail
}

// Distribute has Citus divide the rows of envelopes, misdated and held among the machines that it knows, by session. It
// runs in one transaction, in which nobody else reads or loads, and changes nothing in a database that is distributed
// already. Only the owner of the schema may do it. The error says what is missing; it is [ErrNoSchema] or
// [ErrOlderSchema] for a database that does not have this program's schema.
func (db *DB) Distribute(ctx context.Context) (d Distribution, err error) {
	unlock, err := db.lockMigrations(ctx) // also keeps another connection from distributing the database
	if err != nil {
		return d, err
	}
	defer unlock()
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
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// distribution returns how the rows are divided, or zero if they are not.
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

// divided fills in what Citus knows about the tables.
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
	var citus, owns, copied, restored, rows bool
	var owner string
	var packed int
	err := tx.QueryRow(ctx, `select exists (select from pg_extension where extname = 'citus'),
		pg_has_role(c.relowner, 'usage'), c.relowner::regrole::text,
		(select count(distinct day) from tap25_internal.packs),
		exists (select from pg_publication_tables where schemaname = 'tap25_internal' and
		    tablename ~ '^(envelopes|misdated)')
		or exists (select from pg_subscription_rel where srrelid in
		    ('tap25_internal.envelopes'::regclass, 'tap25_internal.misdated'::regclass)),
		(select xmin <> born from tap25_internal.evidence), exists (select from tap25_internal.days where rows > 0)
		from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass`).
		Scan(&citus, &owns, &owner, &packed, &copied, &restored, &rows)
	switch {
	case err != nil:
		return err
	case !citus:
		return errors.New("this database does not have the extension citus: install Citus on each machine, put it " +
			"into shared_preload_libraries, and run CREATE EXTENSION citus in a database of the same name on each")
	case !owns:
		return fmt.Errorf("only the owner of the tables may do this: connect as %s", owner)
	case packed > 0:
		return fmt.Errorf("%s packed, and packed days cannot be distributed: export the mail with 'tap25 export', and "+
			"import it into a database that was distributed while it was empty", plural(uint64(packed), "day"))
	case copied:
		return errors.New("a publication or a subscription has the tables of mail, and Citus would replicate none of " +
			"their rows: a distributed database cannot be copied by logical replication, nor be such a copy")
	case restored && rows:
		return errors.New("the rows were restored from a dump, so only their order on disk shows which segment each " +
			"belongs to, and distributing them would lose it: distribute an empty database, and import into it")
	}
	var workers int
	if err := tx.QueryRow(ctx, "select count(*) from pg_dist_node where isactive and shouldhaveshards").
		Scan(&workers); err != nil {
		return err
	}
	if workers == 0 {
		return errors.New("no machine that Citus knows may have rows: SELECT citus_set_coordinator_host('...'), then " +
			"SELECT citus_add_node('...', 5432) for each worker")
	}
	return nil
}

// distributed reports whether the rows are divided among machines.
func (db *DB) distributed(ctx context.Context) (yes bool, err error) {
	err = db.conn.QueryRow(ctx, "select tap25_internal.is_distributed()").Scan(&yes)
	return yes, err
}
