package store

import (
	"strings"
	"testing"
)

// shut asks to open a case that no warrant opens: it is not opened, and that is recorded.
func shut(t testing.TB, owner, auditor *DB, which string) {
	t.Helper()
	const lines = "select count(*) from accesses where action = 'refused' and auditor = $1 and case_id = $2 and " +
		"purpose = 'curious' and refusal <> ''"
	before := ask[int](t, owner, lines, sessionUser(t, auditor), which)
	if ask[bool](t, auditor, "select open_case($1, 'curious')", which) {
		t.Errorf("case %s is opened", which)
	}
	if n := ask[int](t, owner, lines, sessionUser(t, auditor), which); n != before+1 {
		t.Errorf("case %s: %d refusals recorded, want %d", which, n, before+1)
	}
}

func TestAuditor_RefusalsAreRecorded(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor, other := as(t, db, "tap25_auditor", "auditor"), as(t, db, "tap25_auditor", "other")
	grant(t, db, db, auditor, "b@b.example")
	shut(t, db, other, "2026-17")
	shut(t, db, other, "no such case")
	refused(t, other, "select ask_case('2026-17')")
	openCase(t, auditor)
	execute(t, db, "select end_warrant(id, 'withdrawn') from warrants")
	session, told := toldSession(t, db, sessionUser(t, auditor))
	if n := ask[int](t, session, "select count(*) from case_mail('2026-17')") +
		ask[int](t, session, "select count(*) from ask_case('2026-17') access where access > 0"); n != 0 ||
		!strings.Contains(told(), "has ended") {
		t.Errorf("%d rows of a warrant that has ended; the user is told: %s", n, told())
	}
	// 3 was an error: an answer without rows would look like no mail
	const want = "1 refused, 2 refused, 4 open, 5 refused, 6 refused"
	if got := ask[string](t, db, "select string_agg(id || ' ' || action, ', ' order by id) from accesses"); got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

func TestAuditor_ARecordSaysWhatWasReadByWhomFromWhere(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, db, auditor, "b@b.example")
	grant(t, db, db, auditor, "192.0.2.0/24")
	openCase(t, auditor)
	execute(t, auditor, "set application_name = 'psql'", "set synchronous_commit = off",
		"select ask_case('2026-17', '2020-02-29', null, 'B@B.example')",
		"select * from case_mail('2026-17', '2020-02-29', null, 'B@B.example')")
	got := ask[string](t, db, `select string_agg(concat_ws(' ', id, action, opening, purpose, rows, warrant_ids, targets, since::date, before::date, application_name, backend_pid = $1, asked, asked_target, asked_since::date, asked_before, length(sha256)), ', ' order by id)
		from accesses`, auditor.Conn().PgConn().PID())
	const want = "1 open complaint {1,2} {b@b.example,192.0.2.0/24} 2020-02-29 2020-03-01 tap25 t, " +
		"2 read 1 1 {1,2} {b@b.example,192.0.2.0/24} 2020-02-29 2020-03-01 psql t B@B.example 2020-02-29 64, " +
		"3 shown 1 1 {1,2} {b@b.example,192.0.2.0/24} 2020-02-29 2020-03-01 psql t 2 B@B.example 2020-02-29 64"
	if got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

// All that a case has is read at the call, so the record has it, however little of it is fetched.
func TestAuditor_FetchesNoRowThatIsNotRecorded(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, db, auditor, "0.0.0.0/1", "128.0.0.0/1")
	openCase(t, auditor)
	run(t, auditor, "select ask_case('2026-17')")
	forms := []string{"select * from case_mail('2026-17')", "select case_mail('2026-17')",
		"select m.* from generate_series(1, 1) i, lateral case_mail('2026-17') m where i > 0"}
	for _, sql := range forms {
		execute(t, auditor, "begin", "declare c cursor for "+sql, "fetch 1 from c", "commit",
			"select * from ("+sql+") m limit 1")
	}
	if got, want := ask[string](t, db, "select string_agg(rows::text, ' ' order by id) from accesses where action = "+
		"'shown'"), strings.Repeat(" 3", 2*len(forms))[1:]; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

// What is recorded is not changed by its owner either, nor by a superuser who plays a replica.
func TestRecords_AreAppendOnly(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, db, auditor, "b@b.example")
	openCase(t, auditor)
	hold(t, db, "b@b.example", nil)
	execute(t, db, "select end_warrant(1, 'withdrawn')")
	expire(t, db, impatient)
	run(t, db, "insert into scopes (sensor, program, since, version) values ('tap', 'sniff', now(), '')")
	run(t, db, "insert into tap25_internal.ended_sessions (login, open_since) values ('paula', now())")
	for _, role := range []string{"origin", "replica"} {
		execute(t, db, "set session_replication_role = "+role)
		for table, column := range map[string]string{"accesses": "at", "warrant_events": "at",
			"tap25_internal.warrants": "applied_at", "tap25_internal.warrant_targets": "seen_in",
			"tap25_internal.warrant_auditors": "auditor", "expired": "dropped_at", "retentions": "set_at",
			"holds": "added_at", "scopes": "since",
			"tap25_internal.ended_sessions": "at"} {
			if ask[int](t, db, "select count(*) from "+table) == 0 {
				t.Fatalf("%s is empty", table)
			}
			refused(t, db, "update "+table+" set "+column+" = '2020-01-01'")
			refused(t, db, "delete from "+table)
			refused(t, db, "truncate "+table+" cascade")
		}
		refused(t, db, "update holds set reason = 'x'")
		refused(t, db, "update holds set released_at = now(), reason = 'x'")
	}
	for table, sql := range map[string]string{
		"accesses": "insert into accesses (auditor, at, case_id, action) values ('paula', " +
			"'2020-01-01', 'x', 'read')",
		"warrant_events": "insert into warrant_events (warrant_id, action, valid_until, by, at) " +
			"values (1, 'ended', now(), 'judge', '2020-01-01')",
		"expired": "insert into expired (day, kind, rows, bytes, version, dropped_by, " +
			"dropped_at) values ('2020-01-01', 'partition', 0, 0, '', 'judge', '2020-01-01')",
		"tap25_internal.ended_sessions": "insert into tap25_internal.ended_sessions (login, open_since, ended_by, " +
			"at) values ('x', now(), 'judge', '2020-01-01')",
		"retentions": "insert into retentions (kept, set_by, set_at) values ('1 day', 'judge', '2020-01-01')",
		"scopes": "insert into scopes (sensor, program, since, version, set_by, set_at) values ('x', 'sniff', now(), " +
			"'', 'judge', '2020-01-01')",
		"holds": "insert into holds (mailbox, reason, added_by, added_at, dropped_by, dropped_at) values ('b', " +
			"'x', 'judge', '2020-01-01', 'judge', '2020-01-01')",
	} {
		execute(t, db, sql)
		if row := ask[string](t, db, "select row_to_json(r)::text from (select * from "+table+
			" r order by r.ctid desc limit 1) r"); strings.Contains(row, "2020-01-01T") || strings.Contains(row,
			"judge") || strings.Contains(row, "paula") {
			t.Errorf("%s: another's name or time is recorded", table)
		}
	}
}
