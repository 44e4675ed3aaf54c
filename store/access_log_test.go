package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

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

// undone are ways to see something of a case and leave no line in accesses.
var undone = map[string]string{
	"asked and rolled back": "begin; select ask_case('2026-17'); rollback",
	"asked in a savepoint":  "begin; savepoint s; select ask_case('2026-17'); rollback to s; commit",
	"asked in a block": "do $$ begin perform ask_case('2026-17'); raise 'undo'; exception when others then null; " +
		"end $$",
	"asked, and a number wanted": "select 1 / (ask_case('2026-17') * 0)",
	"asked and explained":        "begin; explain analyze select ask_case('2026-17'); rollback",
	"asked in two phases":        "begin; select ask_case('2026-17'); prepare transaction 'asked'",
	"rollback":                   "begin; select count(*) from case_mail('2026-17'); rollback",
	"a cast that fails":          "select rcpt_to::int from case_mail('2026-17')",
	"yes or no by error":         "select 1 / (case when exists (select from case_mail('2026-17')) then 0 else 1 end)",
	"cursor":                     "begin; declare c cursor for select * from case_mail('2026-17'); fetch 1 from c; rollback",
	"held cursor": "begin; declare c cursor with hold for select rcpt_to::int from case_mail('2026-17'); " +
		"commit",
	"explain":   "begin; explain analyze select * from case_mail('2026-17'); rollback",
	"savepoint": "begin; savepoint s; select count(*) from case_mail('2026-17'); rollback to s; commit",
	"block": "do $$ begin perform from case_mail('2026-17'); raise 'undo'; exception when others then " +
		"null; end $$",
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
	grant(t, db, db, auditor, "b@b.example")
	openCase(t, auditor)
	run(t, auditor, "select ask_case('2026-17')")
	for name, sql := range undone {
		session, told := toldSession(t, db, user)
		before, log := missing(t, admin), logged(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			session.Conn().PgConn().Exec(context.Background(), sql).Close()
		}()
		line := regexp.MustCompile(`LOG:  tap25: access (\d+): (read|open|show) by user "` + user +
			`", warrants of the case \{\d*\}\n`)
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
			t.Errorf("%s: %d lines in the log, numbers without a line of accesses %d, then %d", name, len(found),
				before, after)
		}
		if strings.Contains(told(), "access") {
			t.Errorf("%s: the line of the log is told to the client", name)
		}
	}
	log := logged(t)
	auditor.Conn().Exec(t.Context(), "begin read only; select count(*) from case_mail('2026-17')")
	if !strings.Contains(log(), `LOG:  tap25: show by user "`+user+`" is refused: the transaction is read-only`) {
		t.Error("a read-only transaction leaves no line in the log")
	}
	if s, err := db.Status(t.Context()); err != nil || s.Missing != int64(len(undone)) || s.Accesses != 2 {
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
	execute(t, session, "set session authorization "+pgx.Identifier{user}.Sanitize(),
		"set client_min_messages = debug5")
	return session, all.String
}

// missing are the numbers of accesses that were given and have no line.
func missing(t testing.TB, db *DB) []int64 {
	t.Helper()
	return ask[[]int64](t, db,
		"select coalesce(array_agg(n order by n), '{}') from missing_accesses m, generate_series(m.first, m.last) n")
}

// What a statement fails on is often an address: a cast quotes its argument, a constraint the whole line.
func TestLog_BearsNoAddressOfAFailedStatement(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	admin, auditor := as(t, db, "tap25_admin", "admin"), as(t, db, "tap25_auditor", "auditor")
	grant(t, db, db, auditor, "b@b.example")
	openCase(t, auditor)
	run(t, auditor, "select ask_case('2026-17')")
	const warrant = "select apply_for_warrant('1', 'order', array[session_user], '{c.example,b@b.example"
	log := logged(t)
	for sql, user := range map[string]*DB{
		"select rcpt_to::int from case_mail('2026-17')":                                                       auditor,
		"select * from mail_client('b@b.example')":                                                            admin,
		"select * from mail_from('x', 'b@b.example')":                                                         admin,
		"select add_hold('b@b.example', null, null, '2020-01-02', '2020-01-01', null, 'order')":               admin,
		"select add_hold('b@b.example', null, null, null, null, null, null)":                                  admin,
		warrant + "}', '2020-01-02', '2020-01-01', '2099-01-01')":                                             admin,
		warrant + ", b@b.example x}', '2020-01-01', '2020-01-02', '2099-01-01')":                              admin,
		"select ask_case('2026-17', target => 'b@b.example; x')":                                              auditor,
		"insert into tap25_internal.misdated select e.*, 'b@b.example', null from tap25_internal.envelopes e": db,
	} {
		_, err := user.Conn().Exec(t.Context(), sql)
		e, ok := errors.AsType[*pgconn.PgError](err)
		if !ok {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		// whose text is the same whatever the server logs
		ours := strings.HasPrefix(sql, "select add_hold") || strings.HasPrefix(sql, warrant)
		if ours && strings.Contains(e.Message+e.Detail, "b@b.example") {
			t.Errorf("%s: the error has the address", sql)
		}
	}
	if strings.Contains(log(), "b@b.example") {
		t.Error("the log has an address")
	}
	execute(t, auditor, "select open_case('2026-17', 'another')")
	if !strings.Contains(log(), "LOG:  tap25: access ") {
		t.Error("the log has no access any more")
	}
}

func TestAuditor_TheLogBearsNothingThatAUserHasMadeUp(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	const made = "x@canary.example\n2026-01-01 00:00:00 UTC [1] LOG:  tap25: access 99: read by user " +
		"\"postgres\"\x1b[2J"
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
	if got := log(); strings.Contains(got, "\n2026-01-01 00:00:00 UTC [1]") || strings.Contains(got, "canary") ||
		strings.Contains(got, "\nLOG") || strings.Contains(got, "\x1b") ||
		strings.Count(got, "LOG:  tap25: access ") != 6 {
		t.Error("a line of the log is forged, or not six lines are there")
	}
}
