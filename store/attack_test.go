package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// unrecorded are ways to a row before the record of its question is committed.
var unrecorded = map[string]string{
	"one transaction": "begin; select ask_case('2026-17'); select * from case_mail('2026-17'); commit",
	"one statement": "with asked as materialized (select ask_case('2026-17') as a) select m.* from asked, " +
		"lateral case_mail('2026-17') m where a > 0",
	"a savepoint": "begin; savepoint s; select ask_case('2026-17'); release s; select * from " +
		"case_mail('2026-17'); commit",
	"a block": "do $$ declare r record;begin perform ask_case('2026-17');for r in select * from " +
		"case_mail('2026-17') loop raise notice '%', r;end loop;end $$",
	"one message of two": "select ask_case('2026-17');select * from case_mail('2026-17')",
	"prepared": "begin; select ask_case('2026-17'); prepare p as select * from case_mail('2026-17'); " +
		"execute p; rollback",
	"a cursor": "begin; select ask_case('2026-17'); declare c cursor with hold for select * from " +
		"case_mail('2026-17'); fetch all from c; commit; fetch all from c",
	"a cursor before": "begin; declare c cursor for select * from case_mail('2026-17'); select " +
		"ask_case('2026-17'); fetch all from c; rollback",
	"copy": "begin; select ask_case('2026-17'); copy (select * from case_mail('2026-17')) to stdout; " +
		"rollback",
	"explain": "begin; select ask_case('2026-17'); explain (analyze, verbose) select * from " +
		"case_mail('2026-17'); rollback",
	"the answer": "begin; select * from case_answer(ask_case('2026-17')); rollback",
	"the answer, later": "begin; select ask_case('2026-17'); select * from case_answer((select max(a) from " +
		"generate_series(1, 100) a)); rollback",
	"two phases": "begin; select ask_case('2026-17'); prepare transaction 'asked'; select * from " +
		"case_mail('2026-17'); rollback prepared 'asked'",
	"read only": "begin read only; select ask_case('2026-17'); select * from case_mail('2026-17'); commit",
	"an old snapshot": "begin isolation level repeatable read; select ask_case('2026-17'); select * from " +
		"case_mail('2026-17'); commit",
	"replica":              "set session_replication_role = replica; select * from case_mail('2026-17')",
	"triggers off":         "alter table accesses disable trigger all; select * from case_mail('2026-17')",
	"another's role":       "set role tap25_admin; select * from mail",
	"the list":             "begin; select ask_case('2026-17'); select * from case_list('2026-17'); rollback",
	"the inner functions":  "select * from tap25_internal.case_rows('{1}', null, null, null)",
	"the copies":           "select * from tap25_internal.case_copies('{1}', null, null, null)",
	"the tables":           "select * from tap25_internal.mail_about('rcpt_to', 'b@b.example', 'true', null, null)",
	"a table of one's own": "create temp table mine as select * from case_mail('2026-17'); table mine",
	"a view of one's own":  "create view tap25.mine as select * from tap25.mail; table tap25.mine",
	"statistics": "select most_common_vals from pg_stats where schemaname = 'tap25_internal'; select * " +
		"from pg_statistic",
	"a slot": "select pg_create_logical_replication_slot('s', 'test_decoding'); select * from " +
		"pg_logical_slot_peek_changes('s', null, null)",
	"a file":         "select pg_read_file('PG_VERSION'); copy mail to '/tmp/mail'",
	"a large object": "select lo_from_bytea(0, 'x'), loid from pg_largeobject",
	"the record": "table accesses; select * from tap25.missing_accesses; update accesses set rows = 0; delete " +
		"from accesses",
	"the numbers": "select nextval('tap25.accesses_id_seq'), setval('tap25.accesses_id_seq', 1)",
	"the log": "set log_min_messages = panic; set log_min_error_statement = panic; select * from " +
		"case_mail('2026-17')",
	"the warrant": "insert into tap25_internal.warrant_targets (warrant_id, network, by_origin) values (1, " +
		"'0.0.0.0/0', true); select approve_warrant(1)",
	"the hold": "select add_hold('b@b.example', null, null, null, null, null, 'x')",
	"a lock":   "begin; lock table tap25.accesses; rollback",
}

// shown is all that a client gets of a script: rows, messages and errors.
func shown(t testing.TB, db *DB, user, sql string) string {
	t.Helper()
	session, told := toldSession(t, db, user)
	run(t, session, "set client_min_messages = notice")
	defer session.Close()
	var all strings.Builder
	// psql sends a statement at a time
	for part := range strings.SplitSeq(sql, "; ") {
		if strings.HasPrefix(part, "copy") {
			_, err := session.Conn().PgConn().CopyTo(t.Context(), &all, part)
			fmt.Fprintln(&all, err)
			continue
		}
		results, err := session.Conn().PgConn().Exec(t.Context(), part).ReadAll()
		for _, r := range results {
			for _, row := range r.Rows {
				fmt.Fprintf(&all, "%s\n", row)
			}
		}
		if e, ok := err.(*pgconn.PgError); ok {
			all.WriteString(e.Message + e.Detail + e.Hint + e.Where + "\n")
		}
	}
	return all.String() + told()
}

// No row reaches an auditor whose question is not committed, whatever they write, nor an administrator or an approver.
func TestAttack_NoRowIsShownBeforeItsRecord(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	run(t, db, "analyze")
	auditor := sessionUser(t, opened(t, db, "auditor", "b@b.example"))
	const admin = 1
	users := []string{auditor, sessionUser(t, as(t, db, "tap25_admin", "admin")),
		sessionUser(t, as(t, db, "tap25_approver", "clerk")), sessionUser(t, as(t, db, "tap25_sensor", "sensor"))}
	for name, sql := range unrecorded {
		for i, user := range users {
			if i == admin && name == "the record" { // which administrators see
				continue
			}
			age(t, db) // so that no earlier question is on record
			got := shown(t, db, user, sql)
			if strings.Contains(got, "@") || strings.Contains(got, "192.0.2.") {
				t.Errorf("%s: %s is shown %q", name, user, got)
			}
		}
	}
	if n := ask[int](t, db, "select count(*) from accesses where action = 'shown'"); n != 0 {
		t.Errorf("%d showings are recorded", n)
	}
}

// A question whose commit did not wait for the disk is there when its rows are shown.
func TestAttack_NoRowIsShownWhoseRecordACrashUndoes(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := opened(t, db, "auditor", "b.example")
	run(t, db, "alter system set wal_writer_delay = '1s'")
	t.Cleanup(func() {
		db.Conn().Exec(context.Background(), "alter system reset wal_writer_delay")
		db.Conn().Exec(context.Background(), "select pg_reload_conf()")
	})
	run(t, db, "select pg_reload_conf()")
	for range 3 { // the WAL writer wakes beside one of these at most
		run(t, auditor, "begin; select ask_case('2026-17'); set local synchronous_commit = off; commit")
		written := ask[string](t, db, "select pg_current_wal_insert_lsn()::text")
		run(t, auditor, "begin; select * from case_mail('2026-17')")
		if !ask[bool](t, db, "select pg_current_wal_flush_lsn() >= $1::text::pg_lsn", written) {
			t.Error("rows are shown before their question is on disk")
		}
		run(t, auditor, "commit")
	}
}

// age makes every question too old to be shown.
func age(t testing.TB, db *DB) {
	t.Helper()
	execute(t, db, "alter table accesses disable trigger append_only",
		"update accesses set at = at - interval '15 minutes' where action = 'read'",
		"alter table accesses enable always trigger append_only")
}

// A function of the auditor's own, in a condition, sees the rows of the auditor's cases alone: none of a view's others.
func TestAttack_AFunctionInAConditionSeesNoOthersCases(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	grant(t, db, db, as(t, db, "tap25_auditor", "other"), "canary@other.example")
	auditor := opened(t, db, "auditor", "b@b.example")
	execute(t, db, "create schema mine authorization "+sessionUser(t, auditor))
	t.Cleanup(func() { db.Conn().Exec(context.Background(), "drop schema mine cascade") })
	run(t, auditor,
		"create function mine.leak(anyelement) returns boolean language plpgsql cost 0.0001 as $$ begin raise "+
			"notice '%', $1; return true; end $$")
	run(t, auditor, "select ask_case('2026-17')")
	got := shown(t, db, sessionUser(t, auditor), "select * from my_cases c where mine.leak(c); select * from "+
		"case_mail('2026-17') m where mine.leak(m); select * from case_answer(2) a where mine.leak(a)")
	if !strings.Contains(got, "b@b.example") || strings.Contains(got, "canary") ||
		strings.Contains(got, "c@c.example") {
		t.Errorf("a function is shown %q", got)
	}
}

// On a standby nothing is recorded, so nothing is shown; nor after a question that only a transaction in two phases has
// prepared; and the rows are no auditor's by replication.
func TestAttack_StandbyTwoPhasesAndReplicationShowNothing(t *testing.T) {
	a, b := hostPair(t)
	primary := openHost(t, a.dsn()+testPath)
	loadRows(t, primary, "tap", at(old))
	execute(t, primary, "create role paula login in role tap25_auditor",
		"create role nora login in role tap25_approver",
		"select apply_for_warrant('2026-17', 'order', '{paula}', '{b@b.example}', '2020-02-29', '2020-03-01', "+
			"'2099-01-01')")
	run(t, openHost(t, strings.Replace(a.dsn(), "user="+a.user, "user=nora", 1)), "select tap25.approve_warrant(1)")
	asPaula := func(h *host) string { return strings.Replace(h.dsn(), "user="+h.user, "user=paula", 1) + testPath }
	auditor := openHost(t, asPaula(a))
	openCase(t, auditor)
	execute(t, auditor, "begin", "select ask_case('2026-17')", "prepare transaction 'asked'")
	refused(t, auditor, "select * from case_mail('2026-17')")
	run(t, auditor, "commit prepared 'asked'")
	if n := ask[int](t, auditor, "select count(*) from case_mail('2026-17')"); n != 1 {
		t.Errorf("%d rows after the commit, want 1", n)
	}
	standby := openHost(t, asPaula(b))
	reads := openHost(t, b.dsn())
	wait(t, func() bool {
		return ask[int](t, reads, "select count(*) from tap25.accesses where action = 'shown'") == 1
	})
	for _, sql := range []string{"select open_case('2026-17', 'x')", "select ask_case('2026-17')",
		"select * from case_mail('2026-17')", "select * from case_list('2026-17')"} {
		_, err := standby.Conn().Exec(t.Context(), sql)
		fails(t, sql, err, "25006")
	}
	if _, err := pgconn.Connect(t.Context(), asPaula(a)+" replication=database"); err == nil {
		t.Error("an auditor may replicate")
	}
}
