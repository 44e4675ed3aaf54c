package main

import (
	"bytes"
	"net"
	"net/smtp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// replayRows are the rows of a capture, by the program.
func replayRows(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	var out, diag bytes.Buffer
	args = append([]string{"replay", "--json"}, args...)
	if status := run(t.Context(), args, nil, &out, &diag); status != statusDone {
		t.Fatalf("status %d: %s", status, diag.String())
	}
	checkSums(t, diag.String())
	return jsonLines(t, out.Bytes())
}

// compareLogs compares logs with rows, but for what one of them has not.
func compareLogs(t *testing.T, logs, rows *mtaLogs, ignored ...string) {
	t.Helper()
	options := []cmp.Option{cmp.AllowUnexported(mtaLogs{}), cmpopts.IgnoreFields(mtaLogs{}, ignored...)}
	if diff := cmp.Diff(logs, rows, options...); diff != "" {
		t.Errorf("logs against rows: %s", diff)
	}
}

// talk opens a session from an address of a namespace's.
func (w *wire) talk(ns, from, to string) *smtp.Client {
	w.t.Helper()
	var conn net.Conn
	err := w.in(ns, func() (err error) {
		d := net.Dialer{}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		conn, err = d.Dial("tcp", to)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "mx.example")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// say sends mails, of whose recipients some may be refused, and ends the session.
func (w *wire) say(c *smtp.Client, mails ...liveMail) {
	w.t.Helper()
	for _, m := range mails {
		if err := m.sendSome(c); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		w.t.Fatal(err)
	}
}

// compareOrigins compares the log of a server behind a proxy with rows.
func compareOrigins(t *testing.T, logs *originLogs, rows []map[string]any) {
	t.Helper()
	if diff := cmp.Diff(logs, originLogsOf(rows)); diff != "" {
		t.Errorf("logs against rows: %s", diff)
	}
}
