package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// standIn is a database of the private cluster, and a copy of it that takes its place: as a standby does that lacks all
// that came since.
type standIn struct {
	t     *testing.T
	admin *pgx.Conn
	dsn   string
}

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	admin, cluster := server(t)
	d := &standIn{t: t, admin: admin, dsn: strings.Replace(cluster.DSN(), "dbname=postgres", "dbname=mail", 1)}
	d.exec("create database mail")
	if status := run(t.Context(), []string{"db", "migrate", "--db", d.dsn}, nil, io.Discard,
		io.Discard); status != statusDone {
		t.Fatal("no schema")
	}
	d.copy()
	t.Setenv("DATABASE_URL", d.dsn)
	return d
}

func (d *standIn) exec(statement string) {
	d.t.Helper()
	if _, err := d.admin.Exec(d.t.Context(), statement); err != nil {
		d.t.Fatal(err)
	}
}

// copy makes the copy, while nobody is connected.
func (d *standIn) copy() { d.t.Helper(); d.exec("create database standby template mail") }

// takeOver puts the copy in the place of the database.
func (d *standIn) takeOver() {
	d.t.Helper()
	d.exec("alter database mail allow_connections false")
	d.exec("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'mail'")
	d.exec("alter database mail rename to lost")
	d.exec("alter database standby rename to mail")
}

func (d *standIn) rows() int {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), d.dsn+testPath)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, recipients, _, _ := inMail(d.t, conn)
	if rows != recipients {
		d.t.Errorf("%d rows to %d recipients", rows, recipients)
	}
	return rows
}

func TestFollow_DatabaseThatHasLostRowsGetsThemAgain(t *testing.T) {
	d := newStandIn(t)
	captured, dir, spools := t.TempDir(), t.TempDir(), t.TempDir()
	want := rotated(t, captured, 6, 50)
	files := captures(t, captured)
	move := func(files []string) {
		for _, file := range files {
			if err := os.Rename(file, filepath.Join(dir, filepath.Base(file))); err != nil {
				t.Fatal(err)
			}
		}
	}
	move(files[:3])
	var before int
	diag := followed(t, dir, spools, func(diag string) bool {
		if strings.Count(diag, "file done") == 3 && d.rows() >= 100 {
			before = d.rows()
			d.takeOver()
			move(files[3:])
			return true
		}
		return false
	})
	_ = diag
	// It has ended, perhaps before it came to see the other database. The next start asks.
	diag = followed(t, dir, spools, func(string) bool { return d.rows() == want })
	if n := d.rows(); n != want || before == 0 {
		t.Errorf("%d rows of %d, %d before the failover: %s", n, want, before, diag)
	}
	if out := asked(t, "spool", "ls", spools); !strings.Contains(out, " kept ") || strings.Contains(out, "waiting") {
		t.Errorf("%s", out)
	}
}

func TestReplay_OfFilesLeavesNothingBehindAndOfAPipeWhatTheNextEntersAgain(t *testing.T) {
	d := newStandIn(t)
	dir := t.TempDir()
	want := rotated(t, dir, 3, 20)
	files := captures(t, dir)
	kept := func() string { return asked(t, "db", "status", "--json") }
	if added, _ := replayed(t, files...); added != int64(want) {
		t.Errorf("%d rows added, want %d", added, want)
	}
	if s := kept(); !strings.Contains(s, `"kept_rows": 0`) || !strings.Contains(s, `"bytes": 0,`) {
		t.Errorf("a replay of files has left: %s", s)
	}
	d.takeOver()
	if added, _ := replayed(t, files...); added != int64(want) || d.rows() != want {
		t.Errorf("%d rows added by the same command after a failover, want %d", added, want)
	}

	d.exec("drop database lost")
	d.copy()
	piped := t.TempDir()
	more := rotated(t, piped, 1, 10)
	capture, err := os.ReadFile(captures(t, piped)[0])
	if err != nil {
		t.Fatal(err)
	}
	var diag bytes.Buffer
	if status := run(t.Context(), []string{"replay", "--sensor", "pipe", "-"}, bytes.NewReader(capture), io.Discard,
		&diag); status != statusDone {
		t.Fatal(diag.String())
	}
	if s := kept(); strings.Contains(s, `"kept_rows": 0`) {
		t.Errorf("a pipe cannot be read again, and its rows are not kept: %s", s)
	}
	d.takeOver()
	replayed(t, files...) // which adds nothing by itself
	conn, err := pgx.Connect(t.Context(), d.dsn+testPath)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var rows int
	if err := conn.QueryRow(t.Context(), "select count(*) from mail where sensor = 'pipe'").
		Scan(&rows); err != nil || rows < more {
		t.Errorf("%d rows of a pipe after a failover and another replay, want %d, %v", rows, more, err)
	}
}
