package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tap25/cmd/tap25/terminal"
	"tap25/cmd/tap25/terminal/terminaltest"
	"tap25/store"
	"tap25/store/spool"
)

// hostileCapture has a mail for each, from it, to it, by a client that calls itself so.
func hostileCapture(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "controlled.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := newTraffic(t, file)
	for i, text := range terminaltest.Controlled {
		p := f.host(i, 40000)
		p.open()
		p.say(fromServer, "220 mx\r\n")
		for _, line := range []string{"EHLO h" + text, "MAIL FROM:<\"" + text + "\"@a.example> ENVID=" + text,
			"RCPT TO:<" + text + "@b.example>"} {
			p.say(fromClient, line+"\r\n")
			p.say(fromServer, "250 ok\r\n")
		}
		p.say(fromClient, "DATA\r\n")
		p.say(fromServer, "354 go\r\n")
		p.say(fromClient, ".\r\n")
		p.say(fromServer, "250 queued as Q"+text+"\r\n")
		p.close()
	}
	f.w.Flush()
	return path
}

// On a terminal each row is the same JSON value as in a file, and nothing in it is obeyed.
func TestTerminal_RowsAreTheSameValuesAndNothingIsObeyed(t *testing.T) {
	path := hostileCapture(t)
	tty, written := terminaltest.Open(t)
	var piped, diag bytes.Buffer
	args := []string{"replay", "--json", "--sensor", "tap\u009b\u202e", path}
	if a, b := run(t.Context(), args, nil, tty, &diag),
		run(t.Context(), args, nil, &piped, &diag); a != statusDone || b != statusDone {
		t.Fatalf("status %d and %d: %s", a, b, diag.String())
	}
	shown := written()
	if found := terminaltest.Obeyed(shown); found != "" {
		t.Error(found)
	}
	if want := jsonLines(t, piped.Bytes()); len(want) != len(terminaltest.Controlled) ||
		!reflect.DeepEqual(jsonLines(t, []byte(shown)), want) {
		t.Error("the values differ from those in a file")
	}
	if !strings.Contains(piped.String(), "\u202e") || !strings.Contains(piped.String(), "\u009b") ||
		!strings.Contains(shown, "Ä 文 😀") {
		t.Error("what goes to a pipe is changed, or what is harmless")
	}
}

// spool dump, errors, and the log's console form.
func TestTerminal_WhatElseIsShown(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	s, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "spool"), Sensor: "tap\u009b"})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range terminaltest.Controlled[:5] {
		e := envelope(i)
		e.RcptTo = &text
		if err := s.Append(store.AppendRow(nil, e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Seal("key\u009b31m\u202e"), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"spool", "dump", filepath.Join(dir, "spool")},
		{"spool", "ls", filepath.Join(dir, "spool")}, {"replay", "--json", "no\u009b31m\u202e\xff\x1bsuch.pcap"},
		{"no\u202esuch"}, {"replay", "--no\u009bsuch"}} {
		tty, written := terminaltest.Open(t)
		run(t.Context(), args, nil, tty, tty)
		if text := written(); text == "" || terminaltest.Obeyed(text) != "" {
			t.Errorf("%q: %s", args, terminaltest.Obeyed(text))
		}
	}
	tty, written := terminaltest.Open(t)
	log := newLogger(terminal.Wrap(tty))
	log.Error().Err(errors.New(terminaltest.Controlled[1])).Str("s", terminaltest.Controlled[0]).
		Strs("list", terminaltest.Controlled).Interface("map", map[string]string{"k": terminaltest.Controlled[1]}).
		Msg(terminaltest.Controlled[2] + terminaltest.Controlled[3])
	text := written()
	own := []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[36m", "\x1b[90m"}
	if found := terminaltest.Obeyed(text, own...); found != "" || !strings.Contains(text, "\x1b[31m") {
		t.Errorf("%s: %q", found, text)
	}
}

// The database's own texts: hold ls, db status, and errors of the server. psql gets the terminal itself.
func TestTerminal_WhatTheDatabaseSays(t *testing.T) {
	conn, _ := server(t)
	if _, err := conn.Exec(t.Context(), "create role \"r\u202e\u009b\" superuser; set role \"r\u202e\u009b\""); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(),
		"insert into holds (mailbox, reason) values ('a\u202e@b.example', 'r\u009b31m')"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"hold", "ls"}, {"db", "status"}, {"db", "status", "--json"},
		{"db", "status", "--db", "postgres://no\u009bbody@127.0.0.1:1/\u202ex"}} {
		tty, written := terminaltest.Open(t)
		run(t.Context(), args, nil, tty, tty)
		if text := written(); text == "" || terminaltest.Obeyed(text) != "" {
			t.Errorf("%q: %s", args, terminaltest.Obeyed(text))
		}
	}
	tty, written := terminaltest.Open(t)
	if status := run(t.Context(), []string{"db", "psql", "--", "-XAtc", `\! test -t 1 && echo a terminal`}, nil, tty,
		tty); status != statusDone || !strings.Contains(written(), "a terminal") {
		t.Errorf("status %d: psql does not write to the terminal", status)
	}
}
