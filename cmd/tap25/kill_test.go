package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/storetest"
)

// kills returns the second number in the long form of the faults, 'make kills'.
func kills(short, full int) int {
	if os.Getenv("TAP25_TEST_KILLS") == "full" {
		return full
	}
	return short
}

// rotated writes capture files as tcpdump -G does, with mails to so many numbered recipients; one session in each
// begins in a file and ends in the next. A last, empty file says that the one before is complete.
func rotated(t *testing.T, dir string, files, perFile int) (recipients int) {
	t.Helper()
	var open *peer
	at := time.Now().Add(-24 * time.Hour).UTC()
	mail := func(p *peer) {
		p.say(fromClient, "MAIL FROM:<a@a.example>\r\n")
		p.say(fromServer, "250 ok\r\n")
		p.say(fromClient, fmt.Sprintf("RCPT TO:<r%d@b.example>\r\n", recipients))
		p.say(fromServer, "250 ok\r\n")
		recipients++
	}
	settle := func(p *peer) {
		p.say(fromClient, "DATA\r\n")
		p.say(fromServer, "354 go\r\n")
		p.say(fromClient, "Subject: x\r\n.\r\n")
		p.say(fromServer, "250 ok\r\n")
	}
	for n := range files + 1 {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("mail-%d.pcap", n)))
		if err != nil {
			t.Fatal(err)
		}
		f := newTraffic(t, file)
		f.at = at
		if open != nil {
			open.f = f
			settle(open)
			open.close()
			open = nil
		}
		if n < files {
			for i := range perFile / 10 {
				p := f.host(n*perFile+i, 40000)
				p.open()
				p.say(fromServer, "220 mx\r\n")
				p.say(fromClient, "EHLO c\r\n")
				p.say(fromServer, "250 mx\r\n")
				for k := range 10 {
					if mail(p); i == 0 && k == 9 {
						open = p
						break
					}
					settle(p)
				}
				if open != p {
					p.close()
				}
			}
		}
		f.w.Flush()
		at = f.at
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return recipients
}

// testPath lets tests name tap25's objects without their schemas.
const testPath = " search_path='tap25,tap25_internal,public'"

// stateHome is [storetest.StateHome] with a cluster that is made and migrated.
func stateHome(t *testing.T) string {
	t.Helper()
	return storetest.MigratedHome(t, func(ctx context.Context, dsn string) error {
		db, err := store.Open(ctx, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Migrate(ctx)
	})
}

// server is a private cluster that runs until the test ends.
func server(t *testing.T) (conn *pgx.Conn, c *cluster.Cluster) {
	t.Helper()
	stateHome(t)
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	if status := run(t.Context(), []string{"db", "up"}, nil, io.Discard, io.Discard); status != statusDone {
		t.Fatal("no cluster")
	}
	d, err := store.NewDatabase(store.Local)
	if err != nil {
		t.Fatal(err)
	}
	conn, err = pgx.Connect(t.Context(), d.DSN+testPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn, d.Cluster
}

// inMail counts the rows of mail, and how many recipients they have that are different; and holds them against the
// counts of the loads.
func inMail(t *testing.T, conn *pgx.Conn) (rows, recipients, accepted, midstream int) {
	t.Helper()
	// One snapshot for planning too: else a day's table that is attached in between is not in the plan, while its count
	// is seen.
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	var counted int
	err = tx.QueryRow(t.Context(), `select count(*), count(distinct rcpt_to), count(*) filter (where outcome = 'accepted'),
		count(*) filter (where 'midstream' = any (flags)), (select coalesce(sum(rows), 0) from days) + (select count(*) from misdated) from mail`).
		Scan(&rows, &recipients, &accepted, &midstream, &counted)
	if err != nil {
		t.Fatal(err)
	}
	if counted != rows {
		t.Errorf("%d rows, but the loads have counted %d", rows, counted)
	}
	return rows, recipients, accepted, midstream
}

// tap25 starts the program itself; its standard error goes to diag.
func tap25(t *testing.T, diag *bytes.Buffer, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("tap25", args...)
	cmd.Stderr = diag
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestFollow_KilledAtAnyPointGivesEveryRowOnce(t *testing.T) {
	conn, _ := server(t)
	captured, dir := t.TempDir(), t.TempDir()
	want := rotated(t, captured, kills(30, 200), kills(300, 5000))
	files, moved, times := captures(t, captured), 0, kills(20, 200)
	for kill := range times {
		for ; moved < (len(files)-1)*(kill+1)/times; moved++ { // so that there are rows to pass at each kill
			if err := os.Rename(files[moved], filepath.Join(dir, filepath.Base(files[moved]))); err != nil {
				t.Fatal(err)
			}
		}
		var diag bytes.Buffer
		cmd := tap25(t, &diag, "replay", "--follow", dir, "--sensor", "tap")
		<-time.After(rand.N(time.Duration(kills(700, 6000)) * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
		if diag.Len() > 0 && bytes.Contains(diag.Bytes(), []byte("panic")) {
			t.Fatal(diag.String())
		}
	}
	before, _, _, _ := inMail(t, conn)
	t.Logf("%d of %d rows when the last was killed", before, want)
	for ; moved < len(files); moved++ { // and for the last, which must have begun before it is told to end
		if err := os.Rename(files[moved], filepath.Join(dir, filepath.Base(files[moved]))); err != nil {
			t.Fatal(err)
		}
	}
	var diag bytes.Buffer
	cmd := tap25(t, &diag, "replay", "--follow", dir, "--sensor", "tap")
	for deadline := time.Now().Add(5 * time.Minute); ; {
		rows, _, _, _ := inMail(t, conn)
		if rows >= want || time.Now().After(deadline) {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, diag.String())
	}
	checkSums(t, diag.String())
	rows, recipients, accepted, midstream := inMail(t, conn)
	if rows != want || recipients != rows || accepted != rows || midstream != 0 {
		t.Errorf("%d rows to %d recipients, %d accepted, %d midstream; want %d", rows, recipients, accepted, midstream,
			want)
	}
}

func TestReplay_KilledAndRunAgainGivesEveryRowOnce(t *testing.T) {
	conn, _ := server(t)
	dir := t.TempDir()
	want := rotated(t, dir, 30, kills(1000, 30_000))
	files, _ := filepath.Glob(filepath.Join(dir, "*.pcap"))
	slicesSortByName(files)
	args := append([]string{"replay", "--sensor", "tap"}, files...)
	for range kills(10, 100) {
		var diag bytes.Buffer
		cmd := tap25(t, &diag, args...)
		<-time.After(rand.N(400 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
	}
	for range 2 { // the second adds nothing
		var diag bytes.Buffer
		if err := tap25(t, &diag, args...).Wait(); err != nil {
			t.Fatalf("%v: %s", err, diag.String())
		}
		checkSums(t, diag.String())
		if rows, recipients, accepted, _ := inMail(t, conn); rows != want || recipients != want || accepted != want {
			t.Errorf("%d rows to %d recipients, %d accepted; want %d", rows, recipients, accepted, want)
		}
	}
}

// TestReplay_WaitsForAServerThatIsKilled kills the whole server again and again while rows pass.
func TestReplay_WaitsForAServerThatIsKilled(t *testing.T) {
	conn, cluster := server(t)
	dir := t.TempDir()
	want := rotated(t, dir, 30, kills(1000, 10_000))
	files, _ := filepath.Glob(filepath.Join(dir, "*.pcap"))
	slicesSortByName(files)
	var diag bytes.Buffer
	cmd := tap25(t, &diag, append([]string{"replay", "--sensor", "tap"}, files...)...)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	conn.Close(t.Context())
	for range kills(3, 50) {
		<-time.After(50*time.Millisecond + rand.N(200*time.Millisecond))
		stopNow(t, cluster)
		if err := cluster.Up(t.Context()); err != nil && !strings.Contains(err.Error(), "another tap25") {
			t.Log(err)
		}
		cluster.Release(t.Context())
	}
	if err := <-ended; err != nil {
		t.Errorf("%v: %s", err, diag.String())
	}
	checkSums(t, diag.String())
	if err := cluster.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer cluster.Release(t.Context())
	again, err := pgx.Connect(t.Context(), cluster.DSN()+testPath)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(context.Background())
	if rows, recipients, accepted, _ := inMail(t, again); rows != want || recipients != want || accepted != want {
		t.Errorf("%d rows to %d recipients, %d accepted; want %d", rows, recipients, accepted, want)
	}
}

func TestReplay_DatabaseThatStaysAwayEndsItAndTheNextCompletes(t *testing.T) {
	conn, cluster := server(t)
	url := cluster.DSN()
	dir := t.TempDir()
	want := rotated(t, dir, 3, 10_000)
	files, _ := filepath.Glob(filepath.Join(dir, "*.pcap"))
	slicesSortByName(files)
	args := append([]string{"replay", "--sensor", "tap", "--db", url, "--wait", "3s"}, files...)
	var diag bytes.Buffer
	if _, err := conn.Exec(t.Context(), "create function stall() returns trigger language plpgsql as $$ begin "+
		"perform pg_sleep(3600); return new; end $$; create trigger stall before insert on days for each row execute "+
		"function stall()"); err != nil {
		t.Fatal(err)
	}
	cmd := tap25(t, &diag, args...)
	waiting := func() bool {
		var n int
		if err := conn.QueryRow(t.Context(), "select count(*) from pg_stat_activity where wait_event = 'PgSleep'").
			Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	awaitFor(t, time.Minute, "a load to stall", waiting)
	conn.Close(t.Context())
	stopNow(t, cluster)
	if err := cmd.Wait(); err == nil || !strings.Contains(diag.String(), "wait in "+os.Getenv("XDG_STATE_HOME")) ||
		!strings.Contains(diag.String(), "run the same command again") {
		t.Errorf("%v: %s", err, diag.String())
	}
	checkSums(t, diag.String())
	if err := cluster.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer cluster.Release(t.Context())
	again, err := pgx.Connect(t.Context(), cluster.DSN()+testPath)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(context.Background())
	if _, err := again.Exec(t.Context(), "drop trigger stall on days"); err != nil {
		t.Fatal(err)
	}
	diag.Reset()
	if err := tap25(t, &diag, args...).Wait(); err != nil {
		t.Errorf("%v: %s", err, diag.String())
	}
	checkSums(t, diag.String())
	if rows, recipients, _, _ := inMail(t, again); rows != want || recipients != want {
		t.Errorf("%d rows to %d recipients; want %d", rows, recipients, want)
	}
}

// slicesSortByName sorts names that differ in one number.
func slicesSortByName(files []string) {
	slices.SortFunc(files, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
}

// stopNow stops a server as -m immediate does.
func stopNow(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	state, err := cluster.StateDir()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(state, "data", "postmaster.pid"))
	if err != nil {
		return // stopped
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGQUIT)
	for deadline := time.Now().Add(time.Minute); c.Running(t.Context()) && time.Now().Before(deadline); {
		<-time.After(5 * time.Millisecond)
	}
}
