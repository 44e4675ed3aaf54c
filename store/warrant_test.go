package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// openCase opens the case of grant, and commits.
func openCase(t testing.TB, auditor *DB) {
	t.Helper()
	if !ask[bool](t, auditor, "select open_case('2026-17', 'complaint')") {
		t.Fatal("the case is not opened")
	}
}

// execute runs statements one after the other.
func execute(t testing.TB, db *DB, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		run(t, db, sql)
	}
}

// A warrant that has ended, in whatever way, opens nothing to a transaction that began while it was valid, whatever its
// isolation level, snapshot and cursors.
func TestAuditor_NoTransactionOutlivesAWarrant(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	admin, auditor := as(t, db, "tap25_admin", "admin"), as(t, db, "tap25_auditor", "auditor")
	user := sessionUser(t, auditor)
	clerks := strings.Replace(user, "auditor", "clerks", 1)
	execute(t, db, "create role "+clerks)
	t.Cleanup(func() { db.Conn().Exec(context.Background(), "drop role "+clerks) })
	lapsed := "select max(valid_until) < clock_timestamp() from warrants"
	for name, end := range map[string]func(){
		"ended with a reason": func() { execute(t, admin, "select end_warrant(id, 'withdrawn') from warrants") },
		"ended as of yesterday": func() {
			execute(t, admin, "select end_warrant(id, 'withdrawn', now() - interval '1 day') from warrants")
		},
		"the user has left the role": func() { execute(t, db, "revoke "+clerks+" from "+user) },
		"run out":                    func() { wait(t, func() bool { return ask[bool](t, db, lapsed) }) },
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.ReadUncommitted, pgx.ReadCommitted, pgx.RepeatableRead,
			pgx.Serializable} {
			execute(t, db, "grant "+clerks+" to "+user)
			for valid := 500 * time.Millisecond; ; valid *= 2 { // long enough to open it
				until := clerksUntil(name, valid)
				approve(t, db, ask[int64](t, admin, fmt.Sprintf(`select apply_for_warrant('2026-17', 'order', '{%s}', '{b@b.example}', '2020-02-29', '2020-03-01',
					clock_timestamp() + interval '%d ms')`, clerks, until.Milliseconds())))
				if ask[bool](t, auditor, "select open_case('2026-17', 'complaint')") &&
					ask[bool](t, auditor, "select ask_case('2026-17') is not null") {
					break
				}
			}
			tx, err := auditor.Conn().BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select now(); declare early cursor for select * from "+
				"case_mail('2026-17'); savepoint s"); err != nil {
				t.Fatal(err)
			}
			end()
			if tag, err := tx.Exec(t.Context(), "select * from case_mail('2026-17')"); err == nil &&
				tag.RowsAffected() > 0 {
				t.Errorf("%s, %s: an old transaction reads %d rows", name, level, tag.RowsAffected())
			}
			tx.Exec(t.Context(), "rollback to s")
			var access *int64
			if err := tx.QueryRow(t.Context(), "select ask_case('2026-17')").
				Scan(&access); err == nil && access != nil {
				t.Errorf("%s, %s: an old transaction asks", name, level)
			}
			tx.Exec(t.Context(), "rollback to s")
			if tag, err := tx.Exec(t.Context(), "fetch all from early"); err == nil && tag.RowsAffected() > 0 {
				t.Errorf("%s, %s: a cursor that was declared before gives %d rows", name, level, tag.RowsAffected())
			}
			tx.Rollback(t.Context())
			execute(t, db, "select end_warrant(id, 'the next one') from warrants")
		}
	}
}

// clerksUntil is how long a warrant is valid that is ended in a way.
func clerksUntil(name string, valid time.Duration) time.Duration {
	if name == "run out" {
		return valid
	}
	return time.Hour
}

func TestAuditor_AnOpeningEndsInAnOldTransactionToo(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, db, auditor, "b@b.example")
	openCase(t, auditor)
	run(t, auditor, "select ask_case('2026-17')")
	tx, err := auditor.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	var began time.Time
	if err := tx.QueryRow(t.Context(), "select now()").Scan(&began); err != nil {
		t.Fatal(err)
	}
	// Twelve hours go by: the opening becomes older, not the clock younger.
	execute(t, db, "alter table accesses disable trigger append_only",
		fmt.Sprintf("update accesses set at = '%s'::timestamptz - interval '12 hours' + interval '1 ms'",
			began.Format(time.RFC3339Nano)), "alter table accesses enable always trigger append_only")
	wait(t, func() bool {
		return ask[bool](t, db, "select clock_timestamp() > $1::timestamptz + interval '1 ms'", began)
	})
	var n int
	if err := tx.QueryRow(t.Context(), "select count(*) from case_mail('2026-17')").Scan(&n); err == nil {
		t.Errorf("%d rows are shown more than twelve hours after the opening", n)
	}
}

// A question that was under way when its warrant was ended is not answered, and its rows stay where they are.
func TestAuditor_AReadThatAWarrantDoesNotOutliveGivesNothing(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	blocker := another(t, db.Conn().Config().Database)
	for _, sql := range []string{"select ask_case('2026-17')", "select * from case_mail('2026-17')"} {
		id := grant(t, db, db, auditor, "b@b.example")
		openCase(t, auditor)
		run(t, auditor, "select ask_case('2026-17')")
		tx, err := blocker.Conn().Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.Background())
		if _, err := tx.Exec(t.Context(), "lock table tap25_internal.held in access exclusive mode"); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := auditor.Conn().Exec(context.Background(), sql)
			read <- err
		}()
		wait(t, func() bool {
			return ask[bool](t, db, "select exists (select from pg_locks where pid = $1 and not granted)",
				auditor.Conn().PgConn().PID())
		})
		run(t, db, "select end_warrant($1, 'withdrawn')", id)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err == nil || !strings.Contains(err.Error(), "has ended while it was read") {
			t.Errorf("%s ends with %v", sql, err)
		}
	}
}
