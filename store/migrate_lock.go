package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrationLock is the advisory lock of migrations, since a new database has no table to lock. Any login of the
// database can hold it.
const migrationLock = int64(9628173550095224)

// onCoordinator keeps Citus, if the server has it, from repeating statements on the workers: it would refuse functions
// that depend on tables that only the coordinator has. A migration that changes a distributed table turns it on again.
const onCoordinator = "set citus.enable_ddl_propagation = off"

// migrationWait sets lock_timeout for a migration, in a transaction or ($1 false) in the session, unless the user has
// set one.
const migrationWait = "select pg_catalog.set_config('lock_timeout', '30s', %t)" +
	" where pg_catalog.current_setting('lock_timeout') = '0'"

// lockMigrations takes the lock of migrations. The error of a lock that is not free in time names who holds it. A
// migration of somebody who may migrate is waited for: its session has begun to write.
func (db *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if _, err := db.conn.Exec(ctx, fmt.Sprintf(migrationWait, false)+"; "+onCoordinator); err != nil {
		return nil, fmt.Errorf("prepare the session: %w", err)
	}
	done := func() {
		_, _ = db.conn.Exec(context.WithoutCancel(ctx), "reset lock_timeout; reset citus.enable_ddl_propagation")
	}
	for {
		_, err := db.conn.Exec(ctx, "select pg_catalog.pg_advisory_lock($1)", migrationLock)
		if err == nil {
			return func() {
				const unlock = "select pg_catalog.pg_advisory_unlock($1)"
				_, _ = db.conn.Exec(context.WithoutCancel(ctx), unlock, migrationLock)
				done()
			}, nil
		}
		h, askErr := db.migrationHolder(ctx, err)
		switch {
		case askErr != nil:
			done()
			return nil, fmt.Errorf("wait for the lock of migrations: %w", askErr)
		case h == nil || h.migrates: // free by now, or it will be
			continue
		}
		done()
		return nil, fmt.Errorf("the lock of migrations is held by %s; "+
			"if this is no migration, end it: select pg_terminate_backend(%d): %w", h, h.pid, err)
	}
}

// holder is a session that has a lock.
type holder struct {
	pid      int32
	role     string
	migrates bool // it may migrate, and its transaction writes
}

func (h *holder) String() string { return fmt.Sprintf("process %d of %q", h.pid, h.role) }

// migrationHolder returns who has the lock of migrations, or nil if nobody has it. An error that is no lock_timeout is
// returned as it is.
func (db *DB) migrationHolder(ctx context.Context, err error) (*holder, error) {
	if !lockTimeout(err) || db.conn.IsClosed() {
		return nil, err
	}
	rows, err := db.conn.Query(ctx, `select coalesce(l.pid, 0), coalesce(a.usename::text, 'the server'),
		coalesce(r.rolsuper or r.rolname = session_user or r.oid = d.datdba or exists (select from pg_catalog.pg_class c
			join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = $2
			where c.relname = $3 and c.relowner = r.oid), false)
		and exists (select from pg_catalog.pg_locks w
			where w.pid = l.pid and w.locktype = 'transactionid' and w.granted)
		from pg_catalog.pg_locks l
		join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
		left join pg_catalog.pg_stat_activity a on a.pid = l.pid left join pg_catalog.pg_roles r on r.oid = a.usesysid
		where l.locktype = 'advisory' and l.granted and l.objsubid = 1
		and (l.classid::bigint << 32) + l.objid::bigint = $1
		limit 1`, migrationLock, internalSchema, versionTable)
	if err != nil {
		return nil, err
	}
	h, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (h *holder, err error) {
		h = &holder{}
		return h, row.Scan(&h.pid, &h.role, &h.migrates)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return h, err
}

// blocked adds to the error of a migration whose lock was not free in time who has locks on tap25's tables. It changes
// no other error.
func (db *DB) blocked(ctx context.Context, err error) error {
	if !lockTimeout(err) || db.conn.IsClosed() {
		return err
	}
	rows, askErr := db.conn.Query(ctx, `select distinct coalesce(l.pid, 0), coalesce(a.usename::text, 'the server')
		from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
		join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
		where l.granted and l.locktype = 'relation' and l.pid <> pg_catalog.pg_backend_pid()
		and n.nspname in ('tap25', 'tap25_internal', 'public') order by 1 limit 5`)
	if askErr != nil {
		return err
	}
	by, askErr := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		h := &holder{}
		err := row.Scan(&h.pid, &h.role)
		return h.String(), err
	})
	if askErr != nil || len(by) == 0 {
		return err
	}
	return &lockedError{err, "locks are held by " + strings.Join(by, ", ") + "; try again after they have ended"}
}

// lockTimeout reports whether a lock was not free in time (SQLSTATE 55P03).
func lockTimeout(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "55P03"
}
