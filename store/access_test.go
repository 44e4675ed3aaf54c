package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// as makes a user that is a member of a role, and connects as it.
func as(t testing.TB, db *DB, role, user string) *DB {
	t.Helper()
	user += "_" + strings.TrimPrefix(db.Conn().Config().Database, "test_")
	if _, err := db.Conn().Exec(t.Context(), "create role "+user+" login in role "+role); err != nil {
		t.Fatal(err)
	}
	c := db.Conn().Config()
	// The private cluster lets only its owner in: the session becomes the other's as a login would make it.
	conn := another(t, c.Database)
	t.Cleanup(func() {
		db.Conn().Exec(context.Background(), "drop owned by "+user+"; drop role "+user)
	})
	if _, err := conn.Conn().Exec(t.Context(), "set session authorization "+user); err != nil {
		t.Fatal(err)
	}
	return conn
}

func refused(t *testing.T, db *DB, sql string) {
	t.Helper()
	if _, err := db.Conn().Exec(t.Context(), sql); err == nil ||
		!strings.Contains(err.Error(), "42501") && !strings.Contains(err.Error(), "append-only") {
		t.Errorf("%s: %v; want it refused", sql, err)
	}
}

var readers = []string{"select * from mail", "select * from mail_to('b@b.example')",
	"select seen_at from tap25_internal.envelopes", "select * from tap25_internal.held",
	"select * from tap25_internal.misdated", "select * from tap25_internal.days", "table accesses", "table warrants",
	"table holds", "copy tap25_internal.envelopes to stdout"}

func TestSensor_AddsRowsAndReadsNone(t *testing.T) {
	db := database(t, false)
	sensor := as(t, db, "tap25_sensor", "sensor")
	if err := sensor.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []bool{true, false} {
		added, err := sensor.Load(t.Context(), "tap", "one", encode(at(time.Now()), at(old), at(time.Unix(1, 0))))
		if err != nil || added != want {
			t.Errorf("added %v, %v; want %v", added, err, want)
		}
	}
	if _, err := sensor.AheadPartitions(t.Context(), DaysAhead); err != nil {
		t.Error(err)
	}
	for _, sql := range append(readers, "delete from envelopes", "update envelopes set helo = ''", "truncate envelopes",
		"drop table envelopes_20200229",
		"select * from expire_day('2020-02-29', '')", "select set_retention('1 day')", "select end_warrant(1, 'x')",
		"table warrant_events", "table missing_accesses", "select drop_hold(1)", "select case_mail('c')",
		"select make_partition('2020-02-28')",
		"update days set rows = 0", "table loads") {
		refused(t, sensor, sql)
	}
	if n := count(t, db); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

func TestAdmin_ExpiresAndHoldsAndReadsNoMail(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	admin := as(t, db, "tap25_admin", "admin")
	id := hold(t, admin, "b@b.example", nil)
	if r := expire(t, admin, impatient); len(r.Dropped) != 1 || r.Dropped[0].Kept != 1 {
		t.Errorf("%+v", r)
	}
	// how much a hold keeps would say who wrote to whom
	if holds, err := admin.Holds(t.Context(), true); err != nil || len(holds) != 1 || holds[0].Rows != nil {
		t.Errorf("%+v, %v", holds, err)
	}
	if err := admin.DropHold(t.Context(), id); err != nil {
		t.Error(err)
	}
	if s, err := admin.Status(t.Context()); err != nil || s.Held != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if by := ask[string](t, db, "select added_by::text from holds"); !strings.HasPrefix(by, "admin_") {
		t.Error("the hold does not say who added it")
	}
	for _, sql := range []string{"delete from accesses", "delete from held", "delete from expired",
		"update holds set reason = 'x'", "delete from warrants",
		"update warrant_events set reason = 'x'", "insert into retentions (kept) values ('1 day')",
		"select nextval('accesses_id_seq')", "select * from mail", "select * from mail_once",
		"select * from mail_to('b@b.example')", "select count(*) from mail_client('192.0.2.1')",
		"explain select * from mail where mail_from = 'b@b.example'", "copy tap25_internal.envelopes to stdout",
		"select hold_ids from tap25_internal.held",
		"select reason from tap25_internal.misdated", "table tap25_internal.prints",
		"select tap25_internal.days_with('rcpt_to', 'b@b.example', '-infinity', 'infinity')",
		"select case_mail('2026-17')", "select ask_case('2026-17')", "select open_case('2026-17', 'x')",
		"insert into warrants (case_id) values ('x')", "update warrants set valid_until = now()"} {
		refused(t, admin, sql)
	}
}

// grant makes a warrant of the heldDay for an auditor: who applies for it is another than who approves it.
func grant(t testing.TB, db, applicant, auditor *DB, targets ...string) (id int64) {
	t.Helper()
	id = ask[int64](t, applicant, "select apply_for_warrant('2026-17', 'order', array[$1::name], $2, '2020-02-29', "+
		"'2020-03-01', clock_timestamp() + interval '1 day')", sessionUser(t, auditor), targets)
	approve(t, db, id)
	return id
}

// approve lets a member of tap25_approver approve a warrant.
func approve(t testing.TB, db *DB, id int64) {
	t.Helper()
	approver := "approver_" + strings.TrimPrefix(db.Conn().Config().Database, "test_")
	if !ask[bool](t, db, "select exists (select from pg_catalog.pg_roles where rolname = $1)", approver) {
		as(t, db, "tap25_approver", "approver")
	}
	session := another(t, db.Conn().Config().Database)
	defer session.Close()
	run(t, session, "set session authorization "+approver)
	run(t, session, "select tap25.approve_warrant($1, 'order read')", id)
}

func sessionUser(t testing.TB, db *DB) string { return ask[string](t, db, "select session_user::text") }

func TestAuditor_ReadsWhatAWarrantOpensAndIsRecorded(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	admin := as(t, db, "tap25_admin", "admin")
	grant(t, db, admin, auditor, "B@b.EXAMPLE")
	grant(t, db, admin, auditor, "192.0.2.0/24") // one row of both
	for _, sql := range readers {
		refused(t, auditor, sql)
	}
	refused(t, auditor, "select ask_case('2026-17')") // not open yet
	refused(t, auditor, "select * from case_mail('2026-17')")
	if _, err := auditor.Conn().Exec(t.Context(), "select open_case('2026-17', '')"); err == nil {
		t.Error("opened for no purpose")
	}
	if _, err := auditor.Conn().Exec(t.Context(), "select open_case('2026-17', 'complaint')"); err != nil {
		t.Fatal(err)
	}
	refused(t, auditor, "select * from case_mail('2026-17')") // not asked yet
	run(t, auditor, "select ask_case('2026-17')")
	if n := ask[int](t, auditor, "select count(*) from case_mail('2026-17')"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	if n := ask[int](t, auditor, "select count(*) from case_mail('2026-17') where mail_from like 'd@%'"); n != 1 {
		t.Errorf("%d rows of a sender, want 1", n)
	}
	log := ask[string](t, db, "select string_agg(concat_ws(' ', auditor = $1, case_id, action, purpose, rows), ', ' "+
		"order by at) from accesses", sessionUser(t, auditor))
	if want := "t 2026-17 open complaint, t 2026-17 read 2, t 2026-17 shown 2, t 2026-17 shown 2"; log != want {
		t.Errorf("recorded %q, want %q", log, want)
	}
	for _, sql := range []string{"delete from accesses", "update accesses set purpose = ''", "truncate accesses"} {
		refused(t, db, sql) // by its owner
	}
}

func TestAuditor_CannotReadWithoutALastingRecord(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	grant(t, db, db, auditor, "b@b.example")
	for _, begin := range []pgx.TxOptions{{}, {AccessMode: pgx.ReadOnly}, {IsoLevel: pgx.Serializable}} {
		tx, err := auditor.Conn().BeginTx(t.Context(), begin)
		if err != nil {
			t.Fatal(err)
		}
		_, open := tx.Exec(t.Context(), "select open_case('2026-17', 'complaint')")
		_, asked := tx.Exec(t.Context(), "select ask_case('2026-17')")
		var n int
		if err := tx.QueryRow(t.Context(), "select count(*) from case_mail('2026-17')").Scan(&n); err == nil {
			t.Errorf("read %d rows in a transaction that can be rolled back (open: %v, asked: %v)", n, open, asked)
		}
		tx.Rollback(t.Context())
	}
}

func TestAuditor_OtherCasesStayShut(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor, other := as(t, db, "tap25_auditor", "auditor"), as(t, db, "tap25_auditor", "other")
	grant(t, db, db, auditor, "b@b.example")
	shut(t, db, other, "2026-17")
	if _, err := auditor.Conn().Exec(t.Context(), "select open_case('2026-17', 'complaint')"); err != nil {
		t.Fatal(err)
	}
	run(t, auditor, "select ask_case('2026-17')")
	refused(t, other, "select ask_case('2026-17')")
	refused(t, other, "select * from case_mail('2026-17')")
	admin := as(t, db, "tap25_admin", "admin")
	run(t, admin, "select end_warrant(id, 'withdrawn') from warrants")
	if n := ask[int](t, auditor, "select count(*) from case_mail('2026-17')"); n != 0 {
		t.Errorf("%d rows of a warrant that has ended", n)
	}
	shut(t, db, auditor, "2026-17")
}

func TestMigrate_WithoutTheRightToMakeRolesGoesOn(t *testing.T) {
	admin := database(t, true)
	name := admin.Conn().Config().Database
	owner := as(t, admin, "pg_read_all_settings", "owner")
	if _, err := admin.Conn().Exec(t.Context(), "alter database "+name+" owner to "+sessionUser(t, owner)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin.Conn().Exec(context.Background(),
			"reset session authorization; alter database "+name+" owner to current_user")
	})
	// of no use to other tests while this runs
	for _, role := range []string{"tap25_sensor", "tap25_auditor", "tap25_approver", "tap25_admin"} {
		if _, err := admin.Conn().Exec(t.Context(), "alter role "+role+" rename to away_"+role); err != nil &&
			!strings.Contains(err.Error(), "does not exist") {
			t.Fatal(err)
		}
		defer admin.Conn().Exec(context.Background(), "alter role away_"+role+" rename to "+role)
	}
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	missing, err := owner.MissingRoles(t.Context())
	if err != nil || len(missing) != 4 {
		t.Errorf("missing %q, %v; want all four", missing, err)
	}
	loadRows(t, owner, "tap", at(time.Now()))
	if n := count(t, owner); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}
