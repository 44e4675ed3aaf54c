package store

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"tap25/capture/capturetest"
	"tap25/store/spool"
)

// minute is coverage of a minute, that many minutes after the beginning of a day that is over.
func minute(sensor string, n int) *Coverage {
	since := old.Truncate(24 * time.Hour).Add(time.Duration(n) * time.Minute)
	return &Coverage{Since: since, Before: since.Add(time.Minute), Sensor: sensor, Program: "sniff", Version: "v1",
		Interfaces:     []string{"eth1"},
		CoverageCounts: CoverageCounts{FramesSeen: 100, FramesRead: 10, NICDropped: new(int64)}}
}

// anyCoverage draws coverage whose text PostgreSQL takes as it is.
func anyCoverage(t *rapid.T) *Coverage {
	text := rapid.StringMatching(`[a-zä]*`)
	c := &Coverage{Since: time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, "since")).UTC(),
		Sensor:  text.Draw(t, "sensor"),
		Program: rapid.SampledFrom([]string{"sniff", "replay", "follow"}).Draw(t, "program"),
		Scope:   rapid.SampledFrom([]string{"", strings.Repeat("0a", 32)}).Draw(t, "scope"),
		Version: text.Draw(t, "version"), Started: rapid.Bool().Draw(t, "started"),
		Stopped: rapid.Bool().Draw(t, "stopped")}
	c.Before = c.Since.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "length")) * time.Microsecond)
	if rapid.Bool().Draw(t, "live") {
		c.Interfaces = rapid.SliceOf(text).Draw(t, "interfaces")
	}
	if rapid.Bool().Draw(t, "clock") {
		micros := rapid.Int64Range(0, 1e12)
		c.Clock = &Clock{rapid.Bool().Draw(t, "synchronised"),
			-time.Duration(micros.Draw(t, "offset")) * time.Microsecond,
			time.Duration(micros.Draw(t, "error")) * time.Microsecond}
	}
	for i, n := range c.fields() {
		*n = rapid.Int64Min(0).Draw(t, fmt.Sprint("count ", i))
	}
	c.NICDropped = rapid.Ptr(rapid.Int64Min(0), true).Draw(t, "nic")
	return c
}

func TestParseCoverage_ReadsWhatAppendCoverageMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyCoverage(t)
		record := AppendCoverage(nil, want)
		got, err := ParseCoverage(record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		cut := rapid.IntRange(0, len(record)-1).Draw(t, "cut")
		if _, err := ParseCoverage(record[:cut]); err == nil {
			t.Fatal("half a record was taken")
		}
		if _, err := ParseCoverage(append(record, 0)); err == nil {
			t.Fatal("a record with a byte behind it was taken")
		}
		if _, err := ParseRow(record); err == nil {
			t.Fatal("coverage was taken for a row")
		}
	})
}

func FuzzParseCoverage(f *testing.F) {
	f.Add(AppendCoverage(nil, minute("tap", 1)))
	f.Add(AppendCoverage(nil, &Coverage{Clock: &Clock{true, -time.Second, time.Hour}, Scope: "a"}))
	f.Fuzz(func(t *testing.T, record []byte) {
		var c *Coverage
		var err error
		// An element of a text[] is 4 octets at least, and 16 of memory; the list is copied as it grows.
		most := 16*int64(len(record)) + 4096
		if allocated := capturetest.Allocated(most, func() { c, err = ParseCoverage(record) }); allocated > most {
			t.Errorf("%d octets allocated for %d", allocated, len(record))
		}
		if err != nil {
			return
		}
		again, err := ParseCoverage(AppendCoverage(nil, c))
		if err != nil || !bytes.Equal(AppendCoverage(nil, again), AppendCoverage(nil, c)) {
			t.Errorf("coverage does not survive being written and read: %v", err)
		}
	})
}

// covered reads the table back.
func covered(t testing.TB, db *DB) []Coverage {
	t.Helper()
	rows, err := db.Conn().Query(t.Context(), "select "+coverageColumns+
		" from tap25.coverage order by since, before, sensor")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Coverage, err error) {
		var scope *string
		var synchronised *bool
		var offset, most *time.Duration
		to := []any{&c.Since, &c.Before, &c.Sensor, &c.Program, &c.Interfaces, &scope, &c.Version, &c.Started,
			&c.Stopped, &synchronised, &offset, &most}
		for _, n := range c.fields() {
			to = append(to, n)
		}
		err = row.Scan(append(to, &c.NICDropped)...)
		if scope != nil {
			c.Scope = *scope
		}
		if synchronised != nil {
			c.Clock = &Clock{*synchronised, *offset, *most}
		}
		c.Since, c.Before = c.Since.UTC(), c.Before.UTC()
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLoad_CoverageComesWithRows loads rows and coverage of one segment: each is where it belongs, as it was, and once.
func TestLoad_CoverageComesWithRows(t *testing.T) {
	db := database(t, false)
	live := minute("tap", 1)
	live.Clock, live.Started = &Clock{true, -3 * time.Millisecond, 5 * time.Second}, true
	live.Scope = strings.Repeat("0f", 32)
	for i, n := range live.fields() {
		*n = int64(i + 1)
	}
	file := minute("tap", 2)
	file.Program, file.Interfaces, file.NICDropped, file.Stopped = "replay", nil, nil, true
	none := minute("tap", 3)
	none.Interfaces = []string{}
	records := [][]byte{AppendCoverage(nil, live), numbered("tap", 1), AppendCoverage(nil, file),
		AppendCoverage(nil, none)}
	for range 2 {
		if _, err := db.Load(t.Context(), "tap", "one", records); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Coverage{*live, *file, *none}, covered(t, db)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestLoader_RefusedCoverageIsSetAside spools coverage that the table refuses among rows and good coverage.
func TestLoader_RefusedCoverageIsSetAside(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{})
	wild, early, backwards := minute("tap", 1), minute("tap", 2), minute("tap", 3)
	wild.Program = "telnet"
	early.Since = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	backwards.Before = backwards.Since.Add(-time.Second)
	array := AppendCoverage(nil, minute("tap", 4))
	array[bytes.Index(array, []byte("eth1"))-13] = 0xff // the type of the interfaces' elements
	cut := AppendCoverage(nil, minute("tap", 5))
	sealRows(t, s, "", numbered("tap", 1), AppendCoverage(nil, wild), AppendCoverage(nil, minute("tap", 0)),
		AppendCoverage(nil, early), AppendCoverage(nil, backwards), array, cut[:len(cut)-1], numbered("tap", 2))
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
	drain(t, s, l)
	if st, ld := s.Stats(), l.Stats(); st.SetAside != 5 || st.Loaded != 3 || ld.Added != 2 || ld.Coverage != 1 {
		t.Errorf("%+v, %+v", st, ld)
	}
	if got := covered(t, db); len(got) != 1 || !got[0].Since.Equal(minute("tap", 0).Since) || count(t, db) != 2 {
		t.Errorf("%d rows, coverage %+v", count(t, db), got)
	}
}

// TestCoverage_SensorsLoadTheirOwnAlone also shows that nobody changes what is there, the owner included.
func TestCoverage_SensorsLoadTheirOwnAlone(t *testing.T) {
	db := database(t, false)
	load := func(db *DB, key string, c *Coverage) error {
		_, err := db.Load(t.Context(), "tap", key, [][]byte{AppendCoverage(nil, c)})
		return err
	}
	sensor := as(t, db, "tap25_sensor", "covers")
	if err := load(sensor, "a", minute("tap", 1)); err != nil {
		t.Fatal(err)
	}
	if err := load(sensor, "b", minute("other", 1)); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("coverage of another: %v", err)
	}
	for _, sql := range []string{"select * from tap25.coverage", "delete from tap25.coverage",
		"update tap25.coverage set ring_full = 0", "truncate tap25.coverage",
		"set tap25.packing = on; delete from tap25.coverage",
		"insert into tap25.coverage (packed) values (true)", "select * from tap25.completeness('-infinity', 'infinity')"} {
		refused(t, sensor, sql)
	}
	for _, sql := range []string{"delete from tap25.coverage", "update tap25.coverage set ring_full = 0",
		"truncate tap25.coverage", "set tap25.packing = on; update tap25.coverage set ring_full = 0"} {
		refused(t, db, sql)
	}
	if err := load(db, "c", minute("other", 1)); err != nil {
		t.Fatal(err)
	}
	if err := load(db, "d", minute("other", 2)); err != nil {
		t.Fatal(err)
	}
	refused(t, sensor, "select tap25_internal.pack_coverage('2020-02-29', 'other')")
	if err := sensor.packCoverage(t.Context(), 0, nil); err != nil {
		t.Fatal(err)
	}
	got := lines(t, db, "select sensor || packed from tap25.coverage order by 1")
	if len(got) != 3 || got[2] != "taptrue" {
		t.Errorf("a sensor has packed %q", got)
	}
}

// TestCoverage_AbsurdNumbersBreakNoAnswer adds what a sensor may add at most, and what it may not.
func TestCoverage_AbsurdNumbersBreakNoAnswer(t *testing.T) {
	db := database(t, false)
	sensor := as(t, db, "tap25_sensor", "absurd")
	if _, err := db.Load(t.Context(), "tap", "a", [][]byte{AppendCoverage(nil, minute("tap", 1))}); err != nil {
		t.Fatal(err)
	}
	if _, err := sensor.Load(t.Context(), "absurd", "a", nil); err != nil { // which takes the name
		t.Fatal(err)
	}
	const most = 1<<63 - 1
	for n := range 3 {
		c := minute("absurd", n)
		for _, count := range c.fields() {
			*count = most
		}
		c.NICDropped = new(int64(most))
		c.Clock = &Clock{Synchronised: true, Offset: -300 * 24 * time.Hour}
		record := AppendCoverage(nil, c)
		if _, err := sensor.Load(t.Context(), "absurd", fmt.Sprint("minute ", n), [][]byte{record}); err != nil {
			t.Fatal(err)
		}
	}
	long := minute("absurd", 0)
	long.Since = time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC)
	long.Before = time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC)
	early, far := *long, *long
	early.Since, far.Since = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), far.Before
	absurd := [][]byte{AppendCoverage(nil, long), AppendCoverage(nil, &early), AppendCoverage(nil, &far)}
	if _, err := sensor.Load(t.Context(), "absurd", "long", absurd); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Coverage){
		"a time before the year 1": func(c *Coverage) { c.Since = c.Since.AddDate(-3000, 0, 0) },
		"an end before its begin":  func(c *Coverage) { c.Before = c.Since.Add(-1000) },
		"a negative count":         func(c *Coverage) { c.RowsLost = -1 },
		"frames that came back":    func(c *Coverage) { c.NICDropped = new(int64(-1)) },
		"a clock of another age":   func(c *Coverage) { c.Clock = &Clock{Offset: 400 * 24 * time.Hour} },
		"a scope without a digest": func(c *Coverage) { c.Scope = "all" },
	} {
		c := minute("absurd", 9)
		change(c)
		if _, err := sensor.Load(t.Context(), "absurd", name, [][]byte{AppendCoverage(nil, c)}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	finish(t, db, soon)
	var sentence string
	err := db.Conn().QueryRow(t.Context(), "select sentence from tap25.completeness('2000-01-01', 'infinity')").
		Scan(&sentence)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(sentence, "absurd and tap together listened for 100 % of the time (no gap)") {
		t.Error(sentence)
	}
}
