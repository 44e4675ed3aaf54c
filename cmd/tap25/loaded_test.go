package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly"
	"tap25/store"
	"tap25/store/stream"
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

// followed follows a directory until so many rows of it are in the database, or are found to be there, and returns the summary.
func followed(t *testing.T, dir, spool string, done func(diag string) bool) string {
	t.Helper()
	var diag syncBuffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"replay", "--follow", dir, "--sensor", "tap", "--spool", spool, "--retention", "never"}, nil, &bytes.Buffer{}, &diag)
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
	if status := run(t.Context(), append([]string{"replay", "--sensor", "tap"}, args...), nil, &bytes.Buffer{}, &diag); status != statusDone {
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
	for name, some := range map[string][]string{"all": files, "one": files[1:2], "in another order": {files[2], files[0]}} {
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
	if added, repeated := replayed(t, append(files, captures(t, other)...)...); added != int64(fresh) || repeated != int64(want) {
		t.Errorf("with files that were not followed: %d rows added, %d repeated; want %d and %d", added, repeated, fresh, want)
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
	diag := followed(t, dir, t.TempDir(), func(diag string) bool { return strings.Count(diag, "file done") == len(files) })
	if db := checkSums(t, diag)["database"]; db.total != 0 || db.parts["already there"] != int64(want) {
		t.Errorf("%d rows added, %v; want all there: %s", db.total, db.parts, diag)
	}
	if n := rowsIn(t, conn); n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
}

// filesHeld looks files up as a replay does.
func filesHeld(t *testing.T, files []string) (*inputs, *stream.Stream, error) {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{DSN: store.Local, Dirs: []string{t.TempDir()}, Sensor: "tap", Waits: true, Rereadable: true, Patience: time.Minute, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	held, err := lookUp(t.Context(), &Config{DSN: store.Local, Reassembly: reassembly.Config{Ports: []uint16{25}}}, s, files)
	return held, s, err
}

// A follower loads parts of a file, or all of it, before a replay of the same or while it goes on.
func TestReplay_BesideAFollowerOfTheSameFile(t *testing.T) {
	server(t)
	dir := t.TempDir()
	rotated(t, dir, 2, 10)
	files := captures(t, dir)
	held, s, err := filesHeld(t, files)
	if err != nil {
		t.Fatal(err)
	}
	loaded := func(key string) {
		t.Helper()
		if err := s.Ask(t.Context(), func(db *store.DB) error {
			_, err := db.Load(t.Context(), "tap", key, nil)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	held.files[0].add(100) // a row of the first file
	loaded(held.files[0].key)
	if err := held.note(t.Context(), s); !errors.Is(err, errTwice) {
		t.Errorf("a file was followed meanwhile: %v", err)
	}
	if err := held.note(t.Context(), s); err != nil { // as where the answer to the first was lost
		t.Errorf("noted again: %v", err)
	}
	loaded(held.files[1].numbered())
	held.release() // the replay below waits for who has the files
	var diag bytes.Buffer
	if status := run(t.Context(), append([]string{"replay", "--sensor", "tap"}, files...), nil, &bytes.Buffer{}, &diag); status != statusFailed ||
		!strings.Contains(diag.String(), files[1]+": a replay --follow has begun this file") {
		t.Errorf("status %d: %s", status, diag.String())
	}
}

func TestParts_LastOfAFileBearsItsKey(t *testing.T) {
	for rows, want := range map[int][]string{1: {"k"}, partRows: {"k"}, partRows + 1: {"k-0", "k"}, 3 * partRows: {"k-0", "k-1", "k"}} {
		p := parts{key: "k"}
		var keys []string
		for range rows {
			if ended := p.add(100); ended != "" {
				keys = append(keys, ended)
			}
		}
		if keys = append(keys, p.key); !slices.Equal(keys, want) {
			t.Errorf("%d rows are %v, want %v", rows, keys, want)
		}
	}
	p := parts{key: "k"}
	for n := range 3 {
		if ended := p.add(partBytes); (ended != "") != (n > 0) {
			t.Errorf("row %d of %d octets: %q ended", n, partBytes, ended)
		}
	}
	// The keys that tap25 has given to files ever since: sha256("d [25 587] auto") and sha256("d [25] off").
	for want, cfg := range map[string]reassembly.Config{
		"follow-d": {Ports: []uint16{25}},
		"follow-e067b3a95f138324b55b35efdfc71825919d92105ab8d04e761af68db0bda3fb": {Ports: []uint16{587, 25}},
		"follow-a3446c187bf4f0864724c338a448925d72e5527e042047181e8f1790458c666e": {Ports: []uint16{25}, Checksum: reassembly.Off},
	} {
		if got := (&Config{Reassembly: cfg}).fileKey("d"); got != want {
			t.Errorf("ports %v, checksums %v: %s, want %s", cfg.Ports, cfg.Checksum, got, want)
		}
	}
}

// A follower ends while a mail is under way and octets wait for others that were lost: they are in the sums, and no row is added.
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
	diag := followed(t, dir, t.TempDir(), func(diag string) bool { return strings.Contains(diag, "file done") && rowsIn(t, conn) == 1 })
	if !strings.Contains(diag, "left for the next replay") || rowsIn(t, conn) != 1 {
		t.Errorf("%d rows: %s", rowsIn(t, conn), diag)
	}
}

// A file of 64 GiB, which takes half a minute.
func TestDigestFile_EndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<30); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, n, err := digestFile(ctx, path, 64<<30); err == nil {
		t.Errorf("%d octets were read", n)
	}
	var diag bytes.Buffer
	if status := run(ctx, []string{"replay", "--db", nowhere, path}, nil, &bytes.Buffer{}, &diag); status != statusFailed || !strings.Contains(diag.String(), "interrupted") {
		t.Errorf("status %d: %s", status, diag.String())
	}
}
