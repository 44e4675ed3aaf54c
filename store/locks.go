package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// lockedError is a lock that was not free in time, with those who had it.
type lockedError struct {
	err error
	by  string
}

func (e *lockedError) Error() string { return e.err.Error() + "; " + e.by }

func (e *lockedError) Unwrap() error { return e.err }

// holders asks who has a lock on a table of tap25 that keeps a load waiting: login and application alone, never what
// they ask. A load waits for another of its own sensor too, and so of its own login.
const holders = `select distinct coalesce(a.usename::text, 'the server'), coalesce(a.application_name, '')
	from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
	join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where l.granted and l.locktype = 'relation' and l.pid <> pg_catalog.pg_backend_pid()
	    and n.nspname in ('tap25', 'tap25_internal') and c.relkind in ('r', 'p')
	and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
	and (l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
	    'AccessExclusiveLock')
		or l.mode = 'RowExclusiveLock' and a.usename = session_user) order by 1, 2 limit 5`

// locked adds to the error of a lock that was not free in time (SQLSTATE 55P03) who has locks now. It changes no other
// error.
func (db *DB) locked(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "55P03" || db.conn.IsClosed() {
		return err
	}
	rows, askErr := db.conn.Query(ctx, holders)
	if askErr != nil {
		return err
	}
	by, askErr := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var login, application string
		err := row.Scan(&login, &application)
		return fmt.Sprintf("%q with %q", login, application), err
	})
	if askErr != nil || len(by) == 0 {
		return err
	}
	return &lockedError{err, "locks are held by " + strings.Join(by, ", ")}
}

// onlyRebuild keeps others from rebuilding indexes until release is called; ok is false if another connection does so.
// The lock is that of a transaction of its own connection, since a rebuild is many transactions: it has no snapshot,
// for which a rebuild would wait.
func (db *DB) onlyRebuild(ctx context.Context) (release func(), ok bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, db.conn.Config())
	if err != nil {
		return nil, false, fmt.Errorf("connect for a lock: %w", err)
	}
	other := &DB{conn: conn}
	_, err = conn.PgConn().Exec(ctx, "begin; set local idle_in_transaction_session_timeout = 0; lock table "+
		"tap25_internal.rebuilding_indexes in exclusive mode nowait").ReadAll()
	if err != nil {
		other.Close()
		if inUse(err) {
			return nil, false, nil
		}
		return nil, false, err
	}
	return func() {
		conn.PgConn().Exec(ctx, "rollback").Close() // answered, unlike the end of a connection
		other.Close()
	}, true, nil
}
