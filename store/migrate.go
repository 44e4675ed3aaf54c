package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

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

// where is the schema that tap25's objects are in now, with the owner of the table of versions; both are empty where there are none.
func (db *DB) where(ctx context.Context) (schema, owner string, err error) {
	err = db.conn.QueryRow(ctx, `select n.nspname, pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relname = $1 and n.nspname in ($2, 'public') and c.relkind = 'r' order by n.nspname = $2 desc limit 1`, versionTable, internalSchema).Scan(&schema, &owner)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", "", fmt.Errorf("look for the schema: %w", err)
	}
	return schema, owner, nil
}

// Version returns the schema's version in the database, 0 for none, and this program's.
func (db *DB) Version(ctx context.Context) (have, want int32, err error) {
	entries, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	want = int32(len(entries))
	schema, _, err := db.where(ctx)
	if err != nil || schema == "" {
		return 0, want, err
	}
	if err := db.conn.QueryRow(ctx, "select version from "+schema+"."+versionTable).Scan(&have); err != nil {
		return 0, want, fmt.Errorf("read the schema's version: %w", err)
	}
	return have, want, nil
}

// Migrate brings the schema to this program's version. Several may call it at once; each migration is one transaction.
func (db *DB) Migrate(ctx context.Context) error {
	for {
		have, want, err := db.Version(ctx)
		if err != nil {
			return err
		}
		if have > want {
			return newer(have, want)
		}
		schema, owner, err := db.where(ctx)
		if err != nil {
			return err
		}
		if schema == "" {
			if schema, owner, err = db.begin(ctx); err != nil {
				return err
			}
		}
		m, err := db.migrator(ctx, schema, owner)
		if err != nil {
			return err
		}
		if schema == internalSchema {
			return migrateTo(ctx, m, want)
		}
		if err := migrateTo(ctx, m, lastInPublic); err != nil {
			return err
		}
		if err := db.leavePublic(ctx, m, owner); err != nil {
			return fmt.Errorf("move the schema out of public: %w", err)
		}
	}
}

func migrateTo(ctx context.Context, m *migrate.Migrator, version int32) error {
	if err := m.MigrateTo(ctx, version); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// begin makes the schemas in a database that has none of tap25's objects.
func (db *DB) begin(ctx context.Context) (schema, owner string, err error) {
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select current_user::text").Scan(&owner); err != nil {
			return err
		}
		return makeSchemas(ctx, tx, owner)
	})
	if err != nil {
		return "", "", fmt.Errorf("begin the schema: %w", err)
	}
	return internalSchema, owner, nil
}

// makeSchemas makes the schemas, of the owner of what there is; he may have been given them by an administrator.
func makeSchemas(ctx context.Context, tx pgx.Tx, owner string) error {
	for _, name := range []string{peopleSchema, internalSchema} {
		var exists bool
		err := tx.QueryRow(ctx, "select exists (select from pg_catalog.pg_namespace where nspname = $1)", name).Scan(&exists)
		if err == nil && !exists {
			_, err = tx.Exec(ctx, "create schema if not exists "+name+" authorization "+pgx.Identifier{owner}.Sanitize())
		}
		if err != nil {
			return fmt.Errorf("make the schema %s: %w", name, err)
		}
	}
	return nil
}

// migrator runs migrations on objects that are in a schema, as their owner, in fixed settings. The migrations up to lastInPublic
// name no schemas, and some of their functions' bodies are not to be had in a new database before they are replaced.
func (db *DB) migrator(ctx context.Context, schema, owner string) (*migrate.Migrator, error) {
	m, err := migrate.NewMigrator(ctx, db.conn, schema+"."+versionTable)
	if err != nil {
		return nil, fmt.Errorf("read the schema's version: %w", err)
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := m.LoadMigrations(sub); err != nil {
		return nil, err
	}
	for _, step := range m.Migrations {
		path := "pg_catalog, pg_temp"
		if step.Sequence <= lastInPublic {
			path = schema + "; set local check_function_bodies = off"
		}
		step.UpSQL = "set local role " + pgx.Identifier{owner}.Sanitize() + "; set local search_path = " + path + ";\n" + step.UpSQL
	}
	return m, nil
}

// leavePublic is the migration behind lastInPublic, which moves the table of versions too. It does nothing where another
// connection has done so.
func (db *DB) leavePublic(ctx context.Context, m *migrate.Migrator, owner string) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := makeSchemas(ctx, tx, owner); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "alter table if exists public."+versionTable+" set schema "+internalSchema); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "update "+internalSchema+"."+versionTable+" set version = $1 where version = $2", lastInPublic+1, lastInPublic)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		_, err = tx.Exec(ctx, m.Migrations[lastInPublic].UpSQL)
		return err
	})
}
