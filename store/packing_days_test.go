package store

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// packAll packs all days in blocks of that many rows.
func packAll(t testing.TB, db *DB, most int) (rows int) {
	t.Helper()
	for _, day := range lines(t, db,
		"select day::text from days d where has_partition(day) group by day having sum(rows) > 0") {
		rows += ask[int](t, db, "select pack_rows($1::text::date, $2, 4 << 20)", day, most)
	}
	return rows
}

// askedOfAll asks each question function about each value of was, which has the mail that there was.
var askedOfAll = map[string]string{
	"mail_from":                 "mail_from(w.mail_from)",
	"mail_from upper":           "mail_from(upper(w.mail_from), w.seen_at, w.seen_at + interval '1 millisecond')",
	"mail_to":                   "mail_to(w.rcpt_to)",
	"mail_from_domain":          "mail_from_domain(domain_of(w.mail_from))",
	"mail_to_domain":            "mail_to_domain(upper(domain_of(w.rcpt_to)))",
	"mail_client":               "mail_client(w.client_ip)",
	"mail_client of an origin":  "mail_client(w.origin_ip)",
	"mail_server":               "mail_server(w.server_ip)",
	"a subnet":                  "mail_server(network(set_masklen(w.server_ip, 8)))",
	"another subnet":            "mail_client(network(set_masklen(w.client_ip, 12)))",
	"mail_of":                   "mail_of(w.mail_from)",
	"correspondents":            "correspondents(w.rcpt_to)",
	"mail_hops":                 "mail_hops(w.session_id, w.mail_no, w.rcpt_to)",
	"mail_once":                 "mail_once(w.seen_at, w.seen_at + interval '1 millisecond')",
	"mail_local_part":           "mail_local_part(local_part(w.rcpt_to), w.seen_at, w.seen_at + interval '2 days')",
	"mail_of domains below one": "mail_of('.' || domain_of(w.rcpt_to), w.seen_at, w.seen_at + interval '2 days')",
	"mail": "(select * from mail m where m.seen_at >= w.seen_at and m.seen_at < w.seen_at + " +
		"interval '1 millisecond')",
	"mail by address": "(select * from mail m where m.rcpt_to = w.rcpt_to)",
	"completeness":    "completeness(w.seen_at, w.seen_at + interval '1 day')",
}

// answers asks them.
func answers(t testing.TB, db *DB) map[string]string {
	all := map[string]string{}
	for name, from := range askedOfAll {
		all[name] = ask[string](t, db, `select concat(count(q), ' ', md5(string_agg(concat(w.n, q::text), '|' order by w.n, q::text)))
			from (select * from was where n % 37 = 0 and (mail_from ~ '^[^\n\t@ ]+@[^@]+[.][^@]+$' and rcpt_to ~ '^[^\n\t@ ]+@[^@]+[.][^@]+$'
				or n % 2 = 0 and '`+name+`' ~ '^mail_(from|to)')
				or origin_ip is not null and '`+name+`' ~ 'origin') w cross join lateral `+from+` q`)
	}
	return all
}

func TestPack_QuestionsAreAnsweredAsBefore(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 29))
	day := old.Truncate(24 * time.Hour)
	loadRows(t, db, "tap", append(strangeRows(r, day, 1500, false),
		strangeRows(r, day.AddDate(0, 0, 1), 100, true)...)...)
	execute(t, db, "create table was as select row_number() over () as n, m.* from mail m")
	before := answers(t, db)
	if n := packAll(t, db, 200); n != 1600 {
		t.Fatalf("%d rows are packed", n)
	}
	if diff := cmp.Diff(before, answers(t, db)); diff != "" {
		t.Error(diff)
	}
	for name, a := range before {
		if strings.HasPrefix(a, "0 ") {
			t.Errorf("%s finds nothing at all", name)
		}
	}
	execute(t, db, "analyze")
	plan := strings.Join(lines(t, db,
		"explain select * from mail where seen_at >= '2020-03-01 05:00Z' and seen_at < '2020-03-01 06:00Z'"), "\n")
	if !strings.Contains(plan, "blocks_20200301") || strings.Contains(plan, "blocks_20200229") {
		t.Errorf("a question about an hour opens other days than its own:\n%s", plan)
	}
	whole := strings.Join(lines(t, db, "explain select * from mail where lower(helo) = 'x' and seen_at < '2020-03-01'"), "\n")
	for _, plan := range []string{plan, whole} {
		if strings.Count(plan, "Nested Loop") != 1 || !strings.Contains(plan, "ProjectSet") {
			t.Errorf("a block is unpacked, or read, for each time in it:\n%s", plan)
		}
	}
}

// A question of the view that unpacks millions of rows of more than a day's time is refused, and allowed by a setting.
// The functions are not, nor is a question about one day, or an hour of each of two. The numbers of rows and blocks of a
// packed day are made up.
func TestPack_AQuestionThatUnpacksMuchIsRefused(t *testing.T) {
	db := database(t, false)
	day := old.Truncate(24 * time.Hour)
	loadRows(t, db, "tap", at(day), at(day.AddDate(0, 0, 1)), at(day.AddDate(0, 0, 2)))
	packAll(t, db, 100)
	execute(t, db, "update packs set rows = 4000000")
	const typed = "mail where mail_from = 'nobody@nowhere.example'"
	known := ask[string](t, db, "select mail_from from mail where seen_at < '2020-03-01' limit 1")
	check := func(questions map[string]bool) {
		for question, refused := range questions {
			var n int
			err := db.Conn().QueryRow(t.Context(), "select count(*) from "+question).Scan(&n)
			code, _ := refusedCode(err)
			if is := code == "54000"; is != refused || !is && err != nil {
				t.Errorf("%v, want refused %v", err, refused)
			}
		}
	}
	check(map[string]bool{
		typed:                                  true,
		typed + " and seen_at >= '2020-03-02'": false,
		"mail_from('nobody@nowhere.example')":  false,
		"mail_from('" + known + "')":           false,
		// Each reads a day twice.
		"mail_of('.example', '2020-03-01 12:00Z', '2020-03-01 13:00Z')":                false,
		"mail_local_part('a', '2020-03-01 12:00Z', '2020-03-01 13:00Z')":               false,
		"mail a, mail b where a.seen_at >= '2020-03-02' and b.seen_at >= '2020-03-02'": false,
	})
	execute(t, db, "update packs set rows = 100000000, blocks = 12500", "select show_packed()")
	check(map[string]bool{
		typed: true,
		"mail where seen_at >= '2020-03-01' and seen_at < '2020-03-02'":               false,
		"mail where seen_at >= '2020-03-01 12:00Z' and seen_at < '2020-03-02 12:00Z'": false,
		"mail where seen_at >= '2020-03-01 12:00Z' and seen_at < '2020-03-02 13:00Z'": true,
		"mail_once('2020-02-29 23:55Z', '2020-03-01 00:05Z')":                         false,
		"mail_once('2020-03-01 10:00Z', '2020-03-01 10:10Z')":                         false,
	})
	execute(t, db, "set tap25.unpack = 'all'")
	if n := ask[int](t, db, "select count(*) from mail"); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func TestPack_ACaseIsAnsweredAsBefore(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 30))
	loadRows(t, db, "tap", strangeRows(r, old.Truncate(24*time.Hour), 500, false)...)
	auditor := opened(t, db, "auditor", "a@b", "d7.example", "192.0.2.0/24")
	ask := func() CaseAnswer {
		a, err := auditor.AskCase(t.Context(), CaseQuestion{Case: "2026-17"})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := ask()
	packAll(t, db, 100)
	if after := ask(); after.Rows != before.Rows || after.SHA256 != before.SHA256 || before.Rows == 0 {
		t.Errorf("before %d rows, %s; now %d, %s", before.Rows, before.SHA256, after.Rows, after.SHA256)
	}
}

// A disclosure of rows of a packed day has the same proofs.
func TestPack_TheLeavesOfACaseAreThoseOfBefore(t *testing.T) {
	name, _ := provenDatabase(t)
	db := copied(t, name)
	auditor := as(t, db, "tap25_auditor", "auditor")
	approve(t, db, ask[int64](t, db, "select apply_for_warrant('2026-17', 'order', array[$1::name], $2, '2020-03-01', "+
		"'2020-03-03', clock_timestamp() + interval '1 day')", sessionUser(t, auditor),
		[]string{"r2@c.example", "r4@c.example"}))
	openCase(t, auditor)
	leaves := func() string {
		a, err := auditor.AskCase(t.Context(), CaseQuestion{Case: "2026-17"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines(t, auditor, `select concat(l.day, ' ', md5(l.body), ' ', (
			select string_agg(substr(l.leaves, 32 * i + 1, 32)::text, ' ' order by substr(l.leaves, 32 * i + 1, 32))
			from generate_series(0, octet_length(l.leaves) / 32 - 1) i)) as line
			from tap25.case_leaves($1) l order by line`, a.Number), "\n")
	}
	before := leaves()
	if packAll(t, db, 5); before == "" || leaves() != before {
		t.Errorf("before:\n%s\nnow:\n%s", before, leaves())
	}
}

// Rows that come after a day was packed are packed beside the others.
func TestPack_LateRows(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 31))
	day := old.Truncate(24 * time.Hour)
	for late := range 3 {
		loadRows(t, db, "tap", strangeRows(r, day, 100, false)...)
		want := tuples(t, db, mailOn(day))
		if n := ask[int](t, db, "select count(*) from mail"); n != 100*(late+1) {
			t.Errorf("%d rows after the load %d", n, late)
		}
		if n := packAll(t, db, 30); n != 100 {
			t.Errorf("%d late rows were packed", n)
		}
		if string(tuples(t, db, mailOn(day))) != string(want) {
			t.Error("the view shows other mail")
		}
	}
	if n := ask[int](t, db, "select sum(rows) from days"); n != 300 {
		t.Errorf("%d rows are counted", n)
	}
	report := expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Change: true, Version: "test"})
	if len(report.Dropped) != 1 || report.Dropped[0].Rows != 300 || count(t, db) != 0 {
		t.Errorf("%+v, and %d rows are left", report, count(t, db))
	}
	if n := ask[int](t, db, "select (select count(*) from packs) + (select count(*) from block_prints) + (select "+
		"count(*) from blocks)"); n != 0 {
		t.Errorf("%d lines are left of a day that was dropped", n)
	}
}

// A load that makes a partition for a packed day and then adds nothing, since it is interrupted or all is there
// already, does not keep any day from being packed. Rows that come later do not, either.
func TestPack_AnEmptyPartitionOfAPackedDay(t *testing.T) {
	db := database(t, false)
	day := old.Truncate(24 * time.Hour)
	loadRows(t, db, "tap", at(day), at(day.AddDate(0, 0, 1)))
	if _, err := db.PackDays(t.Context(), PackConfig{Quiet: -1, Days: []time.Time{day}}); err != nil {
		t.Fatal(err)
	}
	ask[any](t, db, "select make_partitions(array[$1::date])", day)
	packed, err := db.PackDays(t.Context(), PackConfig{Quiet: -1})
	if err != nil || len(packed) != 1 || packed[0].Rows != 1 || packed[0].Busy != nil {
		t.Errorf("%+v, %v", packed, err)
	}
	if n := ask[int](t, db, "select count(*) from mail"); n != 2 {
		t.Errorf("%d rows", n)
	}
	loadRows(t, db, "tap", at(day), at(day))
	packed, err = db.PackDays(t.Context(), PackConfig{Quiet: -1})
	if err != nil || len(packed) != 1 || packed[0].Rows != 2 || count(t, db) != 4 {
		t.Errorf("%+v, %v, %d rows", packed, err, count(t, db))
	}
}

// Legal holds keep rows of a packed day as they would of any.
func TestPack_HeldRowsStay(t *testing.T) {
	held := map[bool]string{}
	for _, packed := range []bool{false, true} {
		db := database(t, false)
		r := rand.New(rand.NewPCG(17, 32))
		loadRows(t, db, "tap", strangeRows(r, old.Truncate(24*time.Hour), 300, true)...)
		hold(t, db, "a@b", nil)
		hold(t, db, "192.0.2.0/24", nil)
		if packed {
			packAll(t, db, 64)
		}
		report := expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Change: true, Version: "test"})
		if len(report.Dropped) != 1 || report.Dropped[0].Kept == 0 {
			t.Errorf("%+v", report)
		}
		held[packed] = string(tuples(t, db, "select * from held order by held::text"))
	}
	if held[true] != held[false] {
		t.Error("of a packed day other rows are held")
	}
}

func TestVerify_PackedDays(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	before := verify(t, db, trusting(s))
	if n := packAll(t, db, 5); int64(n) != before.Rows-12 { // all but the misdated rows, of which each segment has one
		t.Errorf("%d rows were packed", n)
	}
	after := verify(t, db, trusting(s))
	if len(after.Findings) > 0 || after.Rows != before.Rows || after.Segments != before.Segments ||
		after.Days != before.Days {
		t.Errorf("%+v, want %+v", after, before)
	}
	for edit, what := range map[string]string{
		"update blocks set sender = array_fill(0::smallint, array[cardinality(sender)]) where number = 2 and day = " +
			"'2020-03-02'": "was changed",
		"update blocks set first_at = first_at + interval '1 microsecond' where number = 2 and day = '2020-03-02'": "was changed",
		"delete from blocks where number = 2 and day = '2020-03-02'":                                               "are missing",
		"update blocks set links = array_fill(null::bigint, array[cardinality(links)]) where number = 1 and day = " +
			"'2020-03-02'": "of no segment",
	} {
		tx, err := db.Conn().Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), edit); err != nil {
			t.Fatal(err)
		}
		report, err := db.verify(t.Context(), trusting(s), tx.Begin)
		if err != nil {
			t.Fatal(err)
		}
		if !hasFinding(report.Findings, Finding{Day: "2020-03-02", What: what}) {
			t.Errorf("%s: %+v", edit, report.Findings)
		}
		tx.Rollback(t.Context())
	}
}

// What the upkeep and 'tap25 db pack' do: a sensor may pack, days that are young or in use stay, and the status tells.
func TestPackDays_PacksWhatIsOldAndIdle(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 33))
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for _, ago := range []int{0, 1, 7, 8, 9} {
		loadRows(t, db, "tap", strangeRows(r, today.AddDate(0, 0, -ago), 50, false)...)
	}
	sensor := as(t, db, "tap25_sensor", "tap")
	cfg := PackConfig{OlderThan: Retention{Days: 7}}
	if packed, err := sensor.PackDays(t.Context(), cfg); err != nil || len(packed) != 0 {
		t.Errorf("%+v, %v: rows came within the last ten minutes", packed, err)
	}
	reader := another(t, db.Conn().Config().Database)
	tx, err := reader.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "lock table tap25_internal."+today.AddDate(0, 0, -9).Format("envelopes_20060102")+
		" in access share mode"); err != nil {
		t.Fatal(err)
	}
	cfg.Quiet = -1
	packed, err := sensor.PackDays(t.Context(), cfg)
	if err != nil || len(packed) != 2 || packed[0].Busy == nil || packed[1].Busy != nil || packed[1].Rows != 50 ||
		packed[1].Before == 0 || packed[1].After == 0 {
		t.Errorf("%+v, %v", packed, err)
	}
	tx.Rollback(t.Context())
	s, err := db.Status(t.Context())
	if err != nil || s.PackedDays != 1 || s.PackedRows != 50 || s.Rows != 250 || s.PackedBytesPerRow == 0 ||
		s.HotBytesPerRow == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if size := ask[int64](t, db, `select sum(pg_total_relation_size(inhrelid))
		+ case when exists (select from summaries) then pg_total_relation_size('summaries') else 0 end
		from pg_inherits where inhparent in ('envelopes'::regclass, 'blocks'::regclass, 'block_prints'::regclass,
			'prints'::regclass)`); s.Bytes != size {
		t.Errorf("%d octets, want %d", s.Bytes, size)
	}
	for _, sql := range []string{"select * from tap25_internal.blocks",
		"select tap25_internal.pack_rows('2020-01-01', 1, 1)",
		"select * from tap25_internal.block_prints", "select * from tap25_internal.mail_packed"} {
		refused(t, sensor, sql)
	}
}

func TestStatus_TheDiskIsFullByTheRetention(t *testing.T) {
	for _, c := range []struct {
		free, growth int64
		kept         *int
		days         int
	}{{100, 1, nil, 100}, {100, 1, new(200), 100}, {101, 1, new(100), 0}, {50, 10, new(20), 9}, {0, 0, nil, 1},
		{1, 0, nil, 0}} {
		s := Status{PackedStatus: PackedStatus{Growth: c.growth, kept: c.kept, expiring: map[int]int64{1: 40, 500: 1}}}
		if c.kept == nil || *c.kept > 20 {
			s.expiring = nil
		}
		if days, full := s.FullIn(c.free); days != c.days || full != (c.days > 0) {
			t.Errorf("%+v: full in %d days, %v", c, days, full)
		}
	}
}

// Readers wait for a transaction that has packed a day, so the server ends one that is left open.
func TestPack_ATransactionThatIsLeftOpenIsEnded(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old))
	execute(t, db, "update days set loaded_at = now() - interval '11 minutes'")
	session := another(t, db.Conn().Config().Database)
	execute(t, session, "begin")
	if n := ask[int](t, session, "select pack_day($1)", old); n != 1 {
		t.Fatalf("%d rows are packed", n)
	}
	if timeout := ask[string](t, session, "show idle_in_transaction_session_timeout"); timeout != "10s" {
		t.Errorf("the session may be idle for %s", timeout)
	}
	execute(t, session, "rollback")
}
