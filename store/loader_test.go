package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tap25/store/spool"
)

// long returns the second number in the long form of the faults, as 'make kills' runs it.
func long(short, full int) int {
	if os.Getenv("TAP25_TEST_KILLS") == "full" {
		return full
	}
	return short
}

// numbered is a row that is known by its number.
func numbered(sensor string, n int) []byte {
	e := full()
	e.Sensor, e.SessionID = sensor, int64(n)
	e.SeenAt = time.Now().UTC().Add(-time.Duration(n%3) * 24 * time.Hour)
	e.MailFrom, e.RcptTo = new(fmt.Sprintf("from%d@a%d.example", n*7919, n%997)), new(fmt.Sprintf("to%d@b%d.example", n, n%97))
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
	if ld.Added+ld.Held != st.Loaded {
		t.Errorf("%d added and %d held, but %d loaded", ld.Added, ld.Held, st.Loaded)
	}
}

// checkOnce asserts that a sensor's rows 0 to n-1 are in the database, each once.
func checkOnce(t testing.TB, db *DB, sensor string, n int) {
	t.Helper()
	var rows, distinct, highest int
	err := db.Conn().QueryRow(t.Context(), "select count(*), count(distinct session_id), coalesce(max(session_id), -1) from mail where sensor = $1", sensor).
		Scan(&rows, &distinct, &highest)
	if err != nil {
		t.Fatal(err)
	}
	if rows != n || distinct != n || highest != n-1 {
		t.Errorf("%d rows, %d of them different, the last %d; want %d", rows, distinct, highest, n)
	}
	var counted int
	if err := db.Conn().QueryRow(t.Context(), "select sum(rows) from days where sensor = $1", sensor).Scan(&counted); err != nil || counted != n {
		t.Errorf("days counts %d, %v; want %d", counted, err, n)
	}
}

func sealOne(t testing.TB, s *spool.Spool, row []byte) {
	t.Helper()
	if err := s.AppendWait(t.Context(), row); err != nil {
		t.Fatal(err)
	}
}

// spoilt makes a row that the server refuses, although it is a whole row: text that is no UTF-8.
func spoilt(n int) []byte {
	row := numbered("tap", n)
	row[bytes.Index(row, []byte("@a"))] = 0xff
	return row
}

func TestLoader_RefusedRowsAreSetAsideAndTheirNeighboursLoaded(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{SegmentRecords: -1})
	late := numbered("tap", 0)
	binary.BigEndian.PutUint64(late[6:], 1<<62)
	short := append([]byte{}, numbered("tap", 1)[:40]...)
	trailer := append([]byte{0xff, 0xff}, numbered("tap", 1)[2:]...) // ends COPY, if it is sent
	wide := numbered("tap", 2)
	wide = append(wide, 0, 0, 0, 0)
	bad := [][]byte{spoilt(1), late, short, trailer, wide, spoilt(2)}
	n := 0
	good := func(k int) (rows [][]byte) {
		for range k {
			rows = append(rows, numbered("tap", n))
			n++
		}
		return rows
	}
	sealRows(t, s, "", good(50)...)
	sealRows(t, s, "", slices.Concat(good(30), bad[:4], good(70), bad[4:], good(1))...)
	sealRows(t, s, "", bad...)
	sealRows(t, s, "", good(50)...)
	path := s.Sealed()[1].Path
	l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
	drain(t, s, l)
	checkOnce(t, db, "tap", n)
	if st := s.Stats(); st.SetAside != 12 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	_, groups, _, err := spool.ReadFile(path + ".refused")
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]int{}
	for _, g := range groups {
		kept[g.Reason] += len(g.Records)
		for _, r := range g.Records {
			if !slices.ContainsFunc(bad, func(b []byte) bool { return slices.Equal(b, r) }) {
				t.Error("a row was set aside that is not bad")
			}
		}
	}
	want := map[string]int{"SQLSTATE 22021": 2, "not a row in COPY's binary form": 3, "time outside the years 1 to 9999": 1}
	if fmt.Sprint(kept) != fmt.Sprint(want) {
		t.Errorf("set aside %v, want %v", kept, want)
	}
}

// TestLoader_SetAsideSurvivesACrashAroundTheCommit loads a segment with refused rows by way of a connection that is cut
// around COMMIT, and opens the spool anew after each cut, as a killed process would.
func TestLoader_SetAsideSurvivesACrashAroundTheCommit(t *testing.T) {
	db := database(t, false)
	c, _ := shared()
	for at := range places {
		t.Run(strconv.Itoa(int(at)), func(t *testing.T) {
			p := newProxy(t, c, 0, nil)
			dir := t.TempDir()
			sensor := fmt.Sprint("tap", at)
			s := openSpool(t, spool.Config{Dir: dir, Sensor: sensor, SegmentRecords: -1})
			var rows [][]byte
			for n := range 100 {
				rows = append(rows, numbered(sensor, n))
			}
			sealRows(t, s, "", append(rows, spoilt(1), spoilt(2))...)
			var load [][]byte
			seg := s.Sealed()[0]
			load, _, _ = s.Read(seg)
			p.mu.Lock()
			p.left[at] = 1
			p.mu.Unlock()
			first, err := to(db, p.dir)(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			good, bad, err := first.divide(t.Context(), sensor, load)
			if err == nil {
				for reason, rows := range bad {
					if err := s.SetAside(seg, rows, reason); err != nil {
						t.Fatal(err)
					}
				}
				first.load(t.Context(), []batch{{seg.Sensor, seg.Key, good}}) // fails, or seems to
			}
			first.Close()
			s.Close()
			s = openSpool(t, spool.Config{Dir: dir})
			l := NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")})
			drain(t, s, l)
			checkOnce(t, db, sensor, 100)
			if st := s.Stats(); st.SetAside != 2 || st.Loaded != 100 {
				t.Errorf("%+v", st)
			}
			_, groups, _, err := spool.ReadFile(seg.Path + ".refused")
			if err != nil || len(groups) != 1 || len(groups[0].Records) != 2 {
				t.Errorf("set aside: %d groups, %v", len(groups), err)
			}
		})
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
	_, err := db.load(t.Context(), []batch{{"tap", "key", [][]byte{spoilt(1)}}})
	if text := plain(err).Error(); err == nil || strings.Contains(text, "example") || strings.Contains(text, "0x") || !strings.Contains(text, "22021") {
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

func TestLoader_DamagedSegmentKeepsItsOtherRows(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{SegmentRecords: -1, SegmentBytes: -1})
	const n = 2000
	for k := range n {
		sealOne(t, s, numbered("tap", k))
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	seg := s.Sealed()[0]
	data, err := os.ReadFile(seg.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(seg.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	drain(t, s, NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")}))
	st := s.Stats()
	if got := count(t, db); st.Damaged == 0 || st.Damaged >= n || int64(got) != n-st.Damaged {
		t.Errorf("%d rows, %+v", got, st)
	}
	if kept, _ := filepath.Glob(filepath.Join(filepath.Dir(seg.Path), "*.damaged")); len(kept) != 1 {
		t.Errorf("%d files of damaged bytes", len(kept))
	}
}

func TestLoader_HostileTextIsKeptWithoutLoss(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{})
	texts := []string{"a\x00b", "\xff\xfe@x", strings.Repeat("x", 64<<10) + "@b.example", "'; DROP TABLE envelopes; --", "\x1b[2J", "a\r\nb", "\u202e"}
	for i, text := range texts {
		e := full()
		e.SessionID, e.MailFrom, e.RcptTo, e.MailFromRaw, e.RcptToRaw = int64(i), &text, &text, []byte(text), []byte(text)
		e.Client = netip.MustParseAddrPort("192.0.2.1:1")
		sealOne(t, s, AppendRow(nil, e))
	}
	if err := s.Seal(""); err != nil {
		t.Fatal(err)
	}
	drain(t, s, NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")}))
	for i, text := range texts {
		var from string
		var raw []byte
		if err := db.Conn().QueryRow(t.Context(), "select rcpt_to, mail_from_raw from mail where session_id = $1", i).Scan(&from, &raw); err != nil {
			t.Fatal(err)
		}
		shown := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
		if string(raw) != text || from != shown {
			t.Errorf("row %d: %d and %d octets, want %d", i, len(raw), len(from), len(text))
		}
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
	if _, err := db.Conn().Exec(t.Context(), "update loads set loaded_at = now() - interval '31 days' where segment <> $1", key(1)); err != nil {
		t.Fatal(err)
	}
	for sensor, want := range map[string]int64{"another": 0, "tap": 1} {
		if n, err := db.PruneLoads(t.Context(), sensor, key(3)); err != nil || n != want {
			t.Errorf("%s: %d, %v; want %d", sensor, n, err, want)
		}
	}
}
