package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// opened is an auditor with a warrant on a target, in an open case; no question is on record.
func opened(t testing.TB, db *DB, user string, targets ...string) *DB {
	t.Helper()
	auditor := as(t, db, "tap25_auditor", user)
	grant(t, db, db, auditor, targets...)
	openCase(t, auditor)
	return auditor
}

// digest is that of an answer, from the lines that psql shows of it.
func digest(t testing.TB, lines []string) string {
	t.Helper()
	sum := sha256.Sum256(nil)
	for _, l := range lines {
		sum = sha256.Sum256(append(sum[:], l+"\n"...))
	}
	return hex.EncodeToString(sum[:])
}

func TestCase_TheDigestIsThatOfWhatIsShown(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	twice := at(old.Add(3 * time.Hour)) // which another tap has seen too, and another mail in the same microsecond
	twice.LostBytes, twice.Flags = 0, 0
	twice.RcptTo, twice.QueueID = new("\"quoted \\ \u2028\"@b.example"), new("4711")
	alike := *twice
	alike.RcptTo = new("b@b.example")
	loadRows(t, db, "tap", twice, &alike)
	copied := *twice
	copied.Sensor = "other"
	loadRows(t, db, "other", &copied)
	auditor := opened(t, db, "auditor", "b.example", "c@c.example", "192.0.2.0/24")
	shown := func(question string) []string {
		return lines(t, auditor, "select row_to_json(m)::text from case_mail("+question+") m")
	}
	for question, want := range map[string]int{"'2026-17'": 4, "'2026-17', '2020-02-29 13:00Z', '2020-02-29 14:00Z'": 1,
		"'2026-17', target => 'c@c.example'": 1, "'2026-17', '2020-02-29 23:00Z'": 0} {
		access := ask[int64](t, auditor, "select ask_case("+question+")")
		rows := ask[int](t, auditor, "select rows from case_answer($1)", access)
		got := ask[string](t, auditor, "select sha256 from case_answer($1)", access)
		if all := shown(question); rows != want || len(all) != want || got != digest(t, all) {
			t.Errorf("%s: %d rows on record with digest %s, %d shown with %s; want %d", question, rows, got, len(all),
				digest(t, all), want)
		}
		// The zone, date style and language of the session are not the digest's.
		run(t, auditor, "begin; set local timezone = 'Asia/Tokyo'; set local datestyle = 'SQL, DMY'; set local "+
			"extra_float_digits = -3")
		again := ask[int64](t, auditor, "select ask_case("+question+")")
		run(t, auditor, "commit")
		if is := ask[string](t, auditor, "select sha256 from case_answer($1)", again); is != got {
			t.Errorf("%s: the digest is another in Tokyo", question)
		}
	}
	if got := ask[string](t, auditor,
		"select sensors::text || copies from case_mail('2026-17') where sensors <> '{tap}'"); got != "{other,tap}2" {
		t.Errorf("two taps' mail is shown as %s", got)
	}
	list := ask[int](t, auditor, "select count(*) from case_list('2026-17')")
	if last := ask[string](t, db, "select action || rows from accesses order by id desc limit 1"); list != 4 ||
		last != "shown4" {
		t.Errorf("%d rows in the short form, recorded as %s", list, last)
	}
}

// A period that no warrant covers is refused: no rows would look like no mail.
func TestCase_RefusesAPeriodThatNoWarrantOpens(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := opened(t, db, "auditor", "b.example")
	for _, period := range []string{"'2020-03-01', '2020-02-01'", "'2020-02-29 12:00Z', '2020-02-29 12:00Z'",
		"'1990-01-01', '1990-02-01'", "'2098-01-01'", "null, '-infinity'", "'infinity', null, 'b.example'"} {
		_, err := auditor.Conn().Exec(t.Context(), "select ask_case('2026-17', "+period+")")
		fails(t, period, err, "42501")
		if err != nil && !strings.Contains(err.Error(), "opens mail of this period") {
			t.Errorf("%s: %v", period, err)
		}
	}
	run(t, auditor, "select ask_case('2026-17', '-infinity', 'infinity')")
}

func TestCase_SettingsOfItsSessionChangeNoDigest(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := opened(t, db, "auditor", "b.example", "c@c.example", "192.0.2.0/24")
	const answer = "select rows || sha256 from tap25.case_answer($1)"
	want := ask[string](t, auditor, answer, ask[int64](t, auditor, "select ask_case('2026-17')"))
	for _, setting := range oddSettings {
		run(t, auditor, "set "+setting)
		run(t, auditor, "begin isolation level read committed")
		access := ask[int64](t, auditor, "select tap25.ask_case('2026-17')")
		run(t, auditor, "commit")
		if got := ask[string](t, auditor, answer, access); got != want {
			t.Errorf("%s: %s; want %s", setting, got, want)
		}
		run(t, auditor, "reset all")
		run(t, auditor, "set search_path = tap25, tap25_internal, public")
	}
}

// An answer is shown if it is what is on record, to whom it is, for a quarter of an hour.
func TestCase_ShowsTheQuestionThatIsOnRecord(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := opened(t, db, "auditor", "b.example")
	other := opened(t, db, "other", "b.example") // of the same case
	access := ask[int64](t, auditor, "select ask_case('2026-17', '2020-02-29')")
	const shown = "select * from case_mail('2026-17', '2020-02-29')"
	execute(t, auditor, shown, shown)
	refusals := map[string]*DB{shown: other, "select * from case_mail('2026-17')": auditor,
		"select * from case_mail('2026-17', '2020-02-29 00:00:01Z')":              auditor,
		"select * from case_mail('2026-17', '2020-02-29', '2020-03-01')":          auditor,
		"select * from case_mail('2026-17', '2020-02-29', target => 'b.example')": auditor,
		"select * from case_list('2026-17', '2020-02-29', target => 'b.example')": auditor,
		"select ask_case('2026-17', target => 'c.example')":                       auditor,
		"select ask_case('2026-17', target => 'b.example'' or true --')":          auditor,
		"select * from case_mail('2026-17', '2020-02-29', target => '%.example')": auditor,
		"select * from case_mail('2026-17', '2020-02-29', null, 'b@b.example\\')": auditor}
	for sql, user := range refusals {
		refused(t, user, sql)
	}
	if n := ask[int](t, other, "select count(*) from case_answer($1)", access); n != 0 {
		t.Error("an answer is another's to know")
	}
	late := at(old.Add(time.Hour))
	loadRows(t, db, "late", late)
	_, err := auditor.Conn().Exec(t.Context(), shown)
	fails(t, "other rows", err, "55000")
	run(t, auditor, "select ask_case('2026-17', '2020-02-29')")
	run(t, auditor, shown)
	// A quarter of an hour goes by: the questions become older, not the clock younger.
	execute(t, db, "alter table accesses disable trigger append_only",
		"update accesses set at = at - interval '15 minutes' where action = 'read'",
		"alter table accesses enable always trigger append_only")
	refused(t, auditor, shown)
	run(t, auditor, "select ask_case('2026-17', '2020-02-29')")
	run(t, auditor, shown)
}

// What is asked for is a value, whatever it looks like.
func TestCase_TakesNoSQLForAnAddress(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor, admin := as(t, db, "tap25_auditor", "auditor"), as(t, db, "tap25_admin", "admin")
	before := ask[int](t, db, "select count(*) from pg_class")
	for i, evil := range []string{"o'hara@b.example", `o"hara@b.example`, `\'or-1=1--@b.example`, "%@b.example",
		"$1@b.example",
		"_@_.example", "';drop/**/table/**/tap25_internal.held;--@b.example", `b\@b.example`, "%s%I%L@b.example",
		"b@b.example'",
		"''.example", "%.example", "$$.b.example", `\\.example`, "*.example", "b.example'or'1'='1"} {
		row := at(old.Add(time.Duration(i) * time.Second))
		row.MailFrom, row.RcptTo = new("x@x.example"), new(evil)
		if !strings.Contains(evil, "@") {
			row.RcptTo = new("y@" + evil)
		}
		loadRows(t, db, "tap", row)
		id := grant(t, db, admin, auditor, evil)
		openCase(t, auditor)
		for _, args := range []string{"'2026-17'", "'2026-17', target => $1"} {
			values := []any{evil}[:strings.Count(args, "$1")]
			run(t, auditor, "select ask_case("+args+")", values...)
			if n := ask[int](t, auditor, "select count(*) from case_mail("+args+")", values...); n != 1 {
				t.Errorf("address %d opens %d rows, want 1", i, n)
			}
		}
		run(t, auditor, "select open_case($1, $1), my.* from my_cases my where case_id = $1", evil)
		auditor.Conn().Exec(t.Context(), "select ask_case($1, target => $1)", evil)
		auditor.Conn().Exec(t.Context(), "select case_mail($1, target => $1)", evil)
		run(t, admin, "select end_warrant($1, $2)", id, evil)
	}
	if after := ask[int](t, db, "select count(*) from pg_class where relname not like 'envelopes%'"); after > before {
		t.Errorf("%d relations, of %d before", after, before)
	}
}

// A case that there is not and one of another's are refused alike, by every function.
func TestCase_SaysNothingOfOthersCases(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	opened(t, db, "auditor", "b.example")
	user := sessionUser(t, as(t, db, "tap25_auditor", "other"))
	said := map[string][]string{}
	for _, which := range []string{"2026-17", "no case"} {
		session, told := toldSession(t, db, user)
		run(t, session, "set client_min_messages = log")
		from := len(told())
		for _, sql := range []string{"select open_case($1, 'curious')", "select ask_case($1)", "select case_mail($1)",
			"select case_list($1)", "select case_completeness($1)", "select * from my_cases where case_id = $1",
			"select case_answer(1) where $1 <> ''", "select end_warrant(length($1) / 99 + 1, 'x')"} {
			tag, err := session.Conn().Exec(t.Context(), sql, which)
			said[which] = append(said[which], fmt.Sprint(tag, err))
		}
		said[which] = append(said[which], told()[from:])
	}
	if fmt.Sprint(said["2026-17"]) != fmt.Sprint(said["no case"]) {
		t.Errorf("another's case is answered %q, none %q", said["2026-17"], said["no case"])
	}
}

// An auditor sees what is theirs, by name and by role, and when it is open.
func TestCase_MyCasesAreThose(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := opened(t, db, "auditor", "B@b.example", "10.0.0.5 in vlan 12")
	opened(t, db, "other", "d.example")
	apply(t, db, sessionUser(t, auditor))
	got := lines(t, auditor,
		"select concat_ws(' ', case_id, target, since::date, before::date, valid_until > now(), state, "+
			"open_until > now() + interval '11 hours') from my_cases order by warrant_id, target")
	want := []string{"2026-17 10.0.0.5 in vlan 12 2020-02-29 2020-03-01 t valid t", "2026-17 B@b.example 2020-02-29 " +
		"2020-03-01 t valid t", "2026-17 b@b.example 2020-02-29 2020-03-01 t applied"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("my cases are %q, want %q", got, want)
	}
	execute(t, db, "select end_warrant(id, 'over') from warrants")
	if got := ask[string](t, auditor,
		"select string_agg(distinct concat_ws(' ', state, open_until), ', ') from my_cases"); got != "ended" {
		t.Errorf("my cases are %s, want ended", got)
	}
}

// The client goes away while rows are sent to it: the record of the question was there before the first.
func TestCase_ABrokenConnectionLeavesTheRecord(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	run(t, db, "insert into tap25_internal.envelopes select e.seen_at, n, e.message_bytes, e.declared_size, "+
		"e.lost_bytes, e.mail_no, e.client_port, e.server_port, e.outcome, e.mail_code, e.rcpt_code, e.data_code, "+
		"e.flags, e.auth, e.client_ip, e.server_ip, e.sensor, e.mail_from, e.rcpt_to, repeat('x', 1000) from "+
		"tap25_internal.envelopes e, generate_series(1000, 5000) n where rcpt_to = 'b@b.example'")
	user := sessionUser(t, opened(t, db, "auditor", "b@b.example"))
	session, _ := toldSession(t, db, user)
	run(t, session, "select ask_case('2026-17')")
	results := session.Conn().PgConn().Exec(context.Background(), "select * from case_mail('2026-17')")
	if !results.NextResult() || !results.ResultReader().NextRow() {
		t.Fatal("no row is sent")
	}
	session.Conn().PgConn().Conn().Close()
	results.Close()
	wait(t, func() bool {
		return ask[int](t, db, "select count(*) from pg_stat_activity where pid = $1",
			session.Conn().PgConn().PID()) == 0
	})
	if got := ask[string](t, db, "select string_agg(rows::text, ' ') from accesses where action = 'read'"); got != "4002" {
		t.Errorf("the rows on record are %s, want 4002", got)
	}
	if n := len(missing(t, db)); n != 1 {
		t.Errorf("%d numbers are missing, want that of the showing", n)
	}
}
