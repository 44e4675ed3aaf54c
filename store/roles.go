package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// MissingRoles names the roles of tap25 that the server does not have: a migration makes them where its user may.
func (db *DB) MissingRoles(ctx context.Context) ([]string, error) {
	rows, err := db.conn.Query(ctx, `select r from unnest(array['tap25_sensor', 'tap25_auditor', 'tap25_admin']) r
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
