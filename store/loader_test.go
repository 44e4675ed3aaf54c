package store

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store/spool"
)

// long returns the second number in the long form of the faults, as 'make kills' runs it.
func long(short, full int) int {
	if os.Getenv("TAP25_TEST_KILLS") == "full" {
		return full
	}
	return short
}

// numbered is a row that is known by its number. One in three has none of the columns that older versions of tap25 do
// not know.
func numbered(sensor string, n int) []byte {
	e := full()
	e.Sensor, e.SessionID = sensor, int64(n)
	e.SeenAt = time.Now().UTC().Add(-time.Duration(n%3) * 24 * time.Hour)
	if n%3 == 0 {
		e.OriginIP, e.OriginPort, e.OriginBy, e.Network = netip.Addr{}, 0, smtp.ByNobody, ""
	}
	e.MailFrom, e.RcptTo = new(fmt.Sprintf("from%d@a%d.example", n*7919, n%997)),
		new(fmt.Sprintf("to%d@b%d.example", n, n%97))
	return AppendRow(nil, e)
}

func openSpool(t testing.TB, c spool.Config) *spool.Spool {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Sensor == "" {
		c.Sensor = "tap"
	}
	s, err := spool.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// sealRows seals a segment.
func sealRows(t testing.TB, s *spool.Spool, key string, rows ...[]byte) {
	t.Helper()
	for _, r := range rows {
		if err := s.AppendWait(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal(key); err != nil {
		t.Fatal(err)
	}
}

// to connects to a database, by way of another directory's socket if one is given.
func to(db *DB, socket string) func(context.Context) (*DB, error) {
	cfg := db.Conn().Config().Copy()
	if socket != "" {
		cfg.Host = socket
	}
	return func(ctx context.Context) (*DB, error) { return connect(ctx, cfg.Copy()) }
}

// drain runs a loader until nothing waits, and holds its counters against the spool's.
func drain(t testing.TB, s *spool.Spool, l *Loader) LoaderStats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ended := make(chan bool)
	running, stop := context.WithCancel(ctx)
	go func() {
		l.Run(running)
		close(ended)
	}()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !l.Idle() && ctx.Err() == nil {
		<-poll.C
	}
	stop()
	<-ended
	checkLoaded(t, s, l)
	if ctx.Err() != nil {
		t.Fatalf("%d rows wait: %v", s.Stats().Waiting, l.Stats().Err)
	}
	return l.Stats()
}

// checkLoaded asserts that every row is in one place.
func checkLoaded(t testing.TB, s *spool.Spool, l *Loader) {
	t.Helper()
	st, ld := s.Stats(), l.Stats()
	if st.Found+st.Appended != st.Buffered+st.Open+st.Waiting+st.Loaded+st.SetAside+st.Damaged+st.Dropped {
		t.Errorf("the spool's counters do not add up: %+v", st)
	}
	if ld.Added+ld.Held+ld.Coverage != st.Loaded {
		t.Errorf("%d added, %d held and %d of coverage, but %d loaded", ld.Added, ld.Held, ld.Coverage, st.Loaded)
	}
	loads := int64(0)
	for _, n := range ld.Loads.Each {
		loads += n
	}
	if st.Loaded > 0 && (loads == 0 || ld.Loads.Total <= 0 || ld.Last.IsZero()) {
		t.Errorf("%d rows were loaded, but the loads are %+v, the last at %s", st.Loaded, ld.Loads, ld.Last)
	}
}

func TestLoadDurations_AClassHasItsUpperBound(t *testing.T) {
	var l LoadDurations
	for _, d := range []time.Duration{0, 10 * time.Millisecond, 11 * time.Millisecond, time.Second, time.Hour} {
		l.add(d)
	}
	want := LoadDurations{[...]int64{2, 1, 0, 0, 1, 0, 0, 0, 0, 1}, time.Hour + 1021*time.Millisecond}
	if l != want {
		t.Errorf("%+v, want %+v", l, want)
	}
}

// checkOnce asserts that a sensor's rows 0 to n-1 are in the database, each once.
func checkOnce(t testing.TB, db *DB, sensor string, n int) {
	t.Helper()
	var rows, distinct, highest int
	err := db.Conn().QueryRow(t.Context(), "select count(*), count(distinct session_id), coalesce(max(session_id), "+
		"-1) from mail where sensor = $1", sensor).
		Scan(&rows, &distinct, &highest)
	if err != nil {
		t.Fatal(err)
	}
	if rows != n || distinct != n || highest != n-1 {
		t.Errorf("%d rows, %d of them different, the last %d; want %d", rows, distinct, highest, n)
	}
	var counted int
	if err := db.Conn().QueryRow(t.Context(), "select sum(rows) from days where sensor = $1", sensor).
		Scan(&counted); err != nil || counted != n {
		t.Errorf("days counts %d, %v; want %d", counted, err, n)
	}
}

func TestLoader_SeveralSensorsAtOnce(t *testing.T) {
	db := database(t, false)
	const sensors, n = 4, 3000
	done := make(chan bool)
	for i := range sensors {
		sensor := fmt.Sprint("tap", i)
		s := openSpool(t, spool.Config{Sensor: sensor, SegmentRecords: 200})
		for k := range n {
			sealOne(t, s, numbered(sensor, k))
		}
		if err := s.Seal(""); err != nil {
			t.Fatal(err)
		}
		go func() {
			drain(t, s, NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")}))
			done <- true
		}()
	}
	for range sensors {
		<-done
	}
	for i := range sensors {
		checkOnce(t, db, fmt.Sprint("tap", i), n)
	}
}

func TestLoader_TellsWhatItWaitsForWithoutTheRows(t *testing.T) {
	db := database(t, true)
	s := openSpool(t, spool.Config{})
	sealRows(t, s, "", numbered("tap", 0))
	connect := to(db, "")
	l := NewLoader(LoaderConfig{Spool: s, MaxPause: time.Millisecond, Connect: func(ctx context.Context) (*DB, error) {
		db, err := connect(ctx)
		if err == nil {
			if err = db.Check(ctx); err != nil {
				db.Close()
			}
		}
		return db, err
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { l.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	wait(t, func() bool { st := l.Stats(); return st.Hopeless && st.Err == ErrNoSchema && !st.Since.IsZero() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { st := l.Stats(); return st.Err == nil && st.Added == 1 && !st.Hopeless })
	_, err := db.load(t.Context(), []batch{{sensor: "tap", key: "key", records: [][]byte{spoilt(1)}}})
	if text := plain(err).Error(); err == nil || strings.Contains(text, "example") || strings.Contains(text, "0x") ||
		!strings.Contains(text, "22021") {
		t.Errorf("the error of a refused row is %q", text)
	}
}

func wait(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that")
		}
		<-time.After(time.Millisecond)
	}
}

func TestLoader_PausesGrowAndDiffer(t *testing.T) {
	const longest = 30 * time.Second
	different := map[time.Duration]bool{}
	for attempt := range 70 {
		want := longest
		if attempt < 11 {
			want = min(longest, 20*time.Millisecond<<attempt)
		}
		d := pause(attempt, longest)
		if d < want/2 || d > want {
			t.Errorf("attempt %d waits for %v, want %v to %v", attempt, d, want/2, want)
		}
		different[pause(20, longest)] = true
	}
	if len(different) < 60 {
		t.Errorf("70 sensors come back at %d times", len(different))
	}
}

func TestPruneLoads_ForgetsOldSegmentsAndNoReplay(t *testing.T) {
	db := database(t, false)
	key := func(seq int) string { return fmt.Sprintf("%016x-%016x", seq, 7) }
	for _, k := range []string{key(1), key(2), key(3), "replay-00"} {
		if _, err := db.Load(t.Context(), "tap", k, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := db.PruneLoads(t.Context(), "tap", key(3)); err != nil || n != 0 {
		t.Errorf("fresh ones: %d, %v", n, err)
	}
	if _, err := db.Conn().Exec(t.Context(),
		"update loads set loaded_at = now() - interval '31 days' where segment <> $1", key(1)); err != nil {
		t.Fatal(err)
	}
	for sensor, want := range map[string]int64{"another": 0, "tap": 1} {
		if n, err := db.PruneLoads(t.Context(), sensor, key(3)); err != nil || n != want {
			t.Errorf("%s: %d, %v; want %d", sensor, n, err, want)
		}
	}
}
