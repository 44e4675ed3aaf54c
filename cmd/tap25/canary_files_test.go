package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tap25/cmd/tap25/report"
)

// away is a database that nobody answers for.
const away = "postgres://u@127.0.0.1:1/x?sslmode=disable"

// checkFiles looks through every file below a directory, and at its name, and says in how many the envelope stands.
func checkFiles(t *testing.T, dir string) (pigeons int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		checkClean(t, "a file's name", []byte(strings.TrimPrefix(path, dir)), canary, pigeon)
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		checkClean(t, d.Name(), data, canary)
		if bytes.Contains(data, []byte(pigeon)) {
			pigeons++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pigeons
}

// TestCanary_IsInNoFileOfTheSpool follows the sessions as files of a directory while the database is away: segments,
// the follower's checkpoint, and what the commands for spools say of them.
func TestCanary_IsInNoFileOfTheSpool(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	captures, followed := t.TempDir(), t.TempDir()
	for _, name := range []string{"1.pcap", "2.pcap"} {
		if err := os.WriteFile(filepath.Join(captures, name), canaryCapture(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var diag bytes.Buffer
	follower := tap25(t, &diag, "replay", "--sensor", "tap", "--db", away, "--spool", followed, "--follow", captures)
	await(t, "the follower's checkpoint", func() bool {
		found, _ := filepath.Glob(filepath.Join(followed, "follow.json"))
		deeper, _ := filepath.Glob(filepath.Join(followed, "*", "follow.json"))
		return len(found)+len(deeper) > 0
	})
	if err := follower.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = follower.Wait()
	checkClean(t, "the follower's log", diag.Bytes(), canary, pigeon)
	if checkFiles(t, followed) == 0 {
		t.Error("no envelope in the spool's files: nothing was looked through")
	}
	for _, command := range []string{"ls", "verify", "dump"} {
		var out, diag bytes.Buffer
		run(t.Context(), []string{"spool", command, followed}, nil, &out, &diag)
		checkClean(t, "spool "+command, append(out.Bytes(), diag.Bytes()...), canary)
	}
}

// play says the segments of a dialogue over a connection between the hosts, each side when it has heard what comes
// before.
func (w *wire) play(segments []canarySegment) error {
	var l net.Listener
	if err := w.in(w.server, func() (err error) {
		l, err = net.Listen("tcp", "192.0.2.25:25")
		return err
	}); err != nil {
		return err
	}
	defer l.Close()
	side := func(c net.Conn, me int) error {
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		for _, s := range segments {
			var err error
			if s.from == me {
				_, err = io.WriteString(c, s.text)
			} else {
				_, err = io.ReadFull(c, make([]byte, len(s.text)))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = side(c, fromServer)
		}
		done <- err
	}()
	var c net.Conn
	if err := w.in(w.client, func() (err error) { c, err = net.Dial("tcp", "192.0.2.25:25"); return err }); err != nil {
		return err
	}
	if err := side(c, fromClient); err != nil {
		return err
	}
	return <-done
}

// TestCanary_IsNowhereInALiveTap plays the sessions between two hosts beside a tap that writes into a spool, its log as
// talkative as it gets, and looks through its log, its closing summary, status, metrics and files.
func TestCanary_IsNowhereInALiveTap(t *testing.T) {
	w := newWire(t)
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	s := w.sniff("--db", away, "--metrics", "127.0.0.1:9425", "--log-level", "debug", "--spool",
		filepath.Join(state, "rows"), "--user", "root")
	sessions := int64(0)
	for _, dialogue := range canaryDialogues {
		if err := w.play(canarySegments(dialogue)); err != nil {
			t.Fatal(err)
		}
		sessions++
	}
	await(t, "the rows", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Sessions == sessions && r.Rows >= 6
	})
	status := asked(t, "status", "--control", s.control)
	checkClean(t, "status", []byte(status), canary, pigeon)
	client := http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, network,
		address string) (c net.Conn, err error) {
		return c, w.in(w.tap, func() error { c, err = net.Dial(network, address); return err })
	}}}
	for _, page := range []string{"metrics", "livez", "readyz", "", "state.json", "curves.json"} {
		response, err := client.Get("http://127.0.0.1:9425/" + page)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || page == "metrics" && !bytes.Contains(body, []byte("tap25_rows_total")) {
			t.Fatalf("%s: %v", page, err)
		}
		response.Body.Close()
		checkClean(t, page, body, canary, pigeon)
	}
	client.CloseIdleConnections()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // it says that rows still wait
	checkClean(t, "log and summary", []byte(s.diag.String()), canary, pigeon)
	checkClean(t, "standard output", []byte(s.out.String()), canary)
	if checkFiles(t, state) == 0 {
		t.Error("no envelope in the spool's files: nothing was looked through")
	}
}
