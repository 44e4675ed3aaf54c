package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// GrantRoles gives the roles that exist their rights, also those that were made after the migration. It does nothing if
// this user is not the owner of tap25's schema.
func (db *DB) GrantRoles(ctx context.Context) error {
	var may bool
	err := db.conn.QueryRow(ctx, "select pg_catalog.pg_has_role(nspowner, 'usage') from pg_catalog.pg_namespace "+
		"where nspname = 'tap25_internal'").Scan(&may)
	if err == nil && may {
		_, err = db.conn.Exec(ctx, "select tap25_internal.grant_roles(), tap25_internal.let_roles_connect()")
	}
	if err != nil {
		return fmt.Errorf("grant the roles their rights: %w", err)
	}
	return nil
}

// MissingRoles returns the names of tap25's roles that the server does not have: a migration makes them if its user
// may.
func (db *DB) MissingRoles(ctx context.Context) ([]string, error) {
	rows, err := db.conn.Query(ctx, `select r from unnest(array['tap25_sensor', 'tap25_auditor', 'tap25_approver', 'tap25_admin']) r
		where not exists (select from pg_roles where rolname = r)`)
	if err != nil {
		return nil, fmt.Errorf("list the roles: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the roles: %w", err)
	}
	return missing, nil
}
