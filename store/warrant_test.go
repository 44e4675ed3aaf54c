package store

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/storetest"
)

// logged is what the server has written to its log since the call that made it.
func logged(t testing.TB) func() string {
	t.Helper()
	c := storetest.Cluster(t)
	st, err := os.Stat(c.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		b, err := os.ReadFile(c.LogFile())
		if err != nil {
			t.Fatal(err)
		}
		return string(b[st.Size():])
	}
}

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
		"ended with a reason":        func() { execute(t, admin, "select end_warrant(id, 'withdrawn') from warrants") },
		"ended by an update":         func() { execute(t, admin, "update warrants set valid_until = now()") },
		"ended as of yesterday":      func() { execute(t, admin, "update warrants set valid_until = now() - interval '1 day'") },
		"the user has left the role": func() { execute(t, db, "revoke "+clerks+" from "+user) },
		"run out":                    func() { wait(t, func() bool { return ask[bool](t, db, lapsed) }) },
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.ReadUncommitted, pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
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
			if _, err := tx.Exec(t.Context(), "select now(); declare early cursor for select * from case_mail('2026-17'); savepoint s"); err != nil {
				t.Fatal(err)
			}
			end()
			if tag, err := tx.Exec(t.Context(), "select * from case_mail('2026-17')"); err == nil && tag.RowsAffected() > 0 {
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
	execute(t, db, "alter table accesses disable trigger append_only", fmt.Sprintf("update accesses set at = '%s'::timestamptz - interval '12 hours' + interval '1 ms'",
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
		return ask[bool](t, db, "select exists (select from pg_locks where pid = $1 and not granted)", auditor.Conn().PgConn().PID())
	})
	execute(t, db, "select end_warrant(id, 'withdrawn') from warrants")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err == nil || !strings.Contains(err.Error(), "has ended while it was read") {
		t.Errorf("the read ends with %v", err)
	}
}

// undone are ways to see something of a case and leave no line in accesses.
var undone = map[string]string{
	"rollback":            "begin; select count(*) from case_mail('2026-17'); rollback",
	"a cast that fails":   "select rcpt_to::int from case_mail('2026-17')",
	"yes or no by error":  "select 1 / (case when exists (select from case_mail('2026-17')) then 0 else 1 end)",
	"cursor":              "begin; declare c cursor for select * from case_mail('2026-17'); fetch 1 from c; rollback",
	"held cursor":         "begin; declare c cursor with hold for select rcpt_to::int from case_mail('2026-17'); commit",
	"explain":             "begin; explain analyze select * from case_mail('2026-17'); rollback",
	"savepoint":           "begin; savepoint s; select count(*) from case_mail('2026-17'); rollback to s; commit",
	"block":               "do $$ begin perform from case_mail('2026-17'); raise 'undo'; exception when others then null; end $$",
	"copy":                "copy (select rcpt_to::int from case_mail('2026-17')) to stdout",
	"timeout":             "set statement_timeout = '2s'; select pg_sleep(600) from case_mail('2026-17')",
	"cancel":              "select pg_sleep(600) from case_mail('2026-17')",
	"terminate":           "select pg_sleep(601) from case_mail('2026-17')",
	"serializable":        "begin isolation level serializable; select count(*) from case_mail('2026-17'); rollback",
	"not open":            "select count(*) from case_mail('2026-18')",
	"opening for nothing": "select open_case('2026-17', '')",
	"opening undone":      "begin; select open_case('2026-17', 'complaint'); rollback",
}

func TestAuditor_AnUndoneReadLeavesALineInTheLogAndANumber(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	admin := as(t, db, "tap25_admin", "admin")
	auditor := as(t, db, "tap25_auditor", "auditor")
	user := sessionUser(t, auditor)
	grant(t, db, auditor, "mailbox", "'b@b.example'")
	openCase(t, auditor)
	for name, sql := range undone {
		session, told := toldSession(t, db, user)
		before, log := missing(t, admin), logged(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			session.Conn().PgConn().Exec(context.Background(), sql).Close()
		}()
		line := regexp.MustCompile(`LOG:  tap25: access (\d+): (read|open) by user "` + user + `", warrants of the case \{\d*\}\n`)
		wait(t, func() bool { return line.MatchString(log()) })
		switch name {
		case "cancel":
			ask[bool](t, db, "select pg_cancel_backend($1)", session.Conn().PgConn().PID())
		case "terminate":
			ask[bool](t, db, "select pg_terminate_backend($1)", session.Conn().PgConn().PID())
		}
		<-done
		found := line.FindAllStringSubmatch(log(), -1)
		after := missing(t, admin)
		if len(found) != 1 || len(after) != len(before)+1 || fmt.Sprint(after[len(after)-1]) != found[0][1] {
			t.Errorf("%s: %d lines in the log, numbers without a line of accesses %d, then %d", name, len(found), before, after)
		}
		if strings.Contains(told(), "access") {
			t.Errorf("%s: the line of the log is told to the client", name)
		}
	}
	log := logged(t)
	auditor.Conn().Exec(t.Context(), "begin read only; select count(*) from case_mail('2026-17')")
	if !strings.Contains(log(), `LOG:  tap25: read by user "`+user+`" is refused: the transaction is read-only`) {
		t.Error("a read-only transaction leaves no line in the log")
	}
	if s, err := db.Status(t.Context()); err != nil || s.Missing != int64(len(undone)) || s.Accesses != 1 {
		t.Errorf("%+v, %v; want %d missing", s, err, len(undone))
	}
}

// toldSession is a session of a user that asks for every message, and what it is told.
func toldSession(t testing.TB, db *DB, user string) (session *DB, told func() string) {
	t.Helper()
	var all strings.Builder
	cfg := db.Conn().Config()
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { all.WriteString(n.Message + "\n") }
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	session = &DB{conn: conn}
	t.Cleanup(session.Close)
	execute(t, session, "set session authorization "+pgx.Identifier{user}.Sanitize(), "set client_min_messages = debug5")
	return session, all.String
}

// missing are the numbers of accesses that were given and have no line.
func missing(t testing.TB, db *DB) []int64 {
	t.Helper()
	return ask[[]int64](t, db, "select coalesce(array_agg(n order by n), '{}') from missing_accesses m, generate_series(m.first, m.last) n")
}

func TestAuditor_TheLogBearsNothingThatAUserHasMadeUp(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	const made = "x@canary.example\n2026-01-01 00:00:00 UTC [1] LOG:  tap25: access 99: read by user \"postgres\"\x1b[2J"
	log := logged(t)
	if _, err := auditor.Conn().Exec(t.Context(), "select open_case($1, $1)", made); err != nil {
		t.Fatal(err)
	}
	auditor.Conn().Exec(t.Context(), "select * from case_mail($1)", made)
	forger := "x\x1b[2J\nLOG:  tap25: access" + strings.TrimPrefix(sessionUser(t, auditor), "auditor_")
	execute(t, db, "create role "+pgx.Identifier{forger}.Sanitize()+" in role tap25_auditor")
	t.Cleanup(func() { db.Conn().Exec(context.Background(), "drop role "+pgx.Identifier{forger}.Sanitize()) })
	session, _ := toldSession(t, db, forger)
	execute(t, session, "select open_case('x', 'y')")
	if got := log(); strings.Contains(got, "\n2026-01-01 00:00:00 UTC [1]") || strings.Contains(got, "canary") || strings.Contains(got, "\nLOG") || strings.Contains(got, "\x1b") || strings.Count(got, "LOG:  tap25: access ") != 6 {
		t.Error("a line of the log is forged, or not six lines are there")
	}
}

// shut asks to open a case that no warrant opens: it is not opened, and that is recorded.
func shut(t testing.TB, owner, auditor *DB, which string) {
	t.Helper()
	const lines = "select count(*) from accesses where action = 'refused' and auditor = $1 and case_id = $2 and purpose = 'curious' and refusal <> ''"
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
	grant(t, db, auditor, "mailbox", "'b@b.example'")
	shut(t, db, other, "2026-17")
	shut(t, db, other, "no such case")
	refused(t, other, "select * from case_mail('2026-17')")
	openCase(t, auditor)
	execute(t, db, "select end_warrant(id, 'withdrawn') from warrants")
	session, told := toldSession(t, db, sessionUser(t, auditor))
	if n := ask[int](t, session, "select count(*) from case_mail('2026-17')"); n != 0 || !strings.Contains(told(), "has ended") {
		t.Errorf("%d rows of a warrant that has ended; the user is told: %s", n, told())
	}
	const want = "1 refused, 2 refused, 4 open, 5 refused" // 3 was an error: an answer without rows would look like no mail
	if got := ask[string](t, db, "select string_agg(id || ' ' || action, ', ' order by id) from accesses"); got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

func TestAuditor_ARecordSaysWhatWasReadByWhomFromWhere(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, auditor, "mailbox", "'b@b.example'")
	grant(t, db, auditor, "network", "'192.0.2.0/24'")
	openCase(t, auditor)
	execute(t, auditor, "set application_name = 'psql'", "set synchronous_commit = off", "select * from case_mail('2026-17')")
	got := ask[string](t, db, `select string_agg(concat_ws(' ', id, action, opening, purpose, rows, warrant_ids, targets, since::date, before::date, application_name, backend_pid = $1), ', ' order by id)
		from accesses`, auditor.Conn().PgConn().PID())
	const want = "1 open complaint {1,2} {b@b.example,192.0.2.0/24} 2020-02-29 2020-03-01 tap25 t, " +
		"2 read 1 2 {1,2} {b@b.example,192.0.2.0/24} 2020-02-29 2020-03-01 psql t"
	if got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

func TestAdmin_GrantsAndEndsWarrantsAndChangesNone(t *testing.T) {
	db := database(t, false)
	admin := as(t, db, "tap25_admin", "admin")
	const rest = "case_id, auditor, mailbox, since, before, valid_until, reason) values ("
	const values = "'1', 'paula', 'b@b.example', '2020-02-29', '2020-03-01', clock_timestamp() + interval '1 day', 'order')"
	for column, value := range map[string]string{"granted_by": "'judge'", "granted_at": "'2020-01-01'", "id": "7"} {
		refused(t, admin, "insert into warrants ("+column+", "+rest+value+", "+values)
		refused(t, admin, "update warrants set "+column+" = "+value)
	}
	first := ask[int](t, admin, "insert into warrants ("+rest+values+" returning id")
	execute(t, db, "insert into warrants (granted_by, granted_at, "+rest+"'judge', '2020-01-01', "+values)                // by the owner
	execute(t, db, "insert into tap25_internal.warrants (granted_by, granted_at, "+rest+"'judge', '2020-01-01', "+values) // past the view
	if n := ask[int](t, db, "select count(*) from warrants where granted_by in (session_user, $1) and granted_at > now() - interval '1 hour'", sessionUser(t, admin)); n != 3 {
		t.Errorf("%d warrants say who granted them and when, want 3", n)
	}
	for _, db := range []*DB{admin, db} {
		for _, sql := range []string{"update warrants set valid_until = now() + interval '2 years'", "update warrants set valid_until = 'infinity'", "update warrants set valid_until = null",
			"update warrants set reason = 'x'", "update warrants set auditor = session_user", "delete from warrants"} {
			refused(t, db, sql)
		}
	}
	if _, err := admin.Conn().Exec(t.Context(), "select end_warrant(1, '')"); err == nil {
		t.Error("a warrant was ended for no reason")
	}
	execute(t, admin, "update warrants set valid_until = clock_timestamp() + interval '1 hour' where id = 1") // brought forward
	for _, want := range []bool{true, false} {
		if got := ask[bool](t, admin, "select end_warrant($1, 'withdrawn')", first); got != want {
			t.Errorf("ended: %v, want %v", got, want)
		}
	}
	refused(t, admin, "update warrants set valid_until = now() + interval '1 minute' where id = 1") // it has ended
	execute(t, admin, "update warrants set valid_until = now() where id = 1")
	got := ask[string](t, db, "select string_agg(concat_ws(' ', action, reason, by = $1, valid_until > at + interval '1 minute'), ', ' order by id) from warrant_events where warrant_id = 1", sessionUser(t, admin))
	if want := "granted t, ended t t, ended withdrawn t f"; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
	if n := ask[int](t, admin, "select count(*) from warrants where valid_until > clock_timestamp()"); n != 2 {
		t.Errorf("%d warrants are valid, want 2", n)
	}
}

// All that a case has is read at the call, so the record has it, however little of it is fetched.
func TestAuditor_FetchesNoRowThatIsNotRecorded(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, auditor, "network", "'0.0.0.0/0'")
	openCase(t, auditor)
	forms := []string{"select * from case_mail('2026-17')", "select case_mail('2026-17')", "select m.* from generate_series(1, 1) i, lateral case_mail('2026-17') m where i > 0"}
	for _, sql := range forms {
		execute(t, auditor, "begin", "declare c cursor for "+sql, "fetch 1 from c", "commit", "select * from ("+sql+") m limit 1")
	}
	if got, want := ask[string](t, db, "select string_agg(rows::text, ' ' order by id) from accesses where action = 'read'"), strings.Repeat(" 3", 2*len(forms))[1:]; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

// What is recorded is not changed by its owner either, nor by a superuser who plays a replica.
func TestRecords_AreAppendOnly(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, auditor, "mailbox", "'b@b.example'")
	openCase(t, auditor)
	hold(t, db, "b@b.example", nil)
	execute(t, db, "select end_warrant(1, 'withdrawn')")
	expire(t, db, impatient)
	run(t, db, "insert into tap25_internal.ended_sessions (login, open_since) values ('paula', now())")
	for _, role := range []string{"origin", "replica"} {
		execute(t, db, "set session_replication_role = "+role)
		for table, column := range map[string]string{"accesses": "at", "warrant_events": "at", "tap25_internal.warrants": "granted_at", "expired": "dropped_at", "retentions": "set_at", "holds": "added_at",
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
		"accesses":                      "insert into accesses (auditor, at, case_id, action) values ('paula', '2020-01-01', 'x', 'read')",
		"warrant_events":                "insert into warrant_events (warrant_id, action, valid_until, by, at) values (1, 'ended', now(), 'judge', '2020-01-01')",
		"expired":                       "insert into expired (day, kind, rows, bytes, version, dropped_by, dropped_at) values ('2020-01-01', 'partition', 0, 0, '', 'judge', '2020-01-01')",
		"tap25_internal.ended_sessions": "insert into tap25_internal.ended_sessions (login, open_since, ended_by, at) values ('x', now(), 'judge', '2020-01-01')",
		"retentions":                    "insert into retentions (kept, set_by, set_at) values ('1 day', 'judge', '2020-01-01')",
		"holds":                         "insert into holds (mailbox, reason, added_by, added_at, dropped_by, dropped_at) values ('b', 'x', 'judge', '2020-01-01', 'judge', '2020-01-01')",
	} {
		execute(t, db, sql)
		if row := ask[string](t, db, "select row_to_json(r)::text from (select * from "+table+" r order by r.ctid desc limit 1) r"); strings.Contains(row, "2020-01-01T") || strings.Contains(row, "judge") || strings.Contains(row, "paula") {
			t.Errorf("%s: another's name or time is recorded", table)
		}
	}
}
