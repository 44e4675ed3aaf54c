package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// figures is what completeness() says, without the sentence.
type figures struct {
	Sensors                                              string
	Listened                                             float64
	Gaps                                                 string
	Frames, Octets, Sessions, Encrypted, Cut, Rows, Lost int64
	FramesLost                                           float64
	Synchronised                                         *bool
	Offset, Error                                        *time.Duration
	Scopes                                               string
}

func askCompleteness(t *testing.T, db *DB, since, before time.Time, sensor *string) (a figures, sentence string) {
	t.Helper()
	err := db.Conn().QueryRow(t.Context(), `
		select coalesce(array_to_string(sensors, ' '), ''), round(listened, 9)::float8,
		    (select coalesce(string_agg(to_char(lower(g) at time zone 'UTC', 'DD HH24:MI:SS')
		        || to_char(upper(g) at time zone 'UTC', '-DD HH24:MI:SS'), ', ' order by g), '') from unnest(gaps) g),
		    coalesce(frames, 0)::bigint, coalesce(octets_lost, 0)::bigint, coalesce(sessions, 0)::bigint,
		    coalesce(sessions_encrypted, 0)::bigint, coalesce(sessions_cut, 0)::bigint, coalesce(rows, 0)::bigint,
		    coalesce(rows_lost, 0)::bigint, coalesce(round(frames_lost, 9), 0)::float8,
		    clock_synchronised, clock_offset, clock_error, coalesce(array_to_string(scopes, ' '), ''), sentence
		from tap25.completeness($1, $2, $3)`, since, before, sensor).
		Scan(&a.Sensors, &a.Listened, &a.Gaps, &a.Frames, &a.Octets, &a.Sessions, &a.Encrypted, &a.Cut, &a.Rows,
			&a.Lost, &a.FramesLost, &a.Synchronised, &a.Offset, &a.Error, &a.Scopes, &sentence)
	if err != nil {
		t.Fatal(err)
	}
	return a, sentence
}

// naive answers by looking at each second of the period, if all intervals and the period begin and end with one.
func naive(list []*Coverage, since, before time.Time, sensor string) (a figures) {
	heard := make([]bool, int(before.Sub(since).Seconds()))
	sensors, scopes := map[string]bool{}, map[string]bool{}
	var read, full, bad, seen, nic int64
	for _, c := range list {
		inside := c.Since.Before(before) && (c.Before.After(since) || c.Since.Equal(c.Before) && c.Since.Equal(since))
		if sensor != "" && c.Sensor != sensor || !inside {
			continue
		}
		if c.Interfaces == nil || len(c.Interfaces) > 0 {
			first, end := int(c.Since.Sub(since).Seconds()), int(c.Before.Sub(since).Seconds())
			for s := max(first, 0); s < min(end, len(heard)); s++ {
				heard[s] = true
			}
		}
		sensors[c.Sensor] = true
		if c.Scope == "" {
			scopes["all"] = true
		} else {
			scopes[c.Scope] = true
		}
		read, full, bad, seen = read+c.FramesRead, full+c.RingFull, bad+c.Undecoded+c.FragmentsLost, seen+c.FramesSeen
		if c.NICDropped != nil {
			nic += *c.NICDropped
		}
		a.Octets, a.Sessions = a.Octets+c.OctetsLost, a.Sessions+c.Sessions
		a.Encrypted += c.CoverageCounts.Encrypted
		a.Cut, a.Rows, a.Lost = a.Cut+c.CoverageCounts.Cut, a.Rows+c.Rows, a.Lost+c.RowsLost
		if k := c.Clock; k != nil {
			yes := k.Synchronised && (a.Synchronised == nil || *a.Synchronised)
			off, most := max(k.Offset, -k.Offset), k.Error
			if a.Offset != nil {
				off, most = max(off, *a.Offset), max(most, *a.Error)
			}
			a.Synchronised, a.Offset, a.Error = &yes, &off, &most
		}
	}
	a.Frames = seen
	whole := 1.0
	if read+full > 0 {
		whole *= 1 - min(1, float64(full+bad)/float64(read+full))
	}
	if seen+nic > 0 {
		whole *= 1 - float64(nic)/float64(seen+nic)
	}
	a.FramesLost = 1 - whole
	a.Sensors, a.Scopes = joined(sensors), joined(scopes)
	a.Listened, a.Gaps = share(heard), gapsOf(heard, since)
	return a
}

func joined(set map[string]bool) string {
	var list []string
	for name := range set {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func share(heard []bool) float64 {
	n := 0
	for _, h := range heard {
		if h {
			n++
		}
	}
	return float64(n) / float64(len(heard))
}

func gapsOf(heard []bool, since time.Time) string {
	var gaps []string
	begun := -1
	for s := 0; s <= len(heard); s++ {
		off := s < len(heard) && !heard[s]
		if off && begun < 0 {
			begun = s
		}
		if !off && begun >= 0 {
			at := func(s int) string { return since.Add(time.Duration(s) * time.Second).Format("02 15:04:05") }
			gaps = append(gaps, at(begun)+"-"+at(s))
			begun = -1
		}
	}
	return strings.Join(gaps, ", ")
}

// anyDays is the coverage of sensors of two days that are over: minutes with gaps, losses, restarts, changes of scope
// and of interfaces, and files.
func anyDays(r *rand.Rand, begin time.Time) (list []*Coverage) {
	scopes := []string{"", strings.Repeat("0a", 32)}
	for _, sensor := range []string{"fra-1", "fra-2"} {
		scope, links, clock := scopes[0], []string{"eth1"}, &Clock{true, 0, time.Second}
		running := false
		for n := 0; n < 2*1440; n++ {
			switch r.IntN(200) {
			case 0:
				scope = scopes[r.IntN(2)]
			case 1:
				links = [][]string{{"eth1"}, {"eth1", "eth2"}, {}}[r.IntN(3)]
			case 2:
				clock = []*Clock{nil, {true, 0, time.Second}, {false, 0, time.Hour}}[r.IntN(3)]
			case 3: // it is off
				running = false
				n += r.IntN(200)
				continue
			}
			c := minute(sensor, 0)
			c.Since = begin.Add(time.Duration(n) * time.Minute)
			c.Before = c.Since.Add(time.Minute)
			c.Scope, c.Interfaces = scope, links
			if clock != nil {
				c.Clock = &Clock{clock.Synchronised, time.Duration(r.IntN(9)-4) * time.Millisecond, clock.Error}
			}
			c.FramesSeen, c.FramesRead, c.Rows = int64(r.IntN(1000)), int64(r.IntN(100)), int64(r.IntN(10))
			c.Sessions = int64(r.IntN(10))
			c.CoverageCounts.Encrypted = r.Int64N(c.Sessions + 1)
			if n/180%3 == 1 { // hours in which something is lost
				lost := c.fields()[2+r.IntN(5)]
				*lost = int64(1 + r.IntN(50))
			}
			if !running {
				start := *c
				start.Before, start.Started, start.CoverageCounts = start.Since, true, CoverageCounts{}
				list = append(list, &start)
				running = true
			}
			if r.IntN(500) == 0 {
				c.Stopped, running = true, false
			}
			list = append(list, c)
		}
	}
	file := minute("old", 0)
	file.Program, file.Interfaces, file.NICDropped = "replay", nil, nil
	file.Since = begin.Add(90 * time.Minute)
	file.Before = begin.Add(5 * time.Hour)
	return append(list, file)
}

// TestCompleteness_NaiveModel asks random questions before and after the days are packed.
func TestCompleteness_NaiveModel(t *testing.T) {
	db := database(t, false)
	const seed = 19
	r := rand.New(rand.NewPCG(seed, seed))
	begin := old.Truncate(24 * time.Hour)
	list := anyDays(r, begin)
	var records [][]byte
	for _, i := range r.Perm(len(list)) {
		records = append(records, AppendCoverage(nil, list[i]))
	}
	if _, err := db.Load(t.Context(), "tap", "all", records); err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		for _, sensor := range []string{"", "fra-1", "fra-2", "old", "nobody"} {
			for from := range 2 {
				for to := from + 1; to <= 2; to++ {
					checkCompleteness(t, db, list, begin.AddDate(0, 0, from), begin.AddDate(0, 0, to), sensor, false)
				}
			}
			for range 5 {
				since := begin.Add(time.Duration(r.IntN(2*86400)) * time.Second)
				length := time.Duration(1+r.IntN(86400)) * time.Second
				checkCompleteness(t, db, list, since, since.Add(length), sensor, true)
			}
		}
	}
	ask()
	finish(t, db, soon)
	rows := covered(t, db)
	if len(rows) > len(list)/4 {
		t.Errorf("%d records became %d rows", len(list), len(rows))
	}
	for _, c := range rows {
		loss := c.RingFull + c.Undecoded + c.FragmentsLost + c.HolesGivenUp + c.OctetsLost + c.CoverageCounts.Cut +
			c.RowsLost
		if loss > 0 && c.Before.Sub(c.Since) > time.Hour {
			t.Errorf("a row with losses is of %s", c.Before.Sub(c.Since))
		}
	}
	starts := func(c Coverage) bool { return c.Started }
	if n, want := countOf(rows, starts), countOf(values(list), starts); n != want {
		t.Errorf("%d starts, want %d", n, want)
	}
	ask()
	finish(t, db, soon)
	if n := len(covered(t, db)); n != len(rows) {
		t.Errorf("packed again, %d rows are %d", len(rows), n)
	}
}

func values(list []*Coverage) (all []Coverage) {
	for _, c := range list {
		all = append(all, *c)
	}
	return all
}

func countOf(list []Coverage, is func(Coverage) bool) (n int) {
	for _, c := range list {
		if is(c) {
			n++
		}
	}
	return n
}

// checkCompleteness holds an answer against the naive one: of a period that cuts records, what concerns time alone.
func checkCompleteness(t *testing.T, db *DB, list []*Coverage, since, before time.Time, sensor string, timeAlone bool) {
	t.Helper()
	var named *string
	if sensor != "" {
		named = &sensor
	}
	got, sentence := askCompleteness(t, db, since, before, named)
	want := naive(list, since, before, sensor)
	if timeAlone {
		got = figures{Sensors: got.Sensors, Listened: got.Listened, Gaps: got.Gaps, Scopes: got.Scopes}
		want = figures{Sensors: want.Sensors, Listened: want.Listened, Gaps: want.Gaps, Scopes: want.Scopes}
	}
	near := func(a, b float64) bool { return a-b < 1e-8 && b-a < 1e-8 }
	if !near(got.Listened, want.Listened) || !near(got.FramesLost, want.FramesLost) {
		t.Errorf("%q %s-%s: listened %v, want %v; lost %v, want %v", sensor, since, before, got.Listened, want.Listened,
			got.FramesLost, want.FramesLost)
	}
	got.Listened, got.FramesLost, want.Listened, want.FramesLost = 0, 0, 0, 0
	if a, b := fmt.Sprint(pretty(got)), fmt.Sprint(pretty(want)); a != b {
		t.Errorf("%q %s-%s:\n%s\nwant\n%s\n%s", sensor, since, before, a, b, sentence)
	}
}

// pretty shows what pointers point to.
func pretty(a figures) string {
	s := fmt.Sprintf("%+v", a)
	if a.Synchronised != nil {
		yes, off, most := *a.Synchronised, *a.Offset, *a.Error
		a.Synchronised, a.Offset, a.Error = nil, nil, nil
		s = fmt.Sprintf("%+v %v %v %v", a, yes, off, most)
	}
	return s
}

// TestCompleteness_SaysItInASentence distinguishes a tap that was off from one that saw no mail.
func TestCompleteness_SaysItInASentence(t *testing.T) {
	db := database(t, false)
	ask := func(since, before, sensor string) (sentence string) {
		t.Helper()
		err := db.Conn().QueryRow(t.Context(), "select sentence from "+
			"tap25.completeness($1::text::timestamptz, $2::text::timestamptz, nullif($3, ''))", since, before,
			sensor).Scan(&sentence)
		if err != nil {
			t.Fatal(err)
		}
		return sentence
	}
	if got := ask("-infinity", "infinity", ""); got != "No coverage is recorded." {
		t.Error(got)
	}
	a, b, c := minute("fra-1", 0), minute("fra-1", 0), minute("fra-2", 0)
	a.Before = a.Since.Add(10 * time.Hour)
	a.FramesRead, a.Sessions, a.CoverageCounts.Encrypted = 100_000, 50, 6
	b.Since, b.Before = a.Before.Add(14*time.Minute), a.Since.Add(24*time.Hour)
	b.FramesRead, b.RingFull, b.RowsLost = 99_000, 20, 3
	b.Scope, b.Clock = strings.Repeat("0f", 32), &Clock{false, 0, time.Hour}
	c.Since, c.Before = a.Before.Add(2*time.Minute), a.Before.Add(20*time.Minute)
	wild := minute("fra-1", 0)
	wild.Since = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC) // a capture of a wrong clock
	wild.Before = wild.Since.Add(time.Minute)
	short := minute("ber-1", 0) // of a year
	short.Since, short.Before = short.Since.AddDate(0, 0, 2), short.Before.AddDate(0, 0, 2)
	short.CoverageCounts.Encrypted, short.Sessions = 1, 100_000
	plain := minute("plain", 0)
	plain.Since, plain.Before = short.Since, short.Before
	plain.CoverageCounts.Encrypted, plain.Sessions = 0, 3
	var records [][]byte
	for _, c := range []*Coverage{a, b, c, wild, short, plain} {
		records = append(records, AppendCoverage(nil, c))
	}
	if _, err := db.Load(t.Context(), "tap", "all", records); err != nil {
		t.Fatal(err)
	}
	const lost = "; 3 rows were lost to a full spool"
	const scoped = "; a scope limited what was recorded; the clock was not synchronised."
	for _, ask := range []struct{ got, want string }{
		{ask("2020-02-29", "2020-03-01", "fra-1"), "From 2020-02-29 00:00:00 to 2020-03-01 00:00:00, UTC, fra-1 " +
			"listened for 99.02 % of the time (1 gap, 14 minutes); 0.02 % of frames were lost; " +
			"12 % of sessions were encrypted" + lost + scoped},
		{ask("2020-02-29", "2020-03-01", ""), "From 2020-02-29 00:00:00 to 2020-03-01 00:00:00, UTC, fra-1 and " +
			"fra-2 together listened for 99.86 % of the time (1 gap, 2 minutes); " +
			"0.02 % of frames were lost; 12 % of sessions were encrypted" + lost + scoped},
		{ask("2020-02-29 01:00", "2020-02-29 02:00", ""), "From 2020-02-29 01:00:00 to 2020-02-29 02:00:00, UTC, " +
			"fra-1 listened for 100 % of the time (no gap); no frame was lost; 12 % of sessions were encrypted."},
		{ask("2020-02-29 10:15", "2020-02-29 10:16", ""), "From 2020-02-29 10:15:00 to 2020-02-29 10:16:00, UTC, " +
			"fra-1 and fra-2 together listened for 100 % of the time (no gap); 0.03 % of frames were lost; " +
			"there was no session; 1 row was lost to a full spool" + scoped},
		{ask("2019-06-01", "2020-06-01", "ber-1"), "From 2019-06-01 00:00:00 to 2020-06-01 00:00:00, UTC, ber-1 " +
			"listened for less than 0.01 % of the time (2 gaps, 366 days); no frame was lost; " +
			"less than 0.01 % of sessions were encrypted."},
		{ask("2020-03-02", "2020-03-02 00:01", "plain"), "From 2020-03-02 00:00:00 to 2020-03-02 00:01:00, " +
			"UTC, plain listened for 100 % of the time (no gap); no frame was lost; no session was encrypted."},
		{ask("2020-02-29", "2020-03-01", "fra-11"),
			"No coverage is recorded of a sensor that is named \"fra-11\"."},
		{ask("-infinity", "infinity", "x\n'"), "No coverage is recorded of a sensor that is named \"x\\n'\"."},
		{ask("-infinity", "2020-01-01", ""), "No coverage is recorded before 2020-01-01 00:00:00, UTC: the first is " +
			"of 2020-02-29 00:00:00."},
		{ask("2020-01-01", "2020-02-01", ""), "From 2020-01-01 00:00:00 to 2020-02-01 00:00:00, UTC, no sensor " +
			"listened: mail of that time is not recorded."},
		{ask("2020-01-01", "2020-02-01", "fra-1"), "From 2020-01-01 00:00:00 to 2020-02-01 00:00:00, UTC, fra-1 did " +
			"not listen: mail of that time is not recorded."},
		{ask("2099-01-01", "2099-02-01", ""), "The period from 2099-01-01 00:00:00, UTC, has not begun."},
	} {
		if ask.got != ask.want {
			t.Errorf("%s\nwant\n%s", ask.got, ask.want)
		}
	}
	var begins, ends time.Time
	err := db.Conn().QueryRow(t.Context(), "select begins, ends from tap25.completeness('-infinity', 'infinity')").
		Scan(&begins, &ends)
	if now := time.Now(); err != nil || !begins.Equal(a.Since) || ends.After(now) || ends.Before(now.Add(-time.Hour)) {
		t.Errorf("%v: from %s to %s", err, begins, ends)
	}
	_, err = db.Conn().Exec(t.Context(), "select * from tap25.completeness('2020-01-02', '2020-01-01')")
	if err == nil {
		t.Error("an empty period was taken")
	}
}

// TestCompleteness_RowsWithoutCoverage says of imported rows that nothing is known of what was missed, and not that no
// mail of that time is recorded.
func TestCompleteness_RowsWithoutCoverage(t *testing.T) {
	db := database(t, false)
	day := old.Truncate(24 * time.Hour)
	load := func(sensor string, times ...time.Time) {
		for _, when := range times {
			e := at(when)
			e.Sensor = sensor
			loadRows(t, db, sensor, e)
		}
	}
	load("fra-1", day.Add(time.Hour), day.AddDate(0, 0, 1), day.AddDate(0, 0, 2))
	load("fra-2", day)
	sentence := func(since, before, sensor string) string {
		return ask[string](t, db, "select sentence from tap25.completeness($1::text::timestamptz, "+
			"$2::text::timestamptz, nullif($3, ''))", since, before, sensor)
	}
	rows := func(days string) string {
		return " Rows of " + days + " are there without coverage: they were imported, or loaded before coverage was " +
			"recorded. What was missed then is not known."
	}
	if got := sentence("-infinity", "infinity", ""); got != "No coverage is recorded."+rows("3 days") {
		t.Error(got)
	}
	c := minute("fra-1", 0)
	c.Before = c.Since.Add(time.Hour)
	c.FramesRead, c.Sessions, c.CoverageCounts.Encrypted = 100, 0, 0
	if _, err := db.Load(t.Context(), "tap", "coverage", [][]byte{AppendCoverage(nil, c)}); err != nil {
		t.Fatal(err)
	}
	for _, a := range []struct{ since, before, sensor, want string }{
		{"2020-02-29", "2020-02-29 01:00Z", "fra-1", "From 2020-02-29 00:00:00 to 2020-02-29 01:00:00, UTC, fra-1 " +
			"listened for 100 % of the time (no gap); no frame was lost; there was no session."},
		{"2020-02-29", "2020-02-29 01:00Z", "", "From 2020-02-29 00:00:00 to 2020-02-29 01:00:00, UTC, fra-1 " +
			"listened for 100 % of the time (no gap); no frame was lost; there was no session." + rows("1 day")},
		{"2020-02-29 02:00Z", "2020-03-01", "fra-1", "From 2020-02-29 02:00:00 to 2020-03-01 00:00:00, UTC, fra-1 " +
			"did not listen: mail of that time is not recorded."},
		{"2020-03-01", "2020-03-03", "fra-1", "From 2020-03-01 00:00:00 to 2020-03-03 00:00:00, UTC, nothing shows " +
			"that a tap listened." + rows("2 days")},
		{"2020-03-04", "2020-03-05", "", "From 2020-03-04 00:00:00 to 2020-03-05 00:00:00, UTC, no sensor listened: " +
			"mail of that time is not recorded."},
		{"-infinity", "2020-02-29", "fra-2", "No coverage is recorded of a sensor that is named \"fra-2\"."},
	} {
		if got := sentence(a.since, a.before, a.sensor); got != a.want {
			t.Errorf("%s to %s:\n%s\nwant\n%s", a.since, a.before, got, a.want)
		}
	}
}
