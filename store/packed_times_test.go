package store

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
)

// spreadRows returns strange rows of a time, in any order. Some are at its limits, or at those of parts of a day.
func spreadRows(r *rand.Rand, since time.Time, length time.Duration, n int) []*smtp.Envelope {
	rows := strangeRows(r, since, n, false)
	for i, e := range rows {
		e.SeenAt = since.Add(time.Duration(r.Int64N(int64(length/time.Microsecond))) * time.Microsecond)
		switch {
		case i == 0:
			e.SeenAt = since
		case i == 1:
			e.SeenAt = since.Add(length - time.Microsecond)
		case i%10 == 0:
			e.SeenAt = e.SeenAt.Truncate(5 * time.Minute)
		}
	}
	return rows
}

// lateLots loads and packs rows of three days. The first has many blocks, and a lot for each hour that has some. Each
// day has rows that came late, so its blocks overlap. The table was has what the view shows before anything is packed.
func lateLots(t *testing.T, db *DB, r *rand.Rand) (first time.Time) {
	t.Helper()
	day := func(n int) time.Time { return old.Truncate(24*time.Hour).AddDate(0, 0, n) }
	execute(t, db, "create table was as select * from mail")
	for _, lot := range []struct {
		since  time.Time
		length time.Duration
		rows   int
	}{{day(0), 24 * time.Hour, 700}, {day(1), 24 * time.Hour, 300}, {day(2), 24 * time.Hour, 20},
		{day(0), 24 * time.Hour, 60}, {day(0).Add(7 * time.Hour), 3 * time.Hour, 80}, {day(1), 2 * time.Hour, 30},
		{day(0).Add(8 * time.Hour), time.Minute, 40}, {day(2), 24 * time.Hour, 3}} {
		loadRows(t, db, "tap", spreadRows(r, lot.since, lot.length, lot.rows)...)
		execute(t, db, "insert into was select * from mail_days")
		if n := packAll(t, db, 12); n != lot.rows {
			t.Fatalf("%d rows are packed, want %d", n, lot.rows)
		}
	}
	// As if the first day had so many blocks that it is divided into minutes, and the second that it is into hours.
	execute(t, db, "update packs set blocks = 100 * blocks where day = '2020-02-29'",
		"update packs set blocks = 10 * blocks where day = '2020-03-01'", "select show_packed()")
	return day(0)
}

// What the view shows of a time is what a table of the same rows shows, whatever the form of the condition and however
// the planner divides the days.
func TestPack_TheViewShowsEachRowOfATimeOnce(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 40))
	first := lateLots(t, db, r)
	shown := func(query string) string {
		return ask[string](t, db, "select concat(count(*), ' ', md5(string_agg(q::text, '|' order by q::text))) from ("+
			query+") q")
	}
	forms := []string{
		"where m.seen_at >= '%[2]s' and m.seen_at < '%[3]s'",
		"where m.seen_at between '%[2]s' and '%[3]s'",
		"where m.seen_at > '%[2]s' and m.seen_at <= '%[3]s' and m.rcpt_to ~ 'd1'",
		"where m.seen_at = '%[4]s'",
		"where m.seen_at in ('%[2]s', '%[4]s')",
		"where not (m.seen_at < '%[2]s' or m.seen_at >= '%[3]s')",
		"where m.seen_at < '%[2]s' or m.seen_at >= '%[3]s'",
		"where m.seen_at >= now() - (now() - timestamptz '%[2]s') and m.seen_at < '%[3]s'",
		"where date_trunc('hour', m.seen_at at time zone 'Asia/Kolkata') = '%[5]s'",
		"join %[1]s n on n.seen_at = m.seen_at and n.session_id = m.session_id " +
			"where n.seen_at >= '%[2]s' and m.seen_at < '%[3]s'",
		"where m.seen_at >= (select max(seen_at) from %[1]s where seen_at < '%[2]s') and m.seen_at < '%[3]s'",
	}
	for i := range 55 {
		form := forms[i%len(forms)]
		since := first.Add(time.Duration(r.Int64N(int64(70 * time.Hour))))
		before := since.Add(time.Duration(float64(70*time.Hour) * r.Float64() * r.Float64() * r.Float64() * r.Float64()))
		switch r.IntN(3) {
		case 0:
			since, before = since.Truncate(5*time.Minute), before.Truncate(5*time.Minute)
		case 1:
			since = since.Truncate(time.Hour)
		}
		one := ask[time.Time](t, db, "select seen_at from was order by seen_at = $1 desc, random() limit 1", since)
		answer := func(from string) string {
			return shown(fmt.Sprintf("select m.* from "+from+" m "+form, from, since.Format(time.RFC3339Nano),
				before.Format(time.RFC3339Nano), one.Format(time.RFC3339Nano),
				since.Truncate(time.Hour).Format(time.RFC3339)))
		}
		if was, is := answer("was"), answer("mail"); is != was {
			t.Errorf("%s from %v before %v: %s, want %s", form, since, before, is, was)
		}
	}
	if was, is := shown("select * from was"), shown("select * from mail"); is != was {
		t.Errorf("of all times: %s, want %s", is, was)
	}
}

// functionCalls returns how often a question calls a function that returns rows in a list of columns.
func functionCalls(t *testing.T, db *DB, function, question string) (calls int) {
	t.Helper()
	var plan []map[string]any
	if err := json.Unmarshal([]byte(ask[string](t, db, "explain (analyze, verbose, timing off, format json) "+question)),
		&plan); err != nil {
		t.Fatal(err)
	}
	var count func(node map[string]any)
	count = func(node map[string]any) {
		if node["Node Type"] == "ProjectSet" && strings.Contains(fmt.Sprint(node["Output"]), function+"(") {
			calls += int(node["Actual Loops"].(float64))
		}
		below, _ := node["Plans"].([]any)
		for _, n := range below {
			count(n.(map[string]any))
		}
	}
	count(plan[0]["Plan"].(map[string]any))
	return calls
}

// A question about a time reads no block but those of the parts of the day that its time touches: parts of five minutes
// if the day has many blocks, of an hour if it has some. Of these it unpacks those that have a row of the time.
func TestPack_AQuestionOpensTheBlocksOfItsTime(t *testing.T) {
	db := database(t, false)
	lateLots(t, db, rand.New(rand.NewPCG(17, 41)))
	execute(t, db, "prepare prepared (timestamptz, timestamptz) as "+
		"select * from mail where seen_at >= $1 and seen_at < $2")
	const minutes, hours = "5 minutes", "1 hour"
	for _, c := range []struct {
		question, since, before, part, around string
		most                                  int // blocks; the days have 75 and 28
	}{
		{"mail where seen_at >= '%s' and seen_at < '%s'", "2020-02-29 13:02:00Z", "2020-02-29 13:02:10Z", minutes, "0", 6},
		{"mail where seen_at between '%s' and '%s'", "2020-02-29 08:01:00Z", "2020-02-29 08:04:59Z", minutes, "0", 9},
		{"mail where seen_at >= '%s' and seen_at < '%s'", "2020-02-29 22:58:00Z", "2020-02-29 23:01:00Z", minutes, "0", 9},
		{"mail where rcpt_to = 'a@b' and client_ip = '0.0.0.0' and seen_at >= '%s' and seen_at < '%s'",
			"2020-02-29 13:02:00Z", "2020-02-29 13:22:00Z", minutes, "0", 20},
		{"mail m join was w using (seen_at, session_id) where m.seen_at >= '%s' and m.seen_at < '%s'",
			"2020-02-29 13:02:00Z", "2020-02-29 13:02:10Z", minutes, "0", 6},
		{"mail where seen_at = '%s' or seen_at > '%[1]s' and seen_at < '%s'", "2020-02-29 10:05:00Z",
			"2020-02-29 10:05:01Z", minutes, "0", 6},
		{"mail where seen_at >= (timestamptz '%s' at time zone 'UTC' - interval '0') at time zone 'UTC' and seen_at < '%s'",
			"2020-02-29 13:02:00Z", "2020-02-29 13:02:10Z", minutes, "0", 6},
		{"execute prepared ('%s', '%s')", "2020-02-29 13:02:00Z", "2020-02-29 13:02:10Z", minutes, "0", 6},
		{"mail where seen_at >= '%s' and seen_at < '%s'", "2020-03-01 12:10:00Z", "2020-03-01 12:15:00Z", hours, "0", 4},
		{"mail_once('%s', '%s')", "2020-03-01 13:00:00Z", "2020-03-01 13:05:00Z", hours, "1 hour", 12},
		{"mail_once('%s', '%s') where rcpt_to = 'a@b'", "2020-03-01 03:00:00Z", "2020-03-01 03:10:00Z", hours, "1 hour", 12},
	} {
		question := fmt.Sprintf(c.question, c.since, c.before)
		if !strings.HasPrefix(question, "execute") {
			question = "select * from " + question
		}
		var read, unpacked int
		if err := db.Conn().QueryRow(t.Context(), `select count(*), count(*) filter (where exists (select from was
				where seen_at >= greatest(p, q.since) and seen_at < least(p + q.part, q.before)
					and seen_at between first_at and last_at))
			from (select $1::timestamptz - $3::interval as since, $2::timestamptz + $3::interval as before,
				$4::interval as part) q
			cross join lateral generate_series(date_bin(part, since, '2020-01-01Z'), before - interval '1 us', part) p
			join blocks on first_at < p + q.part and last_at >= p`, c.since, c.before, c.around, c.part).
			Scan(&read, &unpacked); err != nil {
			t.Fatal(err)
		}
		times, all := functionCalls(t, db, "block_times", question), functionCalls(t, db, "unpack", question)
		if times != read || read > c.most || all > unpacked {
			t.Errorf("%s reads the times of %d blocks, want %d, at most %d; it unpacks %d, want %d", question, times, read,
				c.most, all, unpacked)
		}
	}
}

// A plan about many large days divides few of them, so that it stays small. Plans about a moment of each divide all,
// also one after another in a transaction.
func TestPack_APlanDividesFewDays(t *testing.T) {
	db := database(t, false)
	var rows []*smtp.Envelope
	for n := range 6 {
		rows = append(rows, at(old.AddDate(0, 0, n)))
	}
	loadRows(t, db, "tap", rows...)
	packAll(t, db, 100)
	execute(t, db, "update packs set blocks = 12500", "select show_packed()", "begin")
	plan := func(question string) string { return strings.Join(lines(t, db, "explain "+question), "\n") }
	// Two days of 24 hours, of which three are 36 parts, and four whole days.
	if n := strings.Count(plan("select * from mail where rcpt_to = 'a@b'"), "unpacks("); n != 2*24+3*11+4 {
		t.Errorf("six days are %d parts", n)
	}
	for _, e := range rows {
		p := plan(fmt.Sprintf("select * from mail where seen_at = '%s'", e.SeenAt.Format(time.RFC3339)))
		if strings.Count(p, "unpacks(") != 1 || !strings.Contains(p, " 12:05:00'::timestamp without time zone)") {
			t.Errorf("a moment of %v is not of one part, of five minutes:\n%s", e.SeenAt, p)
		}
	}
	execute(t, db, "rollback")
}
