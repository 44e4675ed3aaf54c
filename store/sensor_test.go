package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/spool"
)

// fails holds the SQLSTATE of an error.
func fails(t *testing.T, what string, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != code {
		t.Errorf("%s: %v; want SQLSTATE %s", what, err, code)
	}
}

// load loads a row of a sensor under a key.
func load(t *testing.T, db *DB, sensor, key string) error {
	t.Helper()
	_, err := db.Load(t.Context(), sensor, key, of(sensor, at(time.Now())))
	return err
}

func TestSensor_LoginIsTiedToTheNameItLoadsUnder(t *testing.T) {
	db := database(t, false)
	one, two := login(t, db, "tap25_sensor", "one"), login(t, db, "tap25_sensor", "two")
	if err := load(t, one, "alpha", "1"); err != nil {
		t.Fatal(err)
	}
	if err := load(t, two, "beta", "1"); err != nil {
		t.Fatal(err)
	}
	run(t, two, "set role tap25_sensor") // which changes no login
	for _, sql := range []string{"set session authorization " + sessionUser(t, one),
		"set session_replication_role = replica"} {
		_, err := two.Conn().Exec(t.Context(), sql)
		fails(t, sql, err, "42501")
	}
	for _, name := range []string{"alpha", "gamma", ""} {
		err := load(t, two, name, "2")
		fails(t, "loads as "+name, err, "42501")
		if !hopeless(err) {
			t.Errorf("loads as %q: waiting is thought to help", name)
		}
	}
	_, err := two.Load(t.Context(), "beta", "2", of("alpha", at(time.Now()))) // as itself, rows of another
	fails(t, "rows of another sensor", err, "42501")
	_, err = two.Load(t.Context(), "beta", "2", of("alpha", at(time.Unix(1, 0))))
	fails(t, "misdated rows of another sensor", err, "42501")
	if err := load(t, db, "gamma", "1"); err != nil {
		t.Errorf("the owner: %v", err)
	}
	if n, err := one.Size(t.Context()); err != nil || n < 1<<20 {
		t.Errorf("a sensor asks for the size of the database: %d, %v", n, err)
	}
	if err := load(t, db, "alpha", "2"); err != nil {
		t.Errorf("the owner under a sensor's name: %v", err)
	}
	got := ask[string](t, db, "select string_agg(sensor || ' ' || rows, ', ' order by sensor) from days")
	if want := "alpha 2, beta 1, gamma 1"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
}

func TestBindSensor_MovesANameAndKeepsWhatWas(t *testing.T) {
	db := database(t, false)
	one, two, admin := login(t, db, "tap25_sensor", "one"), login(t, db, "tap25_sensor", "two"),
		login(t, db, "tap25_admin", "admin")
	if err := errors.Join(load(t, one, "alpha", "1"), load(t, two, "beta", "1")); err != nil {
		t.Fatal(err)
	}
	refused(t, two, "select tap25.bind_sensor('"+sessionUser(t, two)+"', 'alpha')")
	run(t, admin, "select tap25.bind_sensor($1, 'alpha')", sessionUser(t, two))
	if err := load(t, two, "alpha", "2"); err != nil {
		t.Error(err)
	}
	fails(t, "the old name", load(t, two, "beta", "2"), "42501")
	fails(t, "the old login", load(t, one, "alpha", "3"), "42501")
	run(t, admin, "select tap25.bind_sensor($1, null)", sessionUser(t, two))
	if err := load(t, one, "delta", "1"); err != nil {
		t.Errorf("the old login under a new name: %v", err)
	}
	for _, sql := range []string{"select tap25.bind_sensor('nobody-at-all', 'x')",
		`select tap25.bind_sensor(session_user, e'a\x1b[31m')`, "select tap25.bind_sensor(session_user, '')"} {
		if _, err := admin.Conn().Exec(t.Context(), sql); err == nil {
			t.Errorf("%s is accepted", sql)
		}
	}
	got := ask[string](t, admin, "select string_agg(concat_ws(' ', sensor, login = $1, bound_by = session_user, "+
		"until is null), ', ' order by since) from tap25_internal.sensors", sessionUser(t, two))
	if want := "alpha f f f, beta t f f, alpha t t f, delta f f t"; got != want {
		t.Errorf("bindings %s, want %s", got, want)
	}
}

// Rows of before sensors had logins: a name goes to whom nobody can take for another.
func TestSensor_CannotSeizeANameWithRows(t *testing.T) {
	db := database(t, false)
	one := login(t, db, "tap25_sensor", "one")
	same := sessionUser(t, one)
	for _, name := range []string{"old", "older", same} {
		if err := load(t, db, name, "1"); err != nil {
			t.Fatal(err)
		}
	}
	two := login(t, db, "tap25_sensor", "two")
	fails(t, "a name with rows, of one of two", load(t, two, "old", "2"), "42501")
	fails(t, "the name of another login", load(t, two, same, "2"), "42501")
	if err := load(t, one, same, "2"); err != nil {
		t.Errorf("the login that is called like the sensor: %v", err)
	}
	run(t, db, "revoke tap25_sensor from "+same)
	if err := load(t, two, "old", "2"); err != nil {
		t.Errorf("the only login: %v", err)
	}
	fails(t, "another name with rows, by the only login", load(t, two, "older", "2"), "42501")
}

func TestLoader_RowsWaitForAnAdministratorToNameTheSensor(t *testing.T) {
	db := database(t, false)
	if err := load(t, db, "tap", "1"); err != nil {
		t.Fatal(err)
	}
	one := login(t, db, "tap25_sensor", "one")
	login(t, db, "tap25_sensor", "two")
	s := openSpool(t, spool.Config{})
	sealOne(t, s, numbered("tap", 1))
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(one, ""), MaxPause: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { l.Run(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	wait(t, func() bool { return l.Stats().Err != nil })
	st := l.Stats()
	if want := "tap25.bind_sensor('" + sessionUser(t, one) + "', 'tap')"; !st.Hopeless ||
		!strings.Contains(st.Err.Error(), want) {
		t.Errorf("hopeless %v: %v; want it to say %s", st.Hopeless, st.Err, want)
	}
	if n := s.Stats().SetAside; n != 0 || s.Stats().Waiting != 1 {
		t.Errorf("%d rows set aside, %d wait", n, s.Stats().Waiting)
	}
	run(t, db, "select bind_sensor($1, 'tap')", sessionUser(t, one))
	wait(t, func() bool { st := l.Stats(); return st.Added == 1 && st.Err == nil })
}

// mailOf is how many rows a question about an address finds, as the owner asks it, and as an auditor with a warrant
// does.
func mailOf(t *testing.T, db *DB, address string) (n int) {
	t.Helper()
	n = ask[int](t, db, "select count(*) from tap25.mail_to($1)", address)
	if scanned := ask[int](t, db, "select count(*) from tap25.mail where lower(rcpt_to) = lower($1)",
		address); n != scanned {
		t.Errorf("a question finds %d rows of %d", n, scanned)
	}
	return n
}

const insertAsIf = `insert into tap25_internal.envelopes (seen_at, session_id, mail_no, client_port, server_port, outcome, flags, auth, client_ip, server_ip, sensor, rcpt_to)
	values ($1, 1, 1, 0, 0, 1, 0, false, '192.0.2.1', '192.0.2.2', $2, 'late@b.example')`

// A sensor adds rows past begin_load, to a day that has a summary, with what counts it can think of.
func TestSensor_HidesNoRowBehindACount(t *testing.T) {
	db := database(t, false)
	if _, err := db.Load(t.Context(), "tap", "1", encode(at(old), at(old.AddDate(0, 0, 1)))); err != nil {
		t.Fatal(err)
	}
	hostile := login(t, db, "tap25_sensor", "hostile")
	if _, err := hostile.Load(t.Context(), "evil", "1", of("evil", at(old))); err != nil {
		t.Fatal(err)
	}
	if done := finish(t, db, soon); len(done) != 2 {
		t.Fatalf("%+v", done)
	}
	if n := mailOf(t, db, "late@b.example"); n != 0 {
		t.Fatalf("%d rows before there are any", n)
	}
	run(t, hostile, insertAsIf, old, "evil")
	if n := mailOf(t, db, "late@b.example"); n != 1 {
		t.Errorf("%d rows, want the one that was added past begin_load", n)
	}
	for _, sql := range []string{"select * from tap25_internal.begin_load('evil', array['2020-02-29'::date], " +
		"array[-100000]::bigint[])",
		"select * from tap25_internal.begin_load('evil', array['2020-02-29'::date], " +
			"array[9223372036854775807]::bigint[])"} {
		_, err := hostile.Conn().Exec(t.Context(), sql)
		fails(t, sql, err, "42883") // nobody takes a count of it
	}
	for _, n := range []int64{-1, 1 << 62} {
		if _, err := hostile.Conn().Exec(t.Context(),
			"select tap25_internal.enter_loads('evil', array['x'], array[$1::bigint])", n); err == nil {
			t.Errorf("a segment of %d rows is entered", n)
		}
	}
	if _, err := hostile.Load(t.Context(), "evil", "2", of("evil", at(old))); err != nil {
		t.Errorf("its next load: %v", err)
	}
	if n := ask[int](t, db, "select sum(rows) from days"); n != count(t, db) {
		t.Errorf("%d rows counted, %d there", n, count(t, db))
	}
	if r := expire(t, db, impatient); len(r.Dropped) != 2 || r.Dropped[0].Rows != 4 {
		t.Errorf("expired %+v, want 4 rows of the first day", r.Dropped)
	}
}

func TestQuestions_LeaveNoDayOutForItsCount(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old), at(old.AddDate(0, 0, 1)))
	finish(t, db, soon)
	for _, sql := range []string{"update days set rows = -100000", "update days set rows = 0", "delete from days"} {
		run(t, db, sql)
		if n := mailOf(t, db, "b@b.example"); n != 2 {
			t.Errorf("%s: %d rows, want 2", sql, n)
		}
	}
}

func TestSensor_SummaryIsOfWhatIsThereNow(t *testing.T) {
	db := database(t, false)
	hostile := login(t, db, "tap25_sensor", "hostile")
	if _, err := hostile.Load(t.Context(), "evil", "1", of("evil", at(old))); err != nil {
		t.Fatal(err)
	}
	for _, level := range []string{"repeatable read", "serializable"} {
		_, err := hostile.Conn().Exec(t.Context(),
			"begin isolation level "+level+"; select tap25_internal.summarize_day('2020-02-29')",
			pgx.QueryExecModeSimpleProtocol)
		fails(t, level, err, "25000")
		run(t, hostile, "rollback")
	}
	for _, want := range []bool{true, false} { // the second time none is due
		if made := ask[bool](t, hostile, "select tap25_internal.summarize_day('2020-02-29')"); made != want {
			t.Errorf("a summary was made: %v, want %v", made, want)
		}
	}
}

func TestSensor_ForgesNothing(t *testing.T) {
	db := database(t, false)
	if err := load(t, db, "tap", "1"); err != nil {
		t.Fatal(err)
	}
	hostile := login(t, db, "tap25_sensor", "hostile")
	if err := load(t, hostile, "evil", "1"); err != nil { // a key that another has too tells nothing
		t.Fatal(err)
	}
	const columns = "insert into tap25_internal.%s (seen_at, session_id, mail_no, client_port, server_port, outcome, " +
		"flags, auth, client_ip, server_ip, sensor%s) values (%s, 1, 1, 0, 0, %d, %d, false, '192.0.2.1', " +
		"'192.0.2.2', '%s'%s)"
	row := func(table, more, when string, outcome, flags int, sensor, values string) string {
		return fmt.Sprintf(columns, table, more, when, outcome, flags, sensor, values)
	}
	for sql, code := range map[string]string{
		row("envelopes", "", "now()", 99, 0, "evil", ""):                                                      "23514",
		row("envelopes", "", "now()", -1, 0, "evil", ""):                                                      "23514",
		row("envelopes", "", "now()", 1, 32767, "evil", ""):                                                   "23514",
		row("envelopes", ", message_bytes", "now()", 1, 0, "evil", ", -1"):                                    "23514",
		row("envelopes", "", "now()", 1, 0, "tap", ""):                                                        "42501",
		row("misdated", ", reason", "'1970-01-01'", 1, 0, "tap", ", 'before 1990'"):                           "42501",
		row("misdated", ", reason", "'1970-01-01'", 9, 0, "evil", ", 'before 1990'"):                          "23514",
		row("misdated", ", reason", "now()", 1, 0, "evil", ", 'before 1990'"):                                 "55000",
		row("misdated", ", reason", "now() - interval '1 day'", 1, 0, "evil", ", 'too many days'"):            "55000",
		row("misdated", ", reason", "'1970-01-01'", 1, 0, "evil", ", 'for fun'"):                              "23514",
		row("misdated", ", reason, loaded_at", "'1970-01-01'", 1, 0, "evil", ", 'before 1990', '2100-01-01'"): "42501",
		"insert into tap25_internal.loads (sensor, segment, rows) values ('tap', '1', 1)":                     "42501",
		"insert into tap25_internal.loads (sensor, segment, rows) values ('evil', '2', 1)":                    "42501",
		"select tap25_internal.enter_loads('tap', array['2'], array[1]::bigint[])":                            "42501",
		"insert into tap25_internal.days (day, sensor, rows) values (now(), 'evil', 1)":                       "42501",
		"insert into tap25_internal.sensors (sensor, login) values ('tap', session_user)":                     "42501",
		"select tap25_internal.make_partition('2020-01-01')":                                                  "42501",
		"select tap25_internal.claim_sensor('tap')":                                                           "42501",
		"select tap25_internal.end_blockers('2020-01-01', '0')":                                               "42501",
		"begin; lock table tap25_internal.envelopes in share mode":                                            "42501",
		"begin; lock table tap25_internal.making_partitions in access share mode":                             "42501",
		"begin; lock table tap25_internal.loads in access share mode":                                         "42501",
		"create table tap25_internal.mine ()":                                                                 "42501",
		"create table tap25.mine ()":                                                                          "42501",
		"alter table tap25_internal.envelopes disable trigger count_rows":                                     "42501",
		"set session_replication_role = replica":                                                              "42501",
		"table tap25_internal.sensors":                                                                        "42501",
	} {
		_, err := hostile.Conn().Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		fails(t, sql, err, code)
		run(t, hostile, "rollback")
	}
	run(t, db, "insert into loads (sensor, segment, rows, loaded_at) select s, '0000000000000000-0000000000000000', "+
		"1, '-infinity' from unnest(array['tap', 'evil']) s")
	for name, want := range map[string]int64{"tap": 0, "evil": 1} {
		if n, err := hostile.PruneLoads(t.Context(), name, "1"); err != nil || n != want {
			t.Errorf("forgets %d loads of %s, %v; want %d", n, name, err, want)
		}
	}
	if n := ask[int](t, db, "select count(*) from loads where sensor = 'tap'"); n != 2 {
		t.Errorf("another sensor has %d loads left, want 2", n)
	}
}

func TestSensor_LearnsNoCountOfOthers(t *testing.T) {
	db := database(t, false)
	bigDay(t, db, 0, 10_000)
	hostile := login(t, db, "tap25_sensor", "hostile")
	if n := ask[int64](t, hostile, "select coalesce(sum(rows), 0)::bigint from tap25_internal.days_over('0')"); n != 0 {
		t.Errorf("it is told of %d rows", n)
	}
}

// oddSettings are what a session may set, and what a function must not depend on.
var oddSettings = []string{"datestyle = 'sql, mdy'", "datestyle = 'german'", "datestyle = 'postgres, dmy'",
	"timezone = 'EST-10'", "timezone = '<+14>-14'", "timezone = 'America/St_Johns'",
	"datestyle = 'sql, mdy'; set timezone = 'EST-10'", "datestyle = 'postgres, dmy'; set timezone = 'EST-10'",
	"datestyle = 'german'; set timezone = 'UTC-13'; set intervalstyle = sql_standard; set quote_all_identifiers = " +
		"on; set standard_conforming_strings = off",
	"intervalstyle = sql_standard", "lc_time = 'C'", "lc_numeric = 'C'", "bytea_output = escape",
	"extra_float_digits = -15", "standard_conforming_strings = off", "quote_all_identifiers = on",
	"transform_null_equals = on", "array_nulls = off", "backslash_quote = on", "escape_string_warning = off",
	"check_function_bodies = off", "row_security = off", "xmlbinary = hex",
	"search_path = ''", "search_path = pg_temp, public", "plan_cache_mode = force_generic_plan", "enable_seqscan = off",
	"enable_hashagg = off", "work_mem = 64", "default_tablespace = 'pg_default'",
	"default_transaction_isolation = 'repeatable read'", "client_encoding = 'LATIN1'", "constraint_exclusion = off",
	"enable_partition_pruning = off", "jit = on"}

func TestSensor_SettingsOfItsSessionChangeNoDay(t *testing.T) {
	db := database(t, false)
	hostile := login(t, db, "tap25_sensor", "hostile")
	odd := loginAgain(t, db, db.Conn().Config().User) // the owner, who asks and expires in the same settings
	for i, setting := range oddSettings {
		for _, session := range []*DB{hostile, odd} {
			run(t, session, "reset all; set search_path = tap25, tap25_internal, public; set "+setting)
		}
		day := old.AddDate(0, 0, 2*i)
		if _, err := hostile.Load(t.Context(), "evil", fmt.Sprint(i),
			of("evil", at(day), at(day.Truncate(24*time.Hour)), at(time.Unix(0, 0)))); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
		if _, err := hostile.AheadPartitions(t.Context(), 1); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
		if !strings.Contains(setting, "isolation") {
			if done, err := hostile.FinishDays(t.Context(), soon); err != nil || len(done) == 0 {
				t.Errorf("%s: finished %v, %v; want a day", setting, done, err)
			}
		}
		if n := ask[int](t, odd, "select count(*) from tap25.mail_to('b@B.example')"); n != 3*(i+1) {
			t.Errorf("%s: %d rows found, want %d", setting, n, 3*(i+1))
		}
	}
	// The case keeps the planner from reading a day in the name of another table.
	wrong := ask[string](t, db, `select coalesce(string_agg(c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid), ', '), '') from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'tap25_internal.envelopes'::regclass and pg_get_expr(c.relpartbound, c.oid) is distinct from case when c.relname ~ '_\d{8}$' then
			format('FOR VALUES FROM (''%s 00:00:00+00'') TO (''%s 00:00:00+00'')', to_char(to_date(right(relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD'),
				to_char(to_date(right(relname, 8), 'YYYYMMDD') + 1, 'YYYY-MM-DD')) end`)
	if wrong != "" {
		t.Errorf("partitions with other bounds than a UTC day's: %s", wrong)
	}
	if n := ask[int](t, db, partitionCount); n != len(oddSettings)+2 {
		t.Errorf("%d partitions, want %d", n, len(oddSettings)+2)
	}
	if r := expire(t, odd, impatient); len(r.Dropped) != len(oddSettings) {
		t.Errorf("%d days dropped, want %d", len(r.Dropped), len(oddSettings))
	}
}
