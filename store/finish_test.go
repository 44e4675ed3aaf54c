package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

// soon takes days that have just been loaded.
var soon = FinishConfig{Quiet: -1}

func finish(t testing.TB, db *DB, cfg FinishConfig) []FinishedDay {
	t.Helper()
	done, err := db.FinishDays(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// someone is a row of one of a few addresses, domains and hosts, in some case, on one of the days from old on.
func someone(r *rand.Rand, days int) *smtp.Envelope {
	e := at(old.Add(time.Duration(r.IntN(days*24)) * time.Hour))
	for _, to := range []**string{&e.MailFrom, &e.RcptTo} {
		address := fmt.Sprintf("Ä%d@d%d.example", r.IntN(12), r.IntN(4))
		switch r.IntN(8) {
		case 0:
			address = strings.ToUpper(address)
		case 1:
			address = ""
		case 2:
			*to = nil
			continue
		}
		*to = &address
	}
	e.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(40))}), 1)
	e.Server = netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", r.IntN(40))), 25)
	e.OriginIP, e.OriginPort, e.OriginBy = netip.Addr{}, 0, smtp.OriginBy(r.IntN(len(smtp.OriginNames())))
	if e.OriginBy != smtp.ByNobody && r.IntN(4) > 0 {
		e.OriginIP = netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(60))})
	}
	e.Network = []string{"", "vlan 12", "vlan 13", "vxlan 12/vlan 12"}[r.IntN(4)]
	return e
}

// questions are the functions, each with its meaning as a condition that knows no index, summary or case.
var questions = map[string]string{
	"mail_from": "lower(mail_from) = lower($1)", "mail_to": "lower(rcpt_to) = lower($1)",
	"mail_from_domain": "lower(substring(mail_from from '@([^@]*)$')) = lower($1)",
	"mail_to_domain":   "lower(substring(rcpt_to from '@([^@]*)$')) = lower($1)",
	"mail_client":      "(client_ip <<= $1::inet or origin_ip <<= $1::inet)", "mail_server": "server_ip <<= $1::inet",
}

// checkQuestions holds every question about things that are there, and some that are not, against the view mail.
func checkQuestions(t *testing.T, db *DB) {
	t.Helper()
	const whole = "select coalesce(string_agg(m::text, ' ' order by m::text), '') from "
	for name, condition := range questions {
		var values []string
		switch {
		case strings.HasSuffix(name, "domain"):
			values = []string{"D0.example", "d1.EXAMPLE", "d9.example", ""}
		case name == "mail_client":
			values = []string{"10.0.0.1", "10.0.0.7", "10.0.0.50", "10.0.0.99", "10.0.0.0/28", "10.0.0.32/32",
				"0.0.0.0/0"}
		case name == "mail_server":
			values = []string{"2001:DB8::1", "2001:db8::7", "2001:db8::99", "2001:db8::/124", "2001:db8::8/128"}
		default:
			values = []string{"ä1@D1.example", "Ä2@d2.example", "Ä3@d3.example", "Ä4@d0.example", "",
				"nobody@d1.example"}
		}
		for _, v := range values {
			cast := "$1"
			if !strings.HasPrefix(name, "mail_from") && !strings.HasPrefix(name, "mail_to") {
				cast = "$1::inet"
			}
			want := ask[string](t, db, whole+"mail m where "+condition, v)
			if got := ask[string](t, db, whole+name+"("+cast+") m", v); got != want {
				t.Errorf("%s: %d octets of rows, want %d", name, len(got), len(want))
			}
			if got := ask[string](t, db, whole+name+"("+cast+", null, null) m", v); got != want {
				t.Errorf("%s without bounds: %d octets of rows, want %d", name, len(got), len(want))
			}
			since, before := old.Add(30*time.Hour), old.Add(80*time.Hour)
			want = ask[string](t, db, whole+"mail m where seen_at >= $2 and seen_at < $3 and "+condition, v, since,
				before)
			if got := ask[string](t, db, whole+name+"("+cast+", $2, $3) m", v, since, before); got != want {
				t.Errorf("%s in a time range: %d octets of rows, want %d", name, len(got), len(want))
			}
		}
	}
}

// checkCases holds what warrants open against their meaning, each alone and all together, where each row comes once.
func checkCases(t *testing.T, db *DB) {
	t.Helper()
	for _, id := range ask[[]int64](t, db, `select array_agg(apply_for_warrant(c, 'order', array[session_user], targets::text[], '2020-03-01 06:00Z', '2020-03-20 18:00Z', '2099-01-01', by_origin))
		from (values ('1', '{ä1@D1.example}', null), ('3', '{D2.EXAMPLE}', null), ('4', '{10.0.0.7}', false), ('5', '{10.0.0.0/28}', true), ('6', '{2001:db8::7}', null),
			('7', '{2001:db8::/124}', false), ('8', '{10.0.0.7 in vlan 12}', null), ('9', '{10.0.0.48/28}', true), ('10', '{2001:db8::/124 in vxlan 12/vlan 12}', false),
			('11', '{ä1@D1.example,D2.EXAMPLE,D2.example,10.0.0.0/28,10.0.0.7 in vlan 12}', true)) v (which, targets, by_origin), unnest(array[which, 'all']) c`) {
		approve(t, db, id)
	}
	for _, which := range []string{"1", "3", "4", "5", "6", "7", "8", "9", "10", "11", "all"} {
		run(t, db, "select open_case($1, 'test')", which)
		run(t, db, "select ask_case($1)", which)
		const whole = "select coalesce(string_agg(line, ' ' order by line), '') from (select (to_jsonb(m) - " +
			"'sensors' - 'copies')::text as line from "
		want := ask[string](t, db, whole+`mail m where exists (select from warrants w where w.case_id = $1 and
			m.seen_at >= w.since and m.seen_at < w.before and (lower(w.mailbox) in (lower(m.mail_from), lower(m.rcpt_to))
				or lower(w.domain) in (lower(substring(m.mail_from from '@([^@]*)$')), lower(substring(m.rcpt_to from '@([^@]*)$')))
				or (m.client_ip <<= w.network or m.server_ip <<= w.network or m.origin_ip <<= w.network and w.by_origin) and coalesce(m.network = w.seen_in, w.seen_in is null)))) l`, which)
		if got := ask[string](t, db, whole+"case_mail($1) m) l", which); got != want || want == "" {
			t.Errorf("case %s opens %d octets of rows, want %d", which, len(got), len(want))
		}
	}
}

// Days are finished, get late rows, are finished again and expire under a hold: every question has the answer of the
// view.
func TestFinishDays_QuestionsStayRight(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(25, 8))
	load := func(n, days int) {
		var rows []*smtp.Envelope
		for range n {
			rows = append(rows, someone(r, days))
		}
		rows = append(rows, at(time.Now()), at(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)))
		loadRows(t, db, "tap", rows...)
	}
	load(300, 40) // more days than are asked one by one; from noon to noon
	checkQuestions(t, db)
	if done := finish(t, db, soon); len(done) != 41 {
		t.Errorf("%d days finished, want 41", len(done))
	}
	checkQuestions(t, db)
	load(20, 10)
	checkQuestions(t, db)
	if done := finish(t, db, soon); len(done) == 0 || len(done) > 10 {
		t.Errorf("%d days finished again", len(done))
	}
	checkQuestions(t, db)
	checkCases(t, db)
	hold(t, db, "d1.example", nil)
	expire(t, db, ExpireConfig{Version: "test", Now: old.AddDate(2, 0, 20)})
	checkQuestions(t, db)
	left := ask[string](t, db, `select concat_ws(' ', count(*), count(*) filter (where day < $1), (select count(*) from prints where day < $1)) from summaries`, old.AddDate(0, 0, 21))
	if left != "20 0 0" {
		t.Errorf("summaries, those of days that are gone, and their prints: %s; want 20 0 0", left)
	}
}

func TestFinishDays_SummariesLeaveDaysOut(t *testing.T) {
	db := database(t, false)
	for i := range 5 {
		var rows []*smtp.Envelope
		for n := range 2000 {
			e := at(old.AddDate(0, 0, i))
			e.MailFrom = new(fmt.Sprintf("from%d@a.example", 2000*i+n))
			rows = append(rows, e)
		}
		loadRows(t, db, "tap", rows...)
	}
	if _, touched := scans(t, db, "mail_from('FROM4242@a.example')"); len(touched) != 5 {
		t.Errorf("before: looks into %v, want all five days", touched)
	}
	finish(t, db, soon)
	n, touched := scans(t, db, "mail_from('FROM4242@a.example')")
	if n != 1 || len(touched) != 1 || touched["envelopes_20200302"] == "" {
		t.Errorf("%d rows, looks into %v; want the day that has it alone", n, touched)
	}
	late := at(old)
	late.MailFrom = new("from4242@A.example")
	loadRows(t, db, "tap", late)
	if n, touched := scans(t, db, "mail_from('FROM4242@a.example')"); n != 2 || len(touched) != 2 {
		t.Errorf("behind a late row: %d rows, looks into %v", n, touched)
	}
}

// bigDay fills the day old with rows enough to be reindexed.
func bigDay(t testing.TB, db *DB, from, n int) {
	t.Helper()
	bigDayOn(t, db, old, from, n)
}

func bigDayOn(t testing.TB, db *DB, day time.Time, from, n int) {
	t.Helper()
	var rows []*smtp.Envelope
	for i := range n {
		e := at(day)
		e.MailFrom, e.RcptTo = new(fmt.Sprintf("f%d@a%d.example", (from+i)*7919, i%997)),
			new(fmt.Sprintf("t%d@b%d.example", from+i, i%97))
		rows = append(rows, e)
	}
	loadRows(t, db, "tap", rows...)
}

const invalidIndexes = "select count(*) from pg_index where not indisvalid and indrelid = " +
	"'envelopes_20200229'::regclass"

func TestFinishDays_RebuildsIndexesOnceAndAgainBehindManyRows(t *testing.T) {
	db := database(t, false)
	bigDay(t, db, 0, 10_000)
	bigDay(t, db, 10_000, 10_000)
	done := finish(t, db, soon)
	if len(done) != 1 || !done[0].Summarized || done[0].After >= done[0].Before || done[0].After == 0 {
		t.Fatalf("%+v", done)
	}
	if s, err := db.Status(t.Context()); err != nil || s.Summarized != 1 || s.Reindexed != 1 || s.Frozen != 1 {
		t.Errorf("status %+v, %v", s, err)
	}
	if size := ask[int64](t, db, "select pg_indexes_size('envelopes_20200229')"); size != done[0].After {
		t.Errorf("the indexes take %d bytes, said were %d", size, done[0].After)
	}
	if done := finish(t, db, soon); len(done) != 0 {
		t.Errorf("the second time: %+v", done)
	}
	bigDay(t, db, 20_000, 1)
	if done := finish(t, db, soon); len(done) != 1 || !done[0].Summarized || done[0].After != 0 {
		t.Errorf("behind one late row: %+v", done)
	}
	bigDay(t, db, 20_001, 2000)
	if done := finish(t, db, FinishConfig{}); len(done) != 0 {
		t.Errorf("while rows come: %+v", done)
	}
	if done := finish(t, db, soon); len(done) != 1 || done[0].After == 0 {
		t.Errorf("behind a tenth of late rows: %+v", done)
	}
	if n := ask[int](t, db,
		"select count(*) from pg_index where indrelid = 'envelopes_20200229'::regclass and indisvalid"); n != 8 {
		t.Errorf("%d indexes, want 8", n)
	}
	if n, touched := scans(t, db, "mail_from('F79190@A10.example')"); n != 1 ||
		touched["envelopes_20200229"] != "by index" {
		t.Errorf("%d rows, %v", n, touched)
	}
}

// frozenDay reports whether no VACUUM has to look at a row of the day old again.
func frozenDay(t *testing.T, db *DB) bool {
	t.Helper()
	return ask[bool](t, db, `select relfrozenxid::text::bigint >
			(select max(xmin::text::bigint) from envelopes_20200229)
		from pg_class where oid = 'envelopes_20200229'::regclass`)
}

func TestFinishDays_FreezesOnceAndAgainAfterManyRows(t *testing.T) {
	db := database(t, false)
	bigDay(t, db, 0, 100)
	for _, c := range []struct {
		rows   int
		frozen bool
	}{{0, true}, {0, false}, {9, false}, {1, true}} {
		if c.rows > 0 {
			bigDay(t, db, 100, c.rows)
		}
		done := finish(t, db, soon)
		if did := len(done) == 1 && done[0].Frozen; did != c.frozen {
			t.Errorf("after %d more rows: %+v", c.rows, done)
		}
		if want := c.frozen || c.rows == 0; frozenDay(t, db) != want {
			t.Errorf("after %d more rows: frozen is not %v", c.rows, want)
		}
	}
	reader := another(t, db.Conn().Config().Database)
	tx, err := reader.Conn().BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select 1"); err != nil { // which takes its snapshot
		t.Fatal(err)
	}
	bigDay(t, db, 200, 100)
	if done := finish(t, db, soon); len(done) != 1 || done[0].Frozen {
		t.Errorf("beside an older transaction: %+v", done)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done := finish(t, db, soon); len(done) != 1 || !done[0].Frozen || !frozenDay(t, db) {
		t.Errorf("after that transaction: %+v", done)
	}
	expire(t, db, ExpireConfig{Version: "test", Now: old.AddDate(2, 0, 9)})
	if n := ask[int](t, db, "select count(*) from frozen"); n != 0 {
		t.Errorf("%d lines are left of days that are gone", n)
	}
}

// A transaction that has read the day is open: a reindex waits for it, and nobody waits for the reindex. One that is
// given up is made whole by the next.
func TestFinishDays_ReindexHoldsNobodyUpAndIsTakenUpAgain(t *testing.T) {
	db := database(t, false)
	bigDay(t, db, 0, 10_000)
	name := db.Conn().Config().Database
	reader, other := another(t, name), another(t, name)
	tx, err := reader.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "select count(*) from mail"); err != nil {
		t.Fatal(err)
	}
	hasty := soon
	hasty.Patience = 50 * time.Millisecond
	if done := finish(t, db, hasty); len(done) != 1 || !done[0].Summarized || done[0].After != 0 {
		t.Errorf("beside an open transaction: %+v", done)
	}
	if n := ask[int](t, db, invalidIndexes); n == 0 {
		t.Error("nothing was left half done: the case is not tried")
	}
	ended := make(chan []FinishedDay)
	go func() {
		done, err := other.FinishDays(context.Background(), FinishConfig{Quiet: -1, Patience: time.Hour})
		if err != nil {
			t.Error(err)
		}
		ended <- done
	}()
	wait(t, func() bool {
		return ask[bool](t, db, "select exists (select from pg_stat_activity where query ~ '^(drop index|reindex)' "+
			"and wait_event_type = 'Lock' and datname = current_database())")
	})
	loadRows(t, db, "tap", at(old)) // which takes no longer than ever, or never ends
	if n := count(t, db); n != 10_001 {
		t.Errorf("%d rows, want 10,001", n)
	}
	tx.Commit(t.Context())
	if done := <-ended; len(done) != 1 || done[0].After == 0 {
		t.Errorf("behind the transaction: %+v", done)
	}
	if n := ask[int](t, db, invalidIndexes); n != 0 {
		t.Errorf("%d indexes are left half done", n)
	}
}

func TestUpkeep_FinishesAFewDaysEachTime(t *testing.T) {
	db := database(t, false)
	for i := range upkeepDays + 2 {
		loadRows(t, db, "tap", at(old.AddDate(0, 0, i)))
	}
	upkeep := func() int {
		report, err := db.Upkeep(t.Context(), "tap", "", ExpireConfig{}, Retention{})
		if err != nil {
			t.Fatal(err)
		}
		return len(report.Finished)
	}
	if n := upkeep(); n != 0 {
		t.Errorf("%d days finished while rows may come", n)
	}
	if _, err := db.Conn().Exec(t.Context(), "update days set loaded_at = now() - interval '11 minutes'"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{upkeepDays, 2, 0} {
		if n := upkeep(); n != want {
			t.Errorf("%d days finished, want %d", n, want)
		}
	}
}

func TestFinishDays_ByThoseWhoMay(t *testing.T) {
	db := database(t, false)
	for _, role := range []string{"tap25_sensor", "tap25_admin"} {
		bigDay(t, db, 0, 10_000)
		user := as(t, db, role, role[6:])
		if done := finish(t, user, soon); len(done) != 1 || !done[0].Summarized || done[0].After != 0 ||
			done[0].Frozen {
			t.Errorf("%s: %+v; want a summary, and neither a reindex nor a freeze", role, done)
		}
		if done := finish(t, user, soon); len(done) != 0 {
			t.Errorf("%s, the second time: %+v", role, done)
		}
	}
	if n := ask[int](t, db, "select count(*) from mail_from('F7919@A1.example')"); n != 2 {
		t.Errorf("the owner finds %d rows, want 2", n)
	}
	sensor := as(t, db, "tap25_sensor", "reads_none")
	for _, sql := range []string{"table summaries", "table prints", "select * from mail_from('f7919@a1.example')",
		"select days_with('mail_from', '', '-infinity', 'infinity')",
		"select * from mail_days", "select * from mail_aside"} {
		refused(t, sensor, sql)
	}
}
