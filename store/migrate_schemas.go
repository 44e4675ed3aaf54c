package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// begin makes the schemas in a database that has none of tap25's objects.
func (db *DB) begin(ctx context.Context) (schema, owner string, err error) {
	err = pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select current_user::text").Scan(&owner); err != nil {
			return err
		}
		return makeSchemas(ctx, tx, owner)
	})
	if err != nil {
		return "", "", fmt.Errorf("find the schema: %w", err)
	}
	return internalSchema, owner, nil
}

// makeSchemas makes the schemas, of the owner of what there is; an administrator may have made them for him. The caller
// has the lock of migrations.
func makeSchemas(ctx context.Context, tx pgx.Tx, owner string) error {
	for _, name := range []string{peopleSchema, internalSchema} {
		var is string
		err := tx.QueryRow(ctx, "select nspowner::regrole::text from pg_catalog.pg_namespace where nspname = $1", name).
			Scan(&is)
		role := pgx.Identifier{owner}.Sanitize()
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			create := "CREATE SCHEMA " + name + " AUTHORIZATION " + role
			if _, err := tx.Exec(ctx, create); err != nil {
				return fmt.Errorf("create the schema %s: %w; have an administrator run: %s", name, err, create)
			}
		case err != nil:
			return fmt.Errorf("find the schema %s: %w", name, err)
		case is != owner && is != role:
			return fmt.Errorf("the schema %s exists and belongs to %s: have an administrator run: ALTER SCHEMA %s "+
				"OWNER TO %s", name, is, name, role)
		}
	}
	return nil
}

//go:embed leave_public.sql
var leavePublicSQL string

// leavePublic moves the objects of a tap25 up to lastInPublic to the internal schema and migrates them there as far as
// the first version that finds them: all in one transaction, so that an older tap25 works until it is done. What others
// have put into public is on no search_path meanwhile. It does nothing if another connection has done so.
func (db *DB) leavePublic(ctx context.Context, owner string) error {
	return pgx.BeginFunc(ctx, db.conn, func(tx pgx.Tx) error {
		if err := makeSchemas(ctx, tx, owner); err != nil {
			return err
		}
		var version int32
		if schema, _, err := db.where(ctx); err != nil || schema != "public" {
			return err
		}
		if err := tx.QueryRow(ctx, "select version from public."+versionTable).Scan(&version); err != nil {
			return err
		}
		steps, err := migrationSQL()
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, settings(owner, internalSchema, lastInPublic+1)+leavePublicSQL); err != nil {
			return err
		}
		for v := version + 1; v <= lastInPublic+1; v++ {
			if _, err := tx.Exec(ctx, settings(owner, internalSchema, v)+steps[v-1]); err != nil {
				return fmt.Errorf("migration %d: %w", v, err)
			}
		}
		_, err = tx.Exec(ctx, "update "+internalSchema+"."+versionTable+" set version = $1", lastInPublic+1)
		return err
	})
}
