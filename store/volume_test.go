package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

func setVolume(t *testing.T, db *DB, rowsADay int64, want int) {
	t.Helper()
	if bits, err := db.SetVolume(t.Context(), rowsADay); err != nil || bits != want {
		t.Errorf("for %d rows a day: %d bits, %v; want %d", rowsADay, bits, err, want)
	}
}

// addressIndexes are the functions that the indexes of addresses of the days call, with how many do.
func addressIndexes(t *testing.T, db *DB, condition string) string {
	t.Helper()
	return strings.Join(lines(t, db, `select concat_ws(' ', tablename, b, count(*))
		from pg_indexes, substring(indexdef from '\m(bucket\d*)\(') b
		where tablename ~ '^envelopes_\d' and b is not null and `+condition+` group by tablename, b order by 1`), ", ")
}

// Days of each width get late rows, are finished and expire: every question has the answer of the view, from the index.
func TestVolume_QuestionsStayRightWhateverTheWidths(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(27, 1))
	load := func(first, n int) { // rows of two days
		var rows []*smtp.Envelope
		for range n {
			e := someone(r, 1)
			e.SeenAt = e.SeenAt.AddDate(0, 0, first)
			rows = append(rows, e)
		}
		loadRows(t, db, "tap", rows...)
	}
	for i, volume := range []int64{1 << 20, 1<<20 + 1, 1 << 24, 1<<24 + 1, 100} {
		setVolume(t, db, volume, []int{16, 20, 20, 24, 16}[i])
		load(2*i, 60)
	}
	checkQuestions(t, db)
	want := "envelopes_20200229 bucket 4, envelopes_20200301 bucket 4, envelopes_20200302 bucket20 4"
	if got := addressIndexes(t, db, "tablename < 'envelopes_20200303'"); got != want {
		t.Errorf("indexes %s, want %s", got, want)
	}
	for day := range 9 {
		load(day, 2) // late rows
	}
	checkQuestions(t, db)
	finish(t, db, soon)
	checkQuestions(t, db)
	checkCases(t, db)
	expire(t, db, ExpireConfig{Version: "test", Now: old.AddDate(2, 0, 5)})
	checkQuestions(t, db)
}

// The index of each day is that of its width, and the question takes it.
func TestVolume_EachDayIsAskedByItsIndex(t *testing.T) {
	db := database(t, false)
	for i, volume := range []int64{1, 2e6, 1e8} {
		setVolume(t, db, volume, 16+4*i)
		for from := range 2 {
			bigDayOn(t, db, old.AddDate(0, 0, i), 1000*from, 1000)
		}
	}
	for _, question := range []string{"mail_from('F79190@A10.example')", "mail_to('T10@b10.example')",
		"mail_from_domain('A10.example')", "mail_to_domain('B10.example')"} {
		_, touched := scans(t, db, question)
		if how := slices.Collect(maps.Values(touched)); len(how) != 3 || slices.Contains(how, "whole") {
			t.Errorf("%s: %v", question, touched)
		}
	}
}

// The days ahead get the new width, unless they have rows; today keeps its own.
func TestSetVolume_ChangesTheDaysAheadThatAreEmpty(t *testing.T) {
	db := database(t, false)
	if _, err := db.AheadPartitions(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	tomorrow := time.Now().UTC().AddDate(0, 0, 1)
	loadRows(t, db, "tap", at(tomorrow))
	setVolume(t, db, 1e8, 24)
	var want []string
	for i, name := range []string{"bucket", "bucket", "bucket24", "bucket24"} {
		want = append(want, fmt.Sprintf("envelopes_%s %s 4", tomorrow.AddDate(0, 0, i-1).Format("20060102"), name))
	}
	if got := addressIndexes(t, db, "true"); got != strings.Join(want, ", ") {
		t.Errorf("indexes %s, want %s", got, want)
	}
	for _, n := range []int64{0, -1} {
		if _, err := db.SetVolume(t.Context(), n); err == nil {
			t.Errorf("%d rows a day are taken", n)
		}
	}
	refused(t, as(t, db, "tap25_sensor", "sensor"), "select set_volume(1)")
	refused(t, as(t, db, "tap25_admin", "admin"), "select set_volume(1)")
}

func TestStatus_AdvisesWiderIndexes(t *testing.T) {
	db := database(t, false)
	yesterday := time.Now().UTC().AddDate(0, 0, -1)
	loadRows(t, db, "tap", at(yesterday))
	for _, c := range []struct {
		planned, rows int64
		advice        string
	}{
		{1e6, 65 << 16, "--rows-a-day 4300000'"}, {1e6, 65<<16 - 1, ""},
		{1e8, 1e10, ""}, {2e6, 1e9, "--rows-a-day 1000000000'"},
	} {
		bits := map[int64]int{1e6: 16, 2e6: 20, 1e8: 24}[c.planned]
		setVolume(t, db, c.planned, bits)
		run(t, db, "update days set rows = $1", c.rows)
		s, err := db.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.IndexBits != bits || s.IndexedFor != c.planned {
			t.Errorf("status: %d bits for %d rows, want %d for %d", s.IndexBits, s.IndexedFor, bits, c.planned)
		}
		if advised := strings.Contains(s.Warning, "share an entry"); advised != (c.advice != "") ||
			!strings.Contains(s.Warning, c.advice) {
			t.Errorf("%d rows a day, indexes for %d: %q; want %q", c.rows, c.planned, s.Warning, c.advice)
		}
	}
}

// lockedBy returns the tables of a kind that a question locks.
func lockedBy(t *testing.T, db *DB, question, kind string) (names []string) {
	t.Helper()
	fresh := another(t, db.Conn().Config().Database)
	err := pgx.BeginFunc(t.Context(), fresh.Conn(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select * from "+question); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), `select c.relname::text from pg_locks l join pg_class c on c.oid = l.relation
			where l.pid = pg_backend_pid() and c.relkind = 'r' and c.relname ~ ('^' || $1 || '_\d{8}$')
			order by 1`, kind)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return names
}

// A question opens the prints of the days that it is about, and the days that have what it asks for, however many.
func TestQuestions_OpenTheDaysThatTheyAreAbout(t *testing.T) {
	db := database(t, false)
	for i := range 40 {
		e := at(old.AddDate(0, 0, i))
		e.RcptTo = new(fmt.Sprintf("t%d@b%d.example", i, i/36))
		loadRows(t, db, "tap", e)
	}
	finish(t, db, soon)
	names := lockedBy(t, db, "mail_to('nobody@b.example', '2020-03-02', '2020-03-03 23:00Z')", "prints")
	if want := []string{"prints_20200302", "prints_20200303"}; !slices.Equal(names, want) {
		t.Errorf("for two days, the prints opened are %v", names)
	}
	if names := lockedBy(t, db, "mail_to_domain('b0.example')", "prints"); len(names) != 40 {
		t.Errorf("for all days, the prints of %d days are opened, want 40", len(names))
	}
	if names := lockedBy(t, db, "mail_to_domain('b0.example')", "envelopes"); len(names) != 36 {
		t.Errorf("%d days are opened, want the 36 that have the domain", len(names))
	}
	run(t, db, "drop table prints_20200229") // as expiry does, after a question has read which summaries there are
	if n := mailOf(t, db, "T0@b0.example"); n != 1 {
		t.Errorf("%d rows of a day without its prints, want 1", n)
	}
}

// A day's prints are a table of their own, which is dropped with the day, and no row is deleted. Who asks for nothing
// but them keeps the day from being dropped, and is named.
func TestExpire_DropsThePrintsOfADay(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old), at(old.AddDate(0, 0, 1)), at(old.AddDate(0, 0, 9)))
	finish(t, db, soon)
	reader := another(t, db.Conn().Config().Database)
	tx, err := reader.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	const question = "select count(*) from mail_from('nobody@nowhere.example', '2020-03-01', '2020-03-01 23:00Z')"
	if err := tx.QueryRow(t.Context(), question).Scan(&n); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	cfg := ExpireConfig{Version: "test", Now: old.AddDate(2, 0, 5)}
	r := expire(t, db, cfg)
	if len(r.Dropped) != 1 || len(r.Busy) != 1 {
		t.Errorf("beside a question about prints: %+v", r)
	}
	late, err := db.late(t.Context())
	if err != nil || len(late) != 1 || !strings.Contains(late[0], sessionUser(t, reader)) {
		t.Errorf("late: %v, %v", late, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	expire(t, db, cfg)
	left := lines(t, db, "select relname::text from pg_class where relname ~ '^prints_' and relkind = 'r'")
	if !slices.Equal(left, []string{"prints_20200309"}) {
		t.Errorf("left are %v", left)
	}
	if n := ask[int](t, db, "select count(*) from prints where day <> '2020-03-09'"); n != 0 {
		t.Errorf("%d pages of prints are left", n)
	}
}
