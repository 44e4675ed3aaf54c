package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationSQL is the text of each migration.
func migrationSQL() (steps []string, err error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := migrations.ReadFile(f)
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(text))
	}
	return steps, nil
}

// The schemas: people's, and the rest.
const (
	peopleSchema   = "tap25"
	internalSchema = "tap25_internal"
)

// versionTable holds the number of the schema's last migration. Up to lastInPublic all of tap25 was in public.
const (
	versionTable = "tap25_schema_version"
	lastInPublic = 11
)

// where returns the schema that tap25's objects are in now, and the owner of the table of versions; both are empty if
// there are none.
func (db *DB) where(ctx context.Context) (schema, owner string, err error) {
	err = db.conn.QueryRow(ctx, `select n.nspname, pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relname = $1 and n.nspname in ($2, 'public') and c.relkind = 'r'
		order by n.nspname = $2 desc limit 1`, versionTable, internalSchema).Scan(&schema, &owner)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", "", fmt.Errorf("find the schema: %w", err)
	}
	return schema, owner, nil
}

// Version returns the number of the schema's last migration in the database, 0 for none, and in this program.
func (db *DB) Version(ctx context.Context) (have, want int32, err error) {
	steps, err := migrationSQL()
	if err != nil {
		return 0, 0, err
	}
	want = int32(len(steps))
	for {
		schema, _, err := db.where(ctx)
		if err != nil || schema == "" {
			return 0, want, err
		}
		err = db.conn.QueryRow(ctx, "select version from "+schema+"."+versionTable).Scan(&have)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42P01" && schema == "public" {
			continue // another connection has just moved it
		}
		if err != nil {
			return 0, want, fmt.Errorf("read the schema's version: %w", err)
		}
		return have, want, nil
	}
}

// Migrate brings the schema to this program's version. Several may call it at once; each migration is one transaction.
// The error is that of [DB.Guard] if others may create in a schema, [ErrPooled] through a connection pooler, and
// another if the schema is newer than this program, if objects of tap25's names belong to somebody whom this user need
// not trust, or if a lock was not free in half a minute (in lock_timeout, if that is set): this one names the process
// and the role that hold it.
func (db *DB) Migrate(ctx context.Context) error {
	for {
		schema, owner, err := db.where(ctx)
		if err == nil && schema != "" {
			err = db.trust(ctx, schema, owner)
		}
		if err != nil {
			return err
		}
		have, want, err := db.Version(ctx)
		switch {
		case err != nil:
			return err
		case have > want:
			return newer(have, want)
		case have == want:
			return nil
		}
		if pooler, err := db.pooled(ctx); err != nil || pooler {
			return cmp.Or(err, fmt.Errorf("migrate the schema: %w", ErrPooled))
		}
		if err := db.Guard(ctx); err != nil {
			return err
		}
		unlock, err := db.lockMigrations(ctx)
		if err != nil {
			return fmt.Errorf("migrate the schema: %w", err)
		}
		err = db.migrateFrom(ctx, schema, owner, want)
		unlock()
		if err != nil {
			return db.blocked(ctx, err)
		}
	}
}

// trust returns an error if objects of tap25's names belong to a role other than this user, the database's owner or a
// superuser.
func (db *DB) trust(ctx context.Context, schema, owner string) error {
	var trusted bool
	err := db.conn.QueryRow(ctx, `select rolname = current_user or rolsuper or exists (
			select from pg_catalog.pg_database d where d.datname = pg_catalog.current_database() and d.datdba = r.oid)
		from pg_catalog.pg_roles r where rolname = $1`, owner).Scan(&trusted)
	if err != nil {
		return fmt.Errorf("find the owner of the schema: %w", err)
	}
	if !trusted {
		return fmt.Errorf("the table %s.%s belongs to %s: run 'tap25 db migrate' as that user, or drop the table if "+
			"it is not tap25's", schema, versionTable, owner)
	}
	return nil
}

// migrateFrom migrates objects that are in a schema, or makes them if there are none; those in public first leave it.
func (db *DB) migrateFrom(ctx context.Context, schema, owner string, version int32) (err error) {
	if schema == "" {
		if schema, owner, err = db.begin(ctx); err != nil {
			return err
		}
	}
	if schema != internalSchema {
		if err := db.leavePublic(ctx, owner); err != nil {
			return fmt.Errorf("move the schema out of public: %w", err)
		}
		return nil // Migrate looks again
	}
	err = db.checkDays(ctx)
	if err == nil {
		err = db.migrateTo(ctx, schema, owner, version)
	}
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// migrateTo migrates objects that are in a schema up to a version, as their owner, each migration in a transaction.
func (db *DB) migrateTo(ctx context.Context, schema, owner string, version int32) error {
	steps, err := migrationSQL()
	if err != nil {
		return err
	}
	versions := schema + "." + versionTable
	_, err = db.conn.Exec(ctx, fmt.Sprintf(`create table if not exists %[1]s (version int4 not null);
		insert into %[1]s select 0 where not exists (select from %[1]s)`, versions))
	for done := false; err == nil && !done; {
		err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
			var have int32
			if err := tx.QueryRow(ctx, "select version from "+versions).Scan(&have); err != nil {
				return err
			}
			if done = have >= version; done {
				return nil
			}
			if _, err := tx.Exec(ctx, asWritten); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, settings(owner, schema, have+1)+steps[have]); err != nil {
				return fmt.Errorf("migration %d: %w", have+1, err)
			}
			_, err := tx.Exec(ctx, "update "+versions+" set version = $1", have+1)
			return err
		})
	}
	return err
}

// asWritten has migrations mean what they say, whatever the database or the user has set: they have backslashes, and
// look for names in definitions. The server reads the strings of a query before it runs any of it.
const asWritten = "set local standard_conforming_strings = on; set local quote_all_identifiers = off"

// settings begins a migration. Those up to lastInPublic name no schemas, and the bodies of some of their functions name
// objects in public: they are replaced before anybody calls them.
func settings(owner, schema string, version int32) string {
	path := safePath
	if version <= lastInPublic {
		path = schema + "; set local check_function_bodies = off"
	}
	wait := fmt.Sprintf(migrationWait, true)
	return wait + "; set local role " + pgx.Identifier{owner}.Sanitize() + "; set local search_path = " + path + ";\n"
}
