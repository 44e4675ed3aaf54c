package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// A login of no rights holds the lock of migrations: the migration ends and names it, and goes on
// after it.
func TestMigrate_NamesTheStrangerWhoHoldsItsLock(t *testing.T) {
	for name, schema := range map[string]func(t *testing.T) (super, owner *DB){
		"no schema":       ownDatabase,
		"an older schema": func(t *testing.T) (super, owner *DB) { return oldDatabase(t, lastInPublic) },
	} {
		t.Run(name, func(t *testing.T) {
			super, owner := schema(t)
			stranger := login(t, super, "", "stranger")
			run(t, stranger, "select pg_advisory_lock($1)", migrationLock)
			run(t, stranger, "begin; select txid_current(); select") // as a migration has one
			run(t, owner, "set lock_timeout = '100ms'")
			wantBlocked(t, owner.Migrate(t.Context()), stranger, "pg_terminate_backend")
			if have, _, err := owner.Version(t.Context()); err != nil || schemaOf(t, owner) == internalSchema {
				t.Errorf("version %d, %v: something was migrated", have, err)
			}
			run(t, stranger, "rollback")
			run(t, stranger, "select pg_advisory_unlock($1)", migrationLock)
			if err := owner.Migrate(t.Context()); err != nil {
				t.Errorf("after it: %v", err)
			}
		})
	}
}

// A reader keeps a transaction open: a migration that needs the table to itself ends and names the reader.
func TestMigrate_NamesWhoReadsATableOfItsOwn(t *testing.T) {
	super, owner := oldDatabase(t, lastInPublic)
	reader := another(t, super.Conn().Config().Database)
	run(t, reader, "begin; select count(*) from public.mail; select")
	run(t, owner, "set lock_timeout = '100ms'")
	wantBlocked(t, owner.Migrate(t.Context()), reader, "locks are held by")
	run(t, reader, "rollback")
	if err := owner.Migrate(t.Context()); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// wantBlocked wants an error that names the process and the role of a session, and says more.
func wantBlocked(t *testing.T, err error, by *DB, more string) {
	t.Helper()
	fails(t, "a migration whose lock is not free", err, "55P03")
	want := fmt.Sprintf("process %d of %q", by.Conn().PgConn().PID(), sessionUser(t, by))
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), more) {
		t.Errorf("%v; want it to say %q and %q", err, want, more)
	}
}

func schemaOf(t *testing.T, db *DB) string {
	t.Helper()
	schema, _, err := db.where(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// A migration that is under way is waited for, however long it takes.
func TestMigrate_WaitsForAnothersMigration(t *testing.T) {
	super, owner := ownDatabase(t)
	cfg := owner.Conn().Config()
	run(t, super, "begin; select txid_current(); select")
	run(t, super, "select pg_advisory_lock($1)", migrationLock)
	run(t, owner, "set lock_timeout = '50ms'")
	done := make(chan error)
	go func() { done <- owner.Migrate(context.WithoutCancel(t.Context())) }()
	watch := another(t, cfg.Database)
	starts := map[string]bool{} // of its tries
	const waiting = `select coalesce(max(query_start::text), '') from pg_stat_activity
		where pid = $1 and wait_event = 'advisory'`
	wait(t, func() bool {
		starts[ask[string](t, watch, waiting, owner.Conn().PgConn().PID())] = true
		return len(starts) > 3
	})
	select {
	case err := <-done:
		t.Fatalf("it has not waited: %v", err)
	default:
	}
	run(t, super, "select pg_advisory_unlock($1)", migrationLock)
	run(t, super, "rollback")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMigrate_WaitsHalfAMinuteForALock(t *testing.T) {
	db := database(t, true)
	unlock, err := db.lockMigrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if timeout := ask[string](t, db, "show lock_timeout"); timeout != "30s" {
		t.Errorf("it waits %s", timeout)
	}
	unlock()
	if timeout := ask[string](t, db, "show lock_timeout"); timeout != "0" {
		t.Errorf("the session waits %s after it", timeout)
	}
	const own = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
	if n := ask[int](t, db, own); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}
