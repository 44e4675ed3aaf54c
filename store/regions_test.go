package store

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store/storetest"
)

// region is a server of its own with a migrated database mail, of the role national, and a row of b@b.example.
type region struct {
	*storetest.Server
	db *DB // as the superuser
}

func newRegion(t testing.TB, name string) *region {
	t.Helper()
	r := &region{Server: storetest.NewServer(t)}
	r.db = connected(t, r.DSN("postgres", "postgres"))
	run(t, r.db, "create role national login createrole password '"+storetest.Password+"'")
	run(t, r.db, "create database mail owner national")
	owner := connected(t, r.DSN("national", "mail"))
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.db = connected(t, r.DSN("postgres", "mail")+testPath)
	e := at(time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC))
	e.Sensor = name
	loadRows(t, r.db, name, e)
	return r
}

func connected(t testing.TB, dsn string) *DB {
	t.Helper()
	db, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// nation is a database that asks the regions north and south, as the owner.
func nation(t testing.TB) (db *DB, north, south *region) {
	t.Helper()
	db = database(t, false)
	var group sync.WaitGroup
	for name, r := range map[string]**region{"north": &north, "south": &south} {
		group.Go(func() { *r = newRegion(t, name) })
	}
	group.Wait()
	if t.Failed() || north == nil || south == nil {
		t.FailNow()
	}
	for name, r := range map[string]*region{"north": north, "south": south} {
		addRegion(t, db, name, r, "national")
	}
	return db, north, south
}

// addRegion adds a region by a password file that has only passwords of the right roles.
func addRegion(t testing.TB, db *DB, name string, r *region, user string) {
	t.Helper()
	file := r.File(t, "pgpass", "*:*:*:national:"+storetest.Password+"\n*:*:*:paula:"+storetest.Password+"\n")
	url := fmt.Sprintf("postgres://%s@127.0.0.1:%d/mail?passfile=%s", user, r.Port, file)
	if err := db.AddRegion(t.Context(), name, url); err != nil {
		t.Fatal(err)
	}
}

// national are the rows of an answer, and its lines, in order.
func national(t *testing.T, db *DB, question string, args ...any) (out []string) {
	t.Helper()
	return lines(t, db, "select concat_ws(' ', region, answer, note, sensor, rcpt_to) from "+question+
		" order by region, answer = 'row' desc, answer, seen_at", args...)
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// BenchmarkNational asks two regions what mail_to() asks one of them, by a connection that is new as those to regions
// are. Of a machine that others share, the least of the times says most.
func BenchmarkNational(b *testing.B) {
	db, north, _ := nation(b)
	for _, asked := range []struct {
		regions string
		ask     func()
	}{{"one", func() {
		conn, err := Open(b.Context(), north.DSN("national", "mail"))
		if err != nil {
			b.Fatal(err)
		}
		run(b, conn, "select * from tap25.mail_to('b@b.example')")
		conn.Close()
	}}, {"two", func() { run(b, db, "select * from mail_national_to('b@b.example')") }}} {
		b.Run(asked.regions, func(b *testing.B) {
			least := time.Hour
			for b.Loop() {
				begun := time.Now()
				asked.ask()
				least = min(least, time.Since(begun))
			}
			b.ReportMetric(least.Seconds()*1000, "least-ms")
		})
	}
}

const northern, southern = "north row north b@b.example", "south row south b@b.example"

func TestRegions_EachAnswersOrIsNamed(t *testing.T) {
	db, north, south := nation(t)
	regionsAnswer(t, db, north, south)
	regionsAreBounded(t, db, south)
	regionsDiffer(t, db, south)
	regionsRefuse(t, db, south)
	regionsAreLate(t, db, north, south)
	connectionsLeft(t, db)
}

func regionsAnswer(t *testing.T, db *DB, north, south *region) {
	for _, question := range []string{"mail_national_to('B@b.example')", "mail_national_from('Äpfel@a.example')",
		"mail_national_to_domain('b.example')", "mail_national_from_domain('a.example')",
		"mail_national_client('192.0.2.0/24')", "mail_national_server('2001:db8::25')", "mail_national_ip('192.0.2.1')",
		"mail_national_of('b@b.example')", "mail_national_between('b.example', 'a.example', '2020-01-01')"} {
		wantLines(t, question, national(t, db, question),
			northern, "north whole 1 row", southern, "south whole 1 row")
	}
	wantLines(t, "nobody", national(t, db, "mail_national_to($1)",
		"x'); drop table tap25_internal.days; select $$\\' --"),
		"north whole 0 rows", "south whole 0 rows")
	const why = "it refuses the question: a party is a mailbox, or a domain with a dot"
	wantLines(t, "no party", national(t, db, "mail_national_of('nodot')"), "north no answer "+why, "south no answer "+why)
	const columns = "select row_to_json(m)::text from (select seen_at at time zone 'UTC', session_id, mail_from_raw, " +
		"outcome, flags, network, client_port, lost_bytes, auth, tls_server_name from %s) m"
	wantLines(t, "columns",
		lines(t, db, fmt.Sprintf(columns, "mail_national_to('b@b.example') where region = 'north' and answer = 'row'")),
		lines(t, north.db, fmt.Sprintf(columns, "mail_to('b@b.example')"))...)

	run(t, db, "set datestyle = 'SQL, DMY'; set timezone = 'Europe/Brussels'")
	for _, r := range []*region{north, south} {
		run(t, r.db, "alter role national set datestyle = 'German'")
	}
	wantLines(t, "times", national(t, db, "mail_national_to('b@b.example', '2020-02-29 12:00+00', '2020-02-29 "+
		"12:00:01+00')"),
		northern, "north whole 1 row", southern, "south whole 1 row")
	run(t, db, "reset datestyle; reset timezone")

}

// A second row of the south is beyond a limit of one row. What a region sends may be anything.
func regionsAreBounded(t *testing.T, db *DB, south *region) {
	late := at(time.Date(2020, 3, 1, 12, 0, 0, 0, time.UTC))
	late.RcptTo, late.Outcome = new("c@b.example"), smtp.Accepted
	loadRows(t, south.db, "south", late)
	wantLines(t, "limit", national(t, db, "mail_national_to_domain('b.example', most => 1)"),
		northern, "north whole 1 row", southern, "south cut 1 row")

	for _, bad := range []string{`'{"outcome": "eaten"}'`, `'[1]'`, `'no JSON'`, `null`, `'{"client_ip": "here"}'`} {
		run(t, south.db, "begin")
		run(t, south.db, "alter function pg_catalog.row_to_json(record) rename to row_to_json_")
		run(t, south.db, "create function pg_catalog.row_to_json(record) returns text language plpgsql as $$ begin "+
			"return "+bad+"; end $$")
		run(t, south.db, "commit")
		wantLines(t, bad, national(t, db, "mail_national_to('b@b.example')"),
			northern, "north whole 1 row", "south no answer what it sent is no row of mail")
		run(t, south.db, "drop function pg_catalog.row_to_json(record)")
		run(t, south.db, "alter function pg_catalog.row_to_json_(record) rename to row_to_json")
	}

}

// Another version of the schema: with columns that this one has not, without some that it has, and without questions.
func regionsDiffer(t *testing.T, db *DB, south *region) {
	own := ask[int](t, db, "select version from tap25_schema_version")
	note := fmt.Sprintf("south whole 1 row; schema version 9999, here %d", own)
	run(t, south.db, "update tap25_schema_version set version = 9999")
	wantLines(t, "version", national(t, db, "mail_national_to('b@b.example')")[2:], southern, note)
	run(t, south.db, "alter function mail_to rename to mail_to_")
	wantLines(t, "no function", national(t, db, "mail_national_to('b@b.example')")[2:],
		"south no answer it has no such question: its schema is older, or none of tap25")
	run(t, south.db, "create function tap25.mail_to(text, timestamptz, timestamptz) returns table (seen_at "+
		"timestamptz, sensor text, rcpt_to text, hops int) language sql as $$ select '2020-02-29 "+
		"12:00+00'::timestamptz, 'south'::text, $1, 3 $$")
	wantLines(t, "columns", national(t, db, "mail_national_to('b@b.example')")[2:], southern, note)

	run(t, south.db, "drop function mail_to(text, timestamptz, timestamptz)")
	run(t, south.db, "alter function mail_to_ rename to mail_to")
	run(t, south.db, "update tap25_schema_version set version = $1", own)
}

// No right there; a password that is wrong.
func regionsRefuse(t *testing.T, db *DB, south *region) {
	run(t, south.db, "create role paula login in role tap25_auditor password '"+storetest.Password+"'")
	addRegion(t, db, "south", south, "paula")
	wantLines(t, "no right", national(t, db, "mail_national_to('b@b.example')")[2:],
		"south no answer this login may not ask there")
	run(t, south.db, "alter role paula password 'other'")
	wantLines(t, "password", national(t, db, "mail_national_to('b@b.example')")[2:],
		"south no answer no connection: it refuses this login")
	addRegion(t, db, "south", south, "national")

}

// Slow: a lock keeps its answer back. Hanging: the server is stopped. Dead: it was killed.
func regionsAreLate(t *testing.T, db *DB, north, south *region) {
	run(t, south.db, "begin; lock table tap25_internal.envelopes; select")
	wantLines(t, "slow", national(t, db, "mail_national_to('b@b.example', patience => '3 seconds')"),
		northern, "north whole 1 row", "south no answer not in time")
	watch := connected(t, south.DSN("postgres", "mail"))
	for end, want := range map[string]string{"cancel": "not in time", "terminate": "the connection broke"} {
		other := another(t, db.Conn().Config().Database)
		done := make(chan []string)
		go func() { done <- national(t, other, "mail_national_to('b@b.example')") }()
		wait(t, func() bool {
			return ask[int64](t, watch, "select count(pg_"+end+
				"_backend(pid)) from pg_stat_activity where usename = 'national' "+
				"and wait_event_type = 'Lock' and query like '%mail_to%'") > 0
		})
		wantLines(t, end, <-done, northern, "north whole 1 row", "south no answer "+want)
	}
	run(t, db, "set statement_timeout = '200ms'")
	_, err := db.Conn().Exec(t.Context(), "select * from mail_national_to('b@b.example')")
	fails(t, "a question that is cancelled here", err, "57014")
	run(t, db, "set statement_timeout = 0")
	connectionsLeft(t, db)
	run(t, south.db, "rollback")
	north.Signal(syscall.SIGSTOP)
	if ask[int](t, db, "select current_setting('server_version_num')::int") < 160000 {
		wantLines(t, "hanging", national(t, db, "mail_national_to('b@b.example', patience => '6 seconds')"),
			"north no answer no connection in time", southern, "south whole 1 row")
	} else { // dblink has no time for a connection there, but can be interrupted
		run(t, db, "set statement_timeout = '1s'")
		_, err := db.Conn().Exec(t.Context(), "select * from mail_national_to('b@b.example')")
		fails(t, "a question to a region that hangs", err, "57014")
		run(t, db, "set statement_timeout = 0")
		connectionsLeft(t, db)
	}
	north.Kill()
	wantLines(t, "dead", national(t, db, "mail_national_to('b@b.example')")[:1], "north no answer no connection")
}

// connectionsLeft wants no connection of a session to a region.
func connectionsLeft(t *testing.T, db *DB) {
	t.Helper()
	if n := ask[int](t, db, "select coalesce(cardinality(tap25_dblink.dblink_get_connections()), 0)"); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestRegions_URLBecomesKeywords(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://national@db.example/mail": "dbname='mail' host='db.example' sslmode='verify-full' user='national'",
		"postgresql://a%27b@[2001:db8::1]:5433,db2/m?sslmode=require&passfile=/etc/a%20b": `dbname='m' ` +
			`host='2001:db8::1,db2' passfile='/etc/a b' port='5433' sslmode='require' user='a\'b'`,
		"postgres://127.0.0.1:7/mail": "dbname='mail' host='127.0.0.1' port='7'",
		"postgres:///mail?host=/run/postgresql&sslrootcert=system": "dbname='mail' host='/run/postgresql' " +
			"sslrootcert='system'",
	} {
		if got, err := conninfo(url); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", url, got, err, want)
		}
	}
	for _, url := range []string{"postgres://a:b@db/mail", "postgres://db/mail?password=b", "host=db dbname=mail",
		"postgres://db", "postgres:///mail", "postgres://db/mail?sslpassword=x", "postgres://%zz/mail"} {
		if got, err := conninfo(url); err == nil {
			t.Errorf("%s: %s", url, got)
		}
	}
}
