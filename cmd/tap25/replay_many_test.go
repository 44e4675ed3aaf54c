package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/cmd/tap25/spools"
	"tap25/store"
	"tap25/store/spool"
	"tap25/store/storetest"
	"tap25/store/stream"
)

// whole writes a capture of n sessions with a mail each, to recipients that bear its name; no session goes on in
// another file.
func whole(t *testing.T, dir, name string, number, n int) (path string) {
	t.Helper()
	path = filepath.Join(dir, name+".pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := newTraffic(t, file)
	f.at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range n {
		p := f.host(number*10_000+i, 40000)
		p.open()
		p.say(fromServer, "220 mx\r\n")
		for _, line := range []string{"EHLO c", "MAIL FROM:<a@a.example>",
			fmt.Sprintf("RCPT TO:<%s-%d@b.example>", name, i)} {
			p.say(fromClient, line+"\r\n")
			p.say(fromServer, "250 ok\r\n")
		}
		p.close()
	}
	f.w.Flush()
	return path
}

// together starts replays at once and wants each to succeed with its sums; it returns what they said.
func together(t *testing.T, replays [][]string) (said []string) {
	t.Helper()
	said = make([]string, len(replays))
	diags, cmds := make([]bytes.Buffer, len(replays)), make([]*exec.Cmd, len(replays))
	for i, args := range replays {
		cmds[i] = tap25(t, &diags[i], append([]string{"replay"}, args...)...)
	}
	for i, cmd := range cmds {
		err := cmd.Wait()
		if said[i] = diags[i].String(); err != nil {
			t.Errorf("replay %q: %v: %s", replays[i], err, said[i])
			continue
		}
		checkSums(t, said[i])
	}
	return said
}

// wantRows wants so many rows in mail for each sensor, each with a recipient of its own.
func wantRows(t *testing.T, conn *pgx.Conn, want map[string]int) {
	t.Helper()
	for sensor, n := range want {
		var rows, recipients int
		if err := conn.QueryRow(t.Context(), "select count(*), count(distinct rcpt_to) from mail where sensor = $1",
			sensor).Scan(&rows, &recipients); err != nil {
			t.Fatal(err)
		}
		if rows != n || recipients != n {
			t.Errorf("sensor %s: %d rows to %d recipients, want %d", sensor, rows, recipients, n)
		}
	}
}

// nothingWaits wants no file in the spools but what is kept for the case of a failover.
func nothingWaits(t *testing.T) {
	t.Helper()
	files, err := spools.All()
	files = slices.DeleteFunc(files, func(f spool.File) bool { return f.State == spool.Kept })
	if err != nil || len(files) > 0 {
		t.Errorf("%d files are left in the spools: %v", len(files), err)
	}
}

// Each replay finds a spool of its own, of one sensor or of several, and each row comes once: also of a file that
// several read, and of lists of files that overlap, whose rows would be cut into other segments.
func TestReplay_ManyAtOnceGiveEveryRowOnce(t *testing.T) {
	conn, cluster := server(t)
	dir := t.TempDir()
	const n = 50
	a, b, c := whole(t, dir, "a", 1, n), whole(t, dir, "b", 2, n), whole(t, dir, "c", 3, n)
	one, url := []string{"--sensor", "one"}, []string{"--sensor", "url", "--db", cluster.DSN()}
	var replays [][]string
	for _, files := range [][]string{{a}, {a}, {b}, {a, b}, {b, c}, {c, b, a}} {
		replays = append(replays, append(one, files...), append(url, files...))
	}
	for i := range 4 {
		replays = append(replays, []string{"--sensor", fmt.Sprint("sensor-", i), a})
	}
	together(t, replays)
	wantRows(t, conn, map[string]int{"one": 3 * n, "url": 3 * n, "sensor-0": n, "sensor-1": n, "sensor-2": n,
		"sensor-3": n})
	nothingWaits(t)
	for _, said := range together(t, [][]string{append(one, a, b, c), append(one, a)}) {
		if !strings.Contains(said, "database  0 rows added\n") {
			t.Errorf("a repetition: %s", said)
		}
	}
}

// Of replays that start together without a server, one starts the private cluster; others come while it ends.
func TestReplay_ManyAtOnceShareThePrivateClusterThatOneOfThemStarts(t *testing.T) {
	storetest.StateHome(t)
	dir := t.TempDir()
	var replays [][]string
	for i := range 8 {
		replays = append(replays, []string{"--sensor", "tap", whole(t, dir, fmt.Sprint("file", i), i, 20)})
	}
	diags, cmds := make([]bytes.Buffer, len(replays)), make([]*exec.Cmd, len(replays))
	start := func(i int) { cmds[i] = tap25(t, &diags[i], append([]string{"replay"}, replays[i]...)...) }
	const first = 5
	for i := range first {
		start(i)
	}
	for i := range replays {
		if err := cmds[i].Wait(); err != nil {
			t.Errorf("%v: %s", err, diags[i].String())
		}
		if next := i + first; next < len(replays) {
			start(next)
		}
	}
	if rows := asked(t, "db", "psql", "--", "-XAtc",
		"select count(*), count(distinct rcpt_to) from mail"); rows != "160|160\n" {
		t.Errorf("rows and recipients: %s", rows)
	}
}

// leave has a row wait in a spool as a replay leaves it that is killed once it has sealed.
func leave(t *testing.T, dir, sensor string, i int) {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, Sensor: sensor, SegmentRecords: -1, SegmentBytes: -1, SegmentAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	e := envelope(i)
	address := fmt.Sprintf("left-%d@b.example", i)
	e.RcptTo, e.Sensor = &address, sensor
	if err := errors.Join(s.Append(store.AppendRow(nil, e)), s.Seal(fmt.Sprint("replay-left-", i)),
		s.Close()); err != nil {
		t.Fatal(err)
	}
}

// Replays that were killed leave their spools; of several that come later, each is loaded by one.
func TestReplay_ManyCompleteWhatKilledOnesHaveLeft(t *testing.T) {
	conn, _ := server(t)
	dir := t.TempDir()
	base, err := stream.SpoolBase()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		leave(t, filepath.Join(base, fmt.Sprint("replay-", i)), "tap", i)
	}
	var replays [][]string
	for i := range 4 {
		replays = append(replays, []string{"--sensor", "tap", whole(t, dir, fmt.Sprint("file", i), i, 20)})
	}
	together(t, replays)
	wantRows(t, conn, map[string]int{"tap": 4*20 + 6})
	nothingWaits(t)
}

// spoolName is the name of replays' spools into a database, without the number, made from the user and the database.
func spoolName(where string) string {
	sum := sha256.Sum256([]byte(where))
	return "replay-" + hex.EncodeToString(sum[:4])
}

// A login of one sensor may not load what that of another has left: each has spools of its own. And who gives another's
// name learns so at once, with nothing left behind.
func TestReplay_EachLoginCompletesItsOwn(t *testing.T) {
	conn, cluster := server(t)
	dir := t.TempDir()
	base, err := stream.SpoolBase()
	if err != nil {
		t.Fatal(err)
	}
	host, _ := storetest.Address(t, cluster)
	dsn, where := map[string]string{}, host+":5432/postgres"
	for i, login := range []string{"tap1", "tap2"} {
		mayLogIn(t, conn, login, "trust", "in role tap25_sensor")
		dsn[login] = strings.Replace(cluster.DSN(), "user=postgres", "user="+login, 1)
		name, before := spoolName(login+"@"+where), spoolName(where)
		leave(t, filepath.Join(base, name+"-0"), login, i)
		if i == 0 {
			leave(t, filepath.Join(base, before+"-3"), login, 7) // of a tap25 that did not tell users apart
		}
	}
	capture := whole(t, dir, "a", 1, 20)
	together(t, [][]string{{"--db", dsn["tap1"], "--sensor", "tap1", capture}})
	wantRows(t, conn, map[string]int{"tap1": 20 + 2, "tap2": 0})
	together(t, [][]string{{"--db", dsn["tap2"], "--sensor", "tap2", capture}})
	wantRows(t, conn, map[string]int{"tap1": 20 + 2, "tap2": 20 + 1})
	file, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, input := range []string{"-", capture} {
		var diag bytes.Buffer
		if status := run(t.Context(), []string{"replay", "--db", dsn["tap1"], "--sensor", "tap2", input}, file, &diag,
			&diag); status != statusFailed || !strings.Contains(diag.String(), "42501") {
			t.Errorf("status %d: %s", status, diag.String())
		}
	}
	nothingWaits(t)
}
