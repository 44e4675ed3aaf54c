package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/storetest"
)

// twoServers runs blocks of docs/operating.md against a server with the rows of make demo, for db.example, and, if it
// is not nil, another for copy.example.
type twoServers struct {
	t       *testing.T
	replace *strings.Replacer
}

// urlOf is the URL of a database of a server, up to the role.
func urlOf(s *storetest.Server, role, database string) string {
	return "postgres://" + role + "@127.0.0.1:" + strconv.Itoa(s.Port) + "/" + database
}

func newTwoServers(t *testing.T, first, second *storetest.Server, more ...string) *twoServers {
	t.Helper()
	pairs := append([]string{"LOGIN", "LOGIN PASSWORD $$" + storetest.Password + "$$"}, more...)
	for name, s := range map[string]*storetest.Server{"db.example": first, "copy.example": second} {
		if s == nil {
			continue
		}
		for _, role := range []string{"postgres", "mail", "mailcopy"} {
			pairs = append(pairs, "postgres://"+role+"@"+name+"/", urlOf(s, role, ""), "postgres://"+role+"@"+name+" ",
				urlOf(s, role, "")+" ")
		}
		pairs = append(pairs, "host="+name, "host=127.0.0.1 port="+strconv.Itoa(s.Port))
	}
	passwords := first.File(t, "pgpass", "*:*:*:*:"+storetest.Password)
	t.Setenv("PGPASSFILE", passwords)
	pairs = append(pairs, "/etc/tap25/copy.pgpass", passwords)
	r := &twoServers{t: t, replace: strings.NewReplacer(pairs...)}
	r.sql(first, "postgres", "postgres", "CREATE ROLE mail LOGIN CREATEROLE PASSWORD '"+storetest.Password+"'")
	r.sql(first, "postgres", "postgres", "CREATE DATABASE mail OWNER mail")
	t.Setenv("DATABASE_URL", urlOf(first, "mail", "mail"))
	asked(t, "db", "migrate")
	r.load("demo")
	return r
}

// load loads the rows of make demo under a sensor's name.
func (r *twoServers) load(sensor string) {
	r.t.Helper()
	asked(r.t, "replay", "--sensor", sensor, "--spool", r.t.TempDir(),
		filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
}

// run runs a block with this tap25.
func (r *twoServers) run(word string) {
	r.t.Helper()
	for _, b := range blocks(r.t, "docs/operating.md") {
		if b.word != word {
			continue
		}
		shell := exec.Command("sh", "-ec", r.replace.Replace(b.text))
		if out, err := shell.CombinedOutput(); err != nil {
			r.t.Fatalf("%s: %v\n%s", word, err, out)
		}
		return
	}
	r.t.Fatalf("the page has no block %s", word)
}

// sql asks a server a question with one answer, or none.
func (r *twoServers) sql(s *storetest.Server, role, database, text string) (answer string) {
	r.t.Helper()
	answer, err := trySQL(s, role, database, text)
	if err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return answer
}

func trySQL(s *storetest.Server, role, database, text string) (answer string, err error) {
	conn, err := pgx.Connect(context.Background(), urlOf(s, role, database)+"?search_path=tap25,tap25_internal,public")
	if err != nil {
		return "", err
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), text, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		answer = fmt.Sprint(values...)
	}
	return answer, rows.Err()
}

func (r *twoServers) await(s *storetest.Server, question, want string) {
	r.t.Helper()
	got := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = r.sql(s, "postgres", "mail", question); got == want {
			return
		}
	}
	r.t.Fatalf("%s: %s, want %s", question, got, want)
}

// TestDocs_CopyFollowsAndExpires makes a copy, has an auditor read it, and lets each side drop what the other keeps.
func TestDocs_CopyFollowsAndExpires(t *testing.T) {
	storetest.StateHome(t)
	first := storetest.NewServer(t, "wal_level=logical")
	second := storetest.NewServer(t, "wal_retrieve_retry_interval=100ms")
	r := newTwoServers(t, first, second, "- 365", "- 36500", "365d", "36500d") // the demo's days are always within it
	r.moved(first, "early", 10)
	packed := r.sql(first, "mail", "mail", "select count(tap25_internal.pack_day(day)) from days where sensor = 'early'")
	if packed == "0" {
		t.Fatal("no day is packed")
	}
	for _, word := range []string{"publish", "copy", "hourly", "packed", "subscribe"} {
		r.run(word)
	}
	r.same(first, second)
	copyIsRead(r, second)
	copyTakesWhatComes(r, first, second)
	copyPacks(r, first, second)
	copyTakesCoverageAsItIsPacked(r, first, second)
	eachExpiresByItself(r, first, second)
	copyHasNoEvidence(r, second)
	r.sql(second, "postgres", "mail", "DROP SUBSCRIPTION mail")
	if n := r.sql(first, "postgres", "mail", "select count(*) from pg_replication_slots"); n != "0" {
		t.Errorf("%s slots are left", n)
	}
}

// same waits until the second server has what the first has.
func (r *twoServers) same(first, second *storetest.Server) {
	r.t.Helper()
	for _, question := range []string{"select count(*) || md5(string_agg(m::text, '' order by m::text)) from mail m",
		"select md5(string_agg(row(day, sensor, rows)::text, '' order by day, sensor)) from days",
		"select md5(string_agg(c::text, '' order by c::text)) from coverage c"} {
		r.await(second, question, r.sql(first, "postgres", "mail", question))
	}
}

func copyIsRead(r *twoServers, second *storetest.Server) {
	for _, login := range []string{"paula login in role tap25_auditor", "nora login in role tap25_approver"} {
		r.sql(second, "postgres", "mail", "create role "+login+" password '"+storetest.Password+"'")
	}
	id := r.sql(second, "postgres", "mail",
		"select apply_for_warrant('1', 'order', '{paula}', '{marta@orchard.example}', "+
			"'2026-11-01', '2026-12-01', '2099-01-01')")
	r.sql(second, "nora", "mail", "select approve_warrant("+id+", 'read')")
	r.sql(second, "paula", "mail", "select open_case('1', 'complaint')")
	access := r.sql(second, "paula", "mail", "select ask_case('1')")
	if proofs := r.sql(second, "paula", "mail", "select count(*) from case_leaves("+access+")"); proofs != "0" {
		r.t.Errorf("the copy has %s proofs", proofs)
	}
	shown := r.sql(second, "paula", "mail", "select count(*) from case_mail('1')")
	want := r.sql(second, "mail", "mail", "select count(*) from mail_of('marta@orchard.example')")
	record := r.sql(second, "mail", "mail",
		"select string_agg(action || ' ' || coalesce(rows::text, ''), ',' order by id) from accesses")
	if shown == "0" || shown != want || record != "open ,read "+want+",shown "+want {
		r.t.Errorf("the auditor is shown %s of %s rows; the record is %s", shown, want, record)
	}
}

// moved adds the demo's rows again to the first database, some days older, as a sensor.
func (r *twoServers) moved(first *storetest.Server, sensor string, days int) {
	r.t.Helper()
	r.sql(first, "mail", "mail", fmt.Sprintf(`do $$ begin
		create temp table moved as select * from tap25_internal.envelopes where sensor = 'demo';
		update moved set sensor = '%[1]s', seen_at = seen_at - interval '%[2]d days';
		perform tap25_internal.make_partitions(array_agg(distinct (seen_at at time zone 'UTC')::date)) from moved;
		insert into tap25_internal.envelopes select * from moved; end $$`, sensor, days))
}

const applyFails = "select (apply_error_count > 0)::text from pg_stat_subscription_stats"

// Rows of days that the copy has, and of days that it lacks: those wait until somebody makes the day.
func copyTakesWhatComes(r *twoServers, first, second *storetest.Server) {
	r.load("second")
	r.same(first, second)
	r.moved(first, "old", 1000)
	r.await(second, applyFails, "true")
	if n := r.sql(second, "postgres", "mail", "select count(*) from mail where sensor = 'old'"); n != "0" {
		r.t.Errorf("%s rows of days that are not there", n)
	}
	r.run("hourly")
	r.same(first, second)
}

// The copy packs its own days, and takes rows of these that come later.
func copyPacks(r *twoServers, first, second *storetest.Server) {
	r.sql(first, "mail", "mail", "update days set loaded_at = now() - interval '1 hour'")
	r.await(second, "select count(*) from days where loaded_at > now() - interval '10 minutes'", "0")
	r.sql(second, "mail", "mail", "select pack_day('2026-11-21')")
	r.run("hourly")
	if n := r.sql(second, "mail", "mail", "select count(*) from packs where day = '2026-11-21'"); n != "1" {
		r.t.Errorf("the day is packed %s times", n)
	}
	r.load("tardy")
	r.same(first, second)
}

func copyTakesCoverageAsItIsPacked(r *twoServers, first, second *storetest.Server) {
	const over = "select count(*) from coverage_over('0')"
	if a, b := r.sql(first, "mail", "mail", over), r.sql(second, "mail", "mail", over); a == "0" || b != "0" {
		r.t.Errorf("%s days of coverage are to be packed, and %s at the copy; want some, and none", a, b)
	}
	r.sql(first, "mail", "mail", "select count(*) from coverage_over('0') o, pack_coverage(o.day, o.sensor)")
	if n := r.sql(first, "mail", "mail", "select count(*) from coverage where packed"); n == "0" {
		r.t.Error("no coverage is packed")
	}
	r.same(first, second)
}

// The first drops what the copy keeps, and takes rows of such a day again; the copy drops what the first keeps, but for
// what its own hold concerns.
func eachExpiresByItself(r *twoServers, first, second *storetest.Server) {
	const marta = "select count(*) from mail_to('marta@orchard.example', before => '2026-01-01')"
	before := r.sql(second, "mail", "mail", marta)
	asked(r.t, "db", "expire", "--retention", "500d")
	if n := r.sql(first, "mail", "mail", marta); n != "0" || before == "0" {
		r.t.Fatalf("the first database has %s rows of %s", n, before)
	}
	r.await(second, "select count(*) from days where sensor = 'old'", "0")
	r.sql(second, "mail", "mail", "select summarize_day(day) from partitions()")
	if n := r.sql(second, "mail", "mail", marta); n != before {
		r.t.Errorf("the copy has %s rows of %s", n, before)
	}
	r.moved(first, "late", 1000)
	r.await(second, "select count(*) from mail where sensor = 'late'", "764")
	if n := r.sql(second, "mail", "mail", marta); n == before || n == "0" {
		r.t.Errorf("the copy has %s rows after %s more", n, before)
	}
	copied := urlOf(second, "mail", "mail")
	asked(r.t, "hold", "add", "marta@orchard.example", "--reason", "case 1", "--db", copied)
	asked(r.t, "db", "expire", "--retention", "500d", "--change-retention", "--db", copied)
	if n := r.sql(second, "mail", "mail", "select count(*) from envelopes where seen_at < '2026-01-01'"); n != "0" {
		r.t.Errorf("the copy has %s rows that it should have dropped", n)
	}
	if n := r.sql(second, "mail", "mail", marta); n == "0" {
		r.t.Error("the copy's hold kept nothing")
	}
	r.sql(second, "postgres", "mail", "ALTER SUBSCRIPTION mail DISABLE")
	r.load("third")
	r.sql(second, "postgres", "mail", "ALTER SUBSCRIPTION mail ENABLE")
	r.await(second, "select count(*) from mail where sensor = 'third'", "764")
}

func copyHasNoEvidence(r *twoServers, second *storetest.Server) {
	var out, diag bytes.Buffer
	status := run(r.t.Context(), []string{"verify", "--db", urlOf(second, "mail", "mail")}, nil, &out, &diag)
	if status != statusFailed || !strings.Contains(out.String(), "day 2026-11-21, 273 rows of no segment") {
		r.t.Errorf("verify: status %d, %s%s", status, out.String(), diag.String())
	}
}

// TestDocs_StandbyAnswersWhatNeedsNoRecord makes a standby as the page does, and asks it everything that the page
// names.
func TestDocs_StandbyAnswersWhatNeedsNoRecord(t *testing.T) {
	storetest.StateHome(t)
	first := storetest.NewServer(t)
	standby := first.Beside("standby")
	r := newTwoServers(t, first, nil, "/standby", standby.DataDir, "sudo -u postgres ", first.AsUser())
	r.sql(first, "postgres", "mail", "create role paula login in role tap25_auditor password '"+storetest.Password+"'")
	r.run("standby")
	standby.Start(t, "hot_standby=on")
	if n := r.sql(first, "mail", "mail", "select pack_day('2026-11-22')"); n != "273" {
		t.Fatalf("%s rows are packed", n)
	}
	r.sql(first, "mail", "mail", "update days set loaded_at = now() - interval '1 hour'")
	r.sql(first, "paula", "mail", "select open_case('1', 'complaint')")
	asked(t, "hold", "add", "marta@orchard.example", "--reason", "case 1")
	r.await(standby, "select count(*) from holds", "1")

	for _, question := range []string{"mail", "mail_once", "mail_to('marta@orchard.example')",
		"mail_of('marta@orchard.example')", "mail_ip('192.0.2.26')", "completeness('2026-11-21', '2026-11-24')"} {
		question = "select count(*) || md5(string_agg(m::text, '' order by m::text)) from " + question + " m"
		if got, want := r.sql(standby, "mail", "mail", question), r.sql(first, "mail", "mail", question); got != want {
			t.Errorf("%s: %s, want %s", question, got, want)
		}
	}
	r.sql(standby, "paula", "mail", "select * from my_cases")
	const accesses = "select (select count(*) from accesses) || ' ' || (select count(*) from missing_accesses)"
	if got := r.sql(standby, "mail", "mail", accesses); got != "1 0" {
		t.Errorf("accesses and gaps: %s, want 1 0", got)
	}
	there := urlOf(standby, "mail", "mail")
	for _, args := range [][]string{{"db", "status"}, {"hold", "ls"}, {"warrant", "ls"}, {"verify"}} {
		asked(t, append(args, "--db", there)...)
	}
	for _, question := range []string{"open_case('1', 'complaint')", "ask_case('1')", "case_mail('1')"} {
		_, err := trySQL(standby, "paula", "mail", "select "+question)
		if err == nil || !strings.Contains(err.Error(),
			"cases are opened and read in a transaction that is not read-only") {
			t.Errorf("%s: %v", question, err)
		}
	}
	for _, args := range [][]string{{"db", "expire", "--retention", "2y"}, {"db", "pack", "2026-11-21"},
		{"hold", "add", "b.example", "--reason", "x"},
		{"warrant", "add", "b.example", "--case", "1", "--basis", "x", "--auditor", "paula", "--from", "2026-11-01",
			"--to", "2026-12-01", "--until", "2099-01-01"}} {
		var out, diag bytes.Buffer
		status := run(t.Context(), append(args, "--db", there), nil, &out, &diag)
		if status != statusFailed || !strings.Contains(diag.String(), "25006") {
			t.Errorf("%v: status %d, %s", args, status, diag.String())
		}
	}
	standbyIsARegion(r, first, standby)
}

// A standby may be a region, of which no case can be read, and may ask regions.
func standbyIsARegion(r *twoServers, first, standby *storetest.Server) {
	r.sql(first, "postgres", "mail", "create schema tap25_dblink")
	r.sql(first, "postgres", "mail", "create extension dblink schema tap25_dblink")
	r.sql(first, "postgres", "mail", "grant usage on schema tap25_dblink to mail")
	r.sql(first, "postgres", "mail", "grant execute on function tap25_dblink.dblink_connect_u(text, text) to mail")
	passwords := "?passfile=" + first.File(r.t, "pgpass", "*:*:*:*:"+storetest.Password)
	for name, s := range map[string]*storetest.Server{"first": first, "standby": standby} {
		asked(r.t, "db", "regions", "add", name, "--url", urlOf(s, "mail", "mail")+passwords)
	}
	r.await(standby, "select count(*) from regions", "2")
	for _, s := range []*storetest.Server{first, standby} {
		if got := r.sql(s, "mail", "mail",
			"select string_agg(concat_ws(' ', region, answer, note), ', ' order by region) "+
				"from mail_national_to('nobody@a.example')"); got != "first whole 0 rows, standby whole 0 rows" {
			r.t.Errorf("the regions answer: %s", got)
		}
		if got := r.sql(s, "paula", "mail", "select string_agg(concat_ws(' ', answer, note), ', ' order by region) "+
			"from open_case_national('1', 'complaint')"); got != "refused no warrant that is valid there opens the "+
			"case, no answer it is read-only, and cannot record the question" {
			r.t.Errorf("the regions open the case: %s", got)
		}
	}
}
