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
		"ended by an update":  func() { execute(t, admin, "update warrants set valid_until = now()") },
		"ended as of yesterday": func() {
			execute(t, admin, "update warrants set valid_until = now() - interval '1 day'")
		},
		"the user has left the role": func() { execute(t, db, "revoke "+clerks+" from "+user) },
		"run out":                    func() { wait(t, func() bool { return ask[bool](t, db, lapsed) }) },
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.ReadUncommitted, pgx.ReadCommitted, pgx.RepeatableRead,
			pgx.Serializable} {
			execute(t, db, "grant "+clerks+" to "+user)
			for valid := 500 * time.Millisecond; ; valid *= 2 { // long enough to open it
				until := clerksUntil(name, valid)
				execute(t, admin, fmt.Sprintf(`insert into warrants (case_id, auditor, mailbox, since, before, valid_until, reason)
					values ('2026-17', '%s', 'b@b.example', '2020-02-29', '2020-03-01', clock_timestamp() + interval '%d ms', 'order')`, clerks, until.Milliseconds()))
				if ask[bool](t, auditor, "select open_case('2026-17', 'complaint')") {
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
	grant(t, db, auditor, "mailbox", "'b@b.example'")
	openCase(t, auditor)
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
		t.Errorf("%d rows are read more than twelve hours after the opening", n)
	}
}

// The rows of a question that was under way when its warrant was ended stay where they are.
func TestAuditor_AReadThatAWarrantDoesNotOutliveGivesNothing(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, auditor, "mailbox", "'b@b.example'")
	openCase(t, auditor)
	blocker := another(t, db.Conn().Config().Database)
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
		_, err := auditor.Conn().Exec(context.Background(), "select * from case_mail('2026-17')")
		read <- err
	}()
	wait(t, func() bool {
		return ask[bool](t, db, "select exists (select from pg_locks where pid = $1 and not granted)",
			auditor.Conn().PgConn().PID())
	})
	execute(t, db, "select end_warrant(id, 'withdrawn') from warrants")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err == nil || !strings.Contains(err.Error(), "has ended while it was read") {
		t.Errorf("the read ends with %v", err)
	}
}

func TestAdmin_GrantsAndEndsWarrantsAndChangesNone(t *testing.T) {
	db := database(t, false)
	admin := as(t, db, "tap25_admin", "admin")
	const rest = "case_id, auditor, mailbox, since, before, valid_until, reason) values ("
	const values = "'1', 'paula', 'b@b.example', '2020-02-29', '2020-03-01', clock_timestamp() + interval '1 day', " +
		"'order')"
	for column, value := range map[string]string{"granted_by": "'judge'", "granted_at": "'2020-01-01'", "id": "7"} {
		refused(t, admin, "insert into warrants ("+column+", "+rest+value+", "+values)
		refused(t, admin, "update warrants set "+column+" = "+value)
	}
	first := ask[int](t, admin, "insert into warrants ("+rest+values+" returning id")
	// by the owner
	execute(t, db, "insert into warrants (granted_by, granted_at, "+rest+"'judge', '2020-01-01', "+values)
	// past the view
	execute(t, db, "insert into tap25_internal.warrants (granted_by, granted_at, "+rest+"'judge', '2020-01-01', "+
		values)
	if n := ask[int](t, db, "select count(*) from warrants where granted_by in (session_user, $1) and granted_at > "+
		"now() - interval '1 hour'", sessionUser(t, admin)); n != 3 {
		t.Errorf("%d warrants say who granted them and when, want 3", n)
	}
	for _, db := range []*DB{admin, db} {
		for _, sql := range []string{"update warrants set valid_until = now() + interval '2 years'",
			"update warrants set valid_until = 'infinity'", "update warrants set valid_until = null",
			"update warrants set reason = 'x'", "update warrants set auditor = session_user", "delete from warrants"} {
			refused(t, db, sql)
		}
	}
	if _, err := admin.Conn().Exec(t.Context(), "select end_warrant(1, '')"); err == nil {
		t.Error("a warrant was ended for no reason")
	}
	// brought forward
	execute(t, admin, "update warrants set valid_until = clock_timestamp() + interval '1 hour' where id = 1")
	for _, want := range []bool{true, false} {
		if got := ask[bool](t, admin, "select end_warrant($1, 'withdrawn')", first); got != want {
			t.Errorf("ended: %v, want %v", got, want)
		}
	}
	refused(t, admin, "update warrants set valid_until = now() + interval '1 minute' where id = 1") // it has ended
	execute(t, admin, "update warrants set valid_until = now() where id = 1")
	got := ask[string](t, db, "select string_agg(concat_ws(' ', action, reason, by = $1, valid_until > at + interval "+
		"'1 minute'), ', ' order by id) from warrant_events where warrant_id = 1", sessionUser(t, admin))
	if want := "granted t, ended t t, ended withdrawn t f"; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
	if n := ask[int](t, admin, "select count(*) from warrants where valid_until > clock_timestamp()"); n != 2 {
		t.Errorf("%d warrants are valid, want 2", n)
	}
}
