package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/storetest"
)

// findBouncer is the program, of the distribution or unpacked by make install-test.
func findBouncer(t *testing.T) string {
	t.Helper()
	unpacked, err := filepath.Abs("../../bin/pgbouncer/usr/sbin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:"+unpacked)
	return requireTool(t, "pgbouncer", "pgbouncer")
}

// bouncer runs pgbouncer in transaction mode before a cluster, with fewer connections to it than its clients have, and
// otherwise as it comes; dsn is that of a database by way of it.
func bouncer(t *testing.T, cluster *cluster.Cluster, database string) (dsn string) {
	t.Helper()
	found := findBouncer(t)
	dir := storetest.Dir(t)
	program := filepath.Join(dir, "pgbouncer") // the server's user need not get through to the other
	if b, err := os.ReadFile(found); err != nil || os.WriteFile(program, b, 0o755) != nil {
		t.Fatalf("copy pgbouncer: %v", err)
	}
	server, err := pgx.ParseConfig(cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr =\nlisten_port = "+
		"6432\nunix_socket_dir = %s\nauth_type = trust\nauth_file = %s/users\n"+
		"pool_mode = transaction\ndefault_pool_size = 2\n", server.Host, server.Port, dir, dir)
	for path, text := range map[string]string{settings: text, dir + "/users": fmt.Sprintf("%q \"\"\n", server.User)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-q", settings)
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // which it refuses, and the server knows this user by its name
		uid, gid := cluster.Owner()
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	dsn = fmt.Sprintf("host=%s port=6432 user=%s dbname=%s", dir, server.User, database)
	awaitFor(t, time.Minute, "pgbouncer to answer", func() bool {
		db, err := store.Open(t.Context(), dsn)
		if err != nil {
			return false
		}
		db.Close()
		return true
	})
	return dsn
}

// What tap25 does with a database, it does through pgbouncer in transaction mode, several at once; what takes a session
// of its own is said, and leaves nothing with the sessions that others get.
func TestPgbouncer_EverythingWorksOrSaysThatItDoesNot(t *testing.T) {
	conn, cluster := server(t)
	dsn := bouncer(t, cluster, "postgres")
	dir := t.TempDir()
	if err := makeCaptures(dir); err != nil {
		t.Fatal(err)
	}
	const n = 500
	a, b := whole(t, dir, "a", 1, n), whole(t, dir, "b", 2, n)
	var replays [][]string
	for _, files := range [][]string{{a}, {b}, {b, a}, {a}} {
		replays = append(replays, append([]string{"--db", dsn, "--sensor", "one"}, files...),
			append([]string{"--db", dsn, "--sensor", "two"}, files...))
	}
	together(t, replays)
	wantRows(t, conn, map[string]int{"one": 2 * n, "two": 2 * n})
	followThrough(t, conn, dsn)

	asked(t, "replay", "--db", dsn, "--sensor", "old", dir+"/mail.pcap") // of 2023
	asked(t, "hold", "add", "bob@b.example", "--reason", "case 1", "--db", dsn)
	if holds := asked(t, "hold", "ls", "--db", dsn); !strings.Contains(holds, "bob@b.example") {
		t.Error(holds)
	}
	asked(t, "hold", "drop", "1", "--db", dsn)
	if status := asked(t, "db", "status", "--db", dsn); !strings.Contains(status, "rows ") {
		t.Error(status)
	}
	if rows := asked(t, "db", "psql", "--db", dsn, "--", "-XAtc",
		"select count(*) from tap25.mail where sensor = 'one'"); rows != fmt.Sprintln(2*n) {
		t.Errorf("psql: %s", rows)
	}
	// As if the day were quiet, and had so many rows that its indexes are rebuilt.
	if _, err := conn.Exec(t.Context(), "update tap25_internal.days set loaded_at = loaded_at - interval '1 hour', "+
		"rows = rows + 10000 where day = '2026-01-02'"); err != nil {
		t.Fatal(err)
	}
	var out, diag bytes.Buffer
	if status := run(t.Context(), []string{"db", "expire", "--retention", "2y", "--db", dsn}, nil, &out,
		&diag); status != statusDone ||
		!strings.Contains(out.String(), "dropped partition 2023-11-14") ||
		!strings.Contains(out.String(), "finished 2026-01-02: summarized, rows frozen\n") ||
		!strings.Contains(diag.String(), "not done through a connection pooler") {
		t.Errorf("status %d: %s %s", status, out.String(), diag.String())
	}
	if out := asked(t, "db", "expire", "--db", cluster.DSN()); !strings.Contains(out,
		"finished 2026-01-02: indexes rebuilt") {
		t.Errorf("on the server itself: %s", out)
	}
	nothingIsLeft(t, conn, dsn)
}

// followThrough follows a directory into the database, which gets each row once.
func followThrough(t *testing.T, conn *pgx.Conn, dsn string) {
	t.Helper()
	dir := t.TempDir()
	want := rotated(t, dir, 3, 100)
	var diag bytes.Buffer
	cmd := tap25(t, &diag, "replay", "--follow", dir, "--db", dsn, "--sensor", "follows")
	awaitFor(t, 2*time.Minute, "the rows of the follower", func() bool {
		var rows int
		err := conn.QueryRow(t.Context(), "select count(*) from mail where sensor = 'follows'").Scan(&rows)
		return err == nil && rows >= want
	})
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, diag.String())
	}
	checkSums(t, diag.String())
	wantRows(t, conn, map[string]int{"follows": want})
}

// nothingIsLeft wants no lock of a session, and no setting, with those that the pooler hands out.
func nothingIsLeft(t *testing.T, conn *pgx.Conn, dsn string) {
	t.Helper()
	var locks int
	if err := conn.QueryRow(t.Context(), "select count(*) from pg_locks where locktype = 'advisory'").
		Scan(&locks); err != nil || locks > 0 {
		t.Errorf("%d advisory locks are left: %v", locks, err)
	}
	for range 4 {
		if set := asked(t, "db", "psql", "--db", dsn, "--", "-XAtc",
			"select current_setting('lock_timeout'), (select count(*) from pg_prepared_statements)"); set != "0|0\n" {
			t.Errorf("lock_timeout, prepared statements: %s", set)
		}
	}
}

// A migration takes the server's own address: it holds a lock over several transactions.
func TestPgbouncer_MigrationsAreRefused(t *testing.T) {
	conn, cluster := server(t)
	if _, err := conn.Exec(t.Context(), "create database fresh"); err != nil {
		t.Fatal(err)
	}
	dsn := bouncer(t, cluster, "fresh")
	var diag bytes.Buffer
	if status := run(t.Context(), []string{"db", "migrate", "--db", dsn}, nil, &diag, &diag); status != statusFailed ||
		!strings.Contains(diag.String(), "not done through a connection pooler") {
		t.Errorf("status %d: %s", status, diag.String())
	}
	asked(t, "db", "migrate", "--db", strings.Replace(cluster.DSN(), "dbname=postgres", "dbname=fresh", 1))
	asked(t, "db", "migrate", "--db", dsn) // nothing is left to do
	nothingIsLeft(t, conn, dsn)
}
