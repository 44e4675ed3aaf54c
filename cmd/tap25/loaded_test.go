package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tap25/capture/capturetest"

	"github.com/jackc/pgx/v5"
)

// captures lists the capture files of a directory in their order, as if written a while ago.
func captures(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	slicesSortByName(files)
	for _, f := range files {
		if err := os.Chtimes(f, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// followed follows a directory until so many rows of it are in the database, or are found to be there, and returns the
// summary.
func followed(t *testing.T, dir, spool string, done func(diag string) bool) string {
	t.Helper()
	var diag capturetest.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"replay", "--follow", dir, "--sensor", "tap", "--spool", spool}, nil,
			&bytes.Buffer{}, &diag)
	}()
	await(t, "the directory is followed", func() bool { return done(diag.String()) })
	cancel()
	if status := <-ended; status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
	checkSums(t, diag.String())
	return diag.String()
}

// replayed replays files and returns how many rows were added and how many left out.
func replayed(t *testing.T, args ...string) (added, repeated int64) {
	t.Helper()
	var diag bytes.Buffer
	if status := run(t.Context(), append([]string{"replay", "--sensor", "tap"}, args...), nil, &bytes.Buffer{},
		&diag); status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
	lines := checkSums(t, diag.String())
	return lines["database"].total, lines["repeated"].total
}

func rowsIn(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	rows, _, _, _ := inMail(t, conn)
	return rows
}

func TestReplay_OfWhatWasFollowedAddsNothing(t *testing.T) {
	conn, _ := server(t)
	dir := t.TempDir()
	want := rotated(t, dir, 4, 100)
	files := captures(t, dir)
	followed(t, dir, t.TempDir(), func(string) bool { return rowsIn(t, conn) == want })
	for name, some := range map[string][]string{"all": files, "one": files[1:2],
		"in another order": {files[2], files[0]}} {
		if added, repeated := replayed(t, some...); added != 0 || repeated == 0 {
			t.Errorf("%s: %d rows added, %d repeated", name, added, repeated)
		}
	}
	copied := filepath.Join(t.TempDir(), "another-name")
	if err := os.Link(files[0], copied); err != nil {
		t.Fatal(err)
	}
	if added, repeated := replayed(t, copied); added != 0 || repeated == 0 {
		t.Errorf("under another name: %d rows added, %d repeated", added, repeated)
	}
	if _, repeated := replayed(t, append([]string{"--port", "587"}, files...)...); repeated != 0 {
		t.Errorf("with other ports, whose rows nobody has followed: %d repeated", repeated)
	}
	other := t.TempDir()
	fresh := rotated(t, other, 1, 40)
	if added, repeated := replayed(t, append(files, captures(t, other)...)...); added != int64(fresh) ||
		repeated != int64(want) {
		t.Errorf("with files that were not followed: %d rows added, %d repeated; want %d and %d", added, repeated,
			fresh, want)
	}
	if n := rowsIn(t, conn); n != want+fresh {
		t.Errorf("%d rows, want %d", n, want+fresh)
	}
}

func TestFollow_OfWhatWasReplayedAddsNothing(t *testing.T) {
	conn, _ := server(t)
	dir := t.TempDir()
	want := rotated(t, dir, 4, 100)
	files := captures(t, dir)
	if added, _ := replayed(t, files...); added != int64(want) {
		t.Fatalf("%d rows added, want %d", added, want)
	}
	diag := followed(t, dir, t.TempDir(), func(diag string) bool {
		return strings.Count(diag, "file done") == len(files)
	})
	if db := checkSums(t, diag)["database"]; db.total != 0 || db.parts["already there"] != int64(want) {
		t.Errorf("%d rows added, %v; want all there: %s", db.total, db.parts, diag)
	}
	if n := rowsIn(t, conn); n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
}

// A follower ends while a mail is under way and octets wait for others that were lost: they are in the sums, and no row
// is added.
func TestFollow_EndsWithItsSumsWhereSessionsAreOpen(t *testing.T) {
	conn, _ := server(t)
	dir := t.TempDir()
	if err := os.Rename(writeCapture(t, func(f *traffic) {
		mailTo(f, 1, "whole@b.example")
		p := f.host(2, 40000)
		p.open()
		p.say(fromServer, "220 mx\r\n")
		p.say(fromClient, "MAIL FROM:<a@a.example>\r\n")
		p.next[fromClient] += 100 // lost
		p.say(fromClient, "RCPT TO:<open@b.example>\r\n")
	}), filepath.Join(dir, "mail.pcap")); err != nil {
		t.Fatal(err)
	}
	captures(t, dir)
	diag := followed(t, dir, t.TempDir(), func(diag string) bool {
		return strings.Contains(diag, "file done") && rowsIn(t, conn) == 1
	})
	if !strings.Contains(diag, "left for the next replay") || rowsIn(t, conn) != 1 {
		t.Errorf("%d rows: %s", rowsIn(t, conn), diag)
	}
}
