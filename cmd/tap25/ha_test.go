package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"tap25/capture/capturetest"
	"tap25/store/stream"
)

// TestHA_EveryRowOnceWhereTheLeaderIsKilled kills the leader with its Patroni in mid-load, again and again: at any
// moment, with standbys that lack its last commits, and between a COMMIT and its answer. Rows come live, from a
// follower and from replays.
func TestHA_EveryRowOnceWhereTheLeaderIsKilled(t *testing.T) {
	kills, _ := strconv.Atoi(os.Getenv("TAP25_TEST_HA"))
	if kills == 0 {
		capturetest.Skip(t, "make test-ha runs it: TAP25_TEST_HA says how often the leader is killed")
	}
	for name, sync := range map[string]bool{"asynchronous": false, "synchronous": true} {
		t.Run(name, func(t *testing.T) { failOver(t, newPatroni(t, 3, sync), kills) })
	}
}

func failOver(t *testing.T, p *patroni, kills int) {
	if status := run(t.Context(), []string{"db", "migrate", "--db", p.dsn()}, nil, io.Discard,
		os.Stderr); status != statusDone {
		t.Fatal("no schema")
	}
	front := newFront(t, p)
	live := newLive(t, "live", front.dsn(), 10*time.Minute)
	bare := newLive(t, "bare", p.dsn(), 0)
	f := newFollowed(t, p.dsn())
	var replays []*replayedFiles
	for kill := range kills {
		replays = append(replays, newReplayed(t, p.dsn(), fmt.Sprint("replay", kill)))
		f.more(kills)
		<-time.After(time.Second + rand.N(2*time.Second))
		leader := p.leader()
		if kill%4 < 2 && !(p.sync && kill%2 == 1) { // no COMMIT is answered where a synchronous standby gets nothing
			leader.holdBack()
			if !p.sync {
				live.awaitMore(t)
				bare.awaitMore(t)
			}
			<-time.After(300*time.Millisecond + rand.N(time.Second))
		}
		if kill%2 == 1 {
			front.strike(leader) // by itself, behind a COMMIT
		} else {
			leader.kill()
		}
		awaitFor(t, time.Minute, "another leader", func() bool { l := p.leader(); return l != nil && l != leader })
		leader.start()
		for _, r := range replays {
			r.wait(t)
		}
		p.whole()
		t.Logf("kill %d of %s: %+v", kill+1, leader.name, live.s.Stats().Loader)
	}
	lost := checkLive(t, p, live, bare)
	f.check(t, p)
	for _, r := range replays {
		r.check(t, p)
	}
	st := live.s.Stats()
	t.Logf("rows: %d live, %d of them entered again, %d already there; %d lost where nothing is kept", live.n.Load(),
		st.Loader.Reloaded, st.Loader.Held, lost)
	if p.sync && (st.Loader.Reloaded != 0 || lost != 0) || !p.sync && (st.Loader.Reloaded == 0 || lost == 0) {
		t.Errorf("synchronous: %t; %d rows entered again, %d lost where nothing is kept", p.sync, st.Loader.Reloaded,
			lost)
	}
}

// liveRows is rows as a sniff has them.
type liveRows struct {
	s   *stream.Stream
	n   atomic.Int64
	end func()
}

// newLive emits 5,000 rows a second until it is ended.
func newLive(t *testing.T, sensor, dsn string, keep time.Duration) *liveRows {
	t.Helper()
	var diag capturetest.Buffer
	s, err := stream.Open(t.Context(), stream.Config{DSN: dsn, Dirs: []string{t.TempDir()},
		Limits: stream.Limits{Keep: keep}, Sensor: sensor, Log: zerolog.New(&diag), Stderr: &diag})
	if err != nil {
		t.Fatal(err)
	}
	l := &liveRows{s: s}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			for range 50 {
				e := envelope(int(l.n.Load()))
				e.Sensor = sensor
				s.Emit(e)
				l.n.Add(1)
			}
		}
	}()
	l.end = func() { cancel(); <-ended }
	t.Cleanup(func() {
		l.end()
		if t.Failed() {
			t.Log(sensor, diag.String())
		}
	})
	return l
}

// awaitMore waits until more rows are committed.
func (l *liveRows) awaitMore(t *testing.T) {
	t.Helper()
	before := l.s.Stats().Loader.Added
	awaitFor(t, time.Minute, "a load", func() bool { return l.s.Stats().Loader.Added > before })
}

// countOf counts the rows of a sensor, and how many of them are different, by a column.
func countOf(t *testing.T, p *patroni, sensor, column string) (rows, distinct int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.leader().dsn())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "select count(*), count(distinct "+column+
		") from tap25.mail where sensor = $1", sensor).Scan(&rows, &distinct); err != nil {
		t.Fatal(err)
	}
	return rows, distinct
}

// checkLive ends the live sources and asserts that every row is there once; it returns how many are lost where nothing
// is kept.
func checkLive(t *testing.T, p *patroni, live, bare *liveRows) (lost int64) {
	t.Helper()
	for _, l := range []*liveRows{live, bare} {
		l.end()
		awaitFor(t, 2*time.Minute, "all rows in the database", func() bool { return l.s.Settled(t.Context()) == nil })
		if err := l.s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	rows, distinct := countOf(t, p, "live", "session_id")
	if st := live.s.Stats(); rows != live.n.Load() || distinct != rows || st.Spool.Lost != 0 ||
		st.Loader.Added+st.Loader.Held != st.Spool.Loaded || st.Spool.Loaded != rows {
		t.Errorf("%d rows of %d, %d of them different: %+v", rows, live.n.Load(), distinct, st)
	}
	rows, distinct = countOf(t, p, "bare", "session_id")
	if rows != distinct {
		t.Errorf("%d rows twice where nothing is kept", rows-distinct)
	}
	return bare.n.Load() - rows
}

// followedFiles is a follower of a directory that files are moved to.
type followedFiles struct {
	dir   string
	files []string
	moved int
	want  int64
	stop  func() string
}

func newFollowed(t *testing.T, dsn string) *followedFiles {
	t.Helper()
	captured := t.TempDir()
	f := &followedFiles{dir: t.TempDir()}
	f.want = int64(rotated(t, captured, 120, 2000))
	f.files = captures(t, captured)
	var diag capturetest.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"replay", "--follow", f.dir, "--sensor", "follow", "--spool",
			filepath.Join(captured, "spool"), "--retention", "never", "--db", dsn}, nil, io.Discard, &diag)
	}()
	f.stop = func() string {
		cancel()
		if status := <-ended; status != statusDone {
			t.Errorf("the follower ends with %d", status)
		}
		return diag.String()
	}
	return f
}

// more moves one part of so many of the files, a few a second.
func (f *followedFiles) more(parts int) {
	todo := f.files[f.moved:min(f.moved+(len(f.files)+parts-1)/parts, len(f.files))]
	f.moved += len(todo)
	go func() {
		for _, file := range todo {
			os.Rename(file, filepath.Join(f.dir, filepath.Base(file)))
			<-time.After(100 * time.Millisecond)
		}
	}()
}

func (f *followedFiles) check(t *testing.T, p *patroni) {
	t.Helper()
	awaitFor(t, 2*time.Minute, "the rows of the follower", func() bool {
		rows, _ := countOf(t, p, "follow", "rcpt_to")
		return rows >= f.want
	})
	diag := f.stop()
	if rows, distinct := countOf(t, p, "follow", "rcpt_to"); rows != f.want || distinct != rows {
		t.Errorf("followed: %d rows of %d, %d of them different: %s", rows, f.want, distinct, diag)
	}
	checkSums(t, diag)
}

// replayedFiles is a replay of files that goes on while the leader is killed.
type replayedFiles struct {
	args   []string
	sensor string
	want   int64
	ended  chan int
	diag   bytes.Buffer
	over   bool
}

func newReplayed(t *testing.T, dsn, sensor string) *replayedFiles {
	t.Helper()
	dir := t.TempDir()
	r := &replayedFiles{sensor: sensor, ended: make(chan int, 1)}
	r.want = int64(rotated(t, dir, 30, 3000))
	r.args = append([]string{"replay", "--sensor", sensor, "--db", dsn}, captures(t, dir)...)
	go func() { r.ended <- run(context.Background(), r.args, nil, io.Discard, &r.diag) }()
	return r
}

func (r *replayedFiles) wait(t *testing.T) {
	t.Helper()
	if r.over {
		return
	}
	r.over = true
	if status := <-r.ended; status != statusDone {
		t.Errorf("%s ends with %d: %s", r.sensor, status, r.diag.String())
	}
}

// check asserts that every row is there once, and that the same command run again adds none. Where a replay has said
// that a standby lags behind, that command is to add what is missing.
func (r *replayedFiles) check(t *testing.T, p *patroni) {
	t.Helper()
	rows, _ := countOf(t, p, r.sensor, "rcpt_to")
	var diag bytes.Buffer
	if status := run(t.Context(), r.args, nil, io.Discard, &diag); status != statusDone {
		t.Errorf("%s, once more, ends with %d: %s", r.sensor, status, diag.String())
	}
	if rows != r.want && !strings.Contains(r.diag.String(), "a standby has not received the last rows yet") {
		t.Errorf("%s: %d rows of %d: %s", r.sensor, rows, r.want, r.diag.String())
	}
	again, distinct := countOf(t, p, r.sensor, "rcpt_to")
	t.Logf("%s: %d rows, %d after the same command", r.sensor, rows, again)
	if again != r.want || distinct != again {
		t.Errorf("%s: %d rows of %d, %d of them different: %s", r.sensor, again, r.want, distinct, r.diag.String())
	}
}
