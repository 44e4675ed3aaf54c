package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrPooled is returned by [DB.Migrate] and [DB.FinishDays] for work that takes a session of its own. It cannot be done
// through a connection pooler, which may give each transaction another session: what the work sets or locks would stay
// with a session that others use next.
var ErrPooled = errors.New("not done through a connection pooler: name the server itself with --db")

// pooled reports whether there is a connection pooler in between. It hands out process IDs of its own (PostgreSQL
// documentation, "Message Formats", BackendKeyData).
func (db *DB) pooled(ctx context.Context) (bool, error) {
	var pid uint32
	if err := db.conn.QueryRow(ctx, "select pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
		return false, fmt.Errorf("ask for the server's process: %w", err)
	}
	return pid != db.conn.PgConn().PID(), nil
}

// pooledRebuild reports whether indexes of days are to be rebuilt, and that would go through a pooler.
func (db *DB) pooledRebuild(ctx context.Context, days []overDay) (bool, error) {
	if !slices.ContainsFunc(days, func(d overDay) bool { return d.Reindex }) {
		return false, nil
	}
	return db.pooled(ctx)
}
