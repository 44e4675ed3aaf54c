package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"tap25/capture/capturetest"
	"tap25/store"
	"tap25/store/spool"
)

// pty is a terminal, and what was written to it; its line discipline changes nothing.
func pty(t *testing.T) (tty *os.File, written func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		capturetest.Missing(t, "terminal", err.Error())
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	mode, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	mode.Oflag &^= unix.OPOST
	mode.Lflag &^= unix.ECHO | unix.ICANON
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, mode); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	read := make(chan bool)
	go func() {
		_, _ = io.Copy(&b, master) // until the last that has the terminal open closes it: EIO
		close(read)
	}()
	return tty, func() string {
		tty.Close()
		<-read
		return b.String()
	}
}

// controlled are texts that a terminal would obey, as they may stand in packets.
var controlled = []string{"a\u009b31mb", "\u202egnp.exe", "\x1b]0;pwned\x07\x1b[2J", "x\x7f\u0085\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069y", "\u2028\u2029\ufeff\U000e0041", "\xff\x9b31m", "plain Ä 文 😀"}

// obeyed is a character of text at which a terminal may do anything but draw, or an octet that is none; the program's own colours
// and cursor movements are taken out before.
func obeyed(text string, own ...string) string {
	for _, code := range own {
		text = strings.ReplaceAll(text, code, "")
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") || r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u061c\u200e\u200f\u2028\u2029\ufeff", r) ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069) {
			return fmt.Sprintf("%q in %q", r, text[max(0, i-20):min(len(text), i+20)])
		}
	}
	return ""
}

// hostileCapture has a mail for each, from it, to it, by a client that calls itself so.
func hostileCapture(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "controlled.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := newTraffic(t, file)
	for i, text := range controlled {
		p := f.host(i, 40000)
		p.open()
		p.say(fromServer, "220 mx\r\n")
		for _, line := range []string{"EHLO h" + text, "MAIL FROM:<\"" + text + "\"@a.example> ENVID=" + text, "RCPT TO:<" + text + "@b.example>"} {
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
	tty, written := pty(t)
	var piped, diag bytes.Buffer
	args := []string{"replay", "--json", "--sensor", "tap\u009b\u202e", path}
	if a, b := run(t.Context(), args, nil, tty, &diag), run(t.Context(), args, nil, &piped, &diag); a != statusDone || b != statusDone {
		t.Fatalf("status %d and %d: %s", a, b, diag.String())
	}
	shown := written()
	if found := obeyed(shown); found != "" {
		t.Error(found)
	}
	if want := jsonLines(t, piped.Bytes()); len(want) != len(controlled) || !reflect.DeepEqual(jsonLines(t, []byte(shown)), want) {
		t.Error("the values differ from those in a file")
	}
	if !strings.Contains(piped.String(), "\u202e") || !strings.Contains(piped.String(), "\u009b") || !strings.Contains(shown, "Ä 文 😀") {
		t.Error("what goes to a pipe is changed, or what is harmless")
	}
}

func TestTerminal_TextCutAnywhereIsTheSame(t *testing.T) {
	text := strings.Join(append(controlled, "\xe2\x80", "\xf0\x9f\x98", "\xe2"), "|") + "\xe2\x80"
	want := shown(text)
	for at := range len(text) {
		tty, written := pty(t)
		w := onTerminal(tty).(*terminal)
		_, err1 := io.WriteString(w, text[:at])
		for i := range len(text[at:]) { // and then octet by octet
			if _, err := w.Write([]byte{text[at+i]}); err != nil {
				t.Fatal(err)
			}
		}
		if w.end(); err1 != nil {
			t.Fatal(err1)
		}
		if got := written(); got != want {
			t.Fatalf("cut at %d: %q, want %q", at, got, want)
		}
	}
	if found := obeyed(want); found != "" {
		t.Error(found)
	}
	var back string
	if err := json.Unmarshal([]byte(`"`+shown("\U000e0041\u202e\x7f")+`"`), &back); err != nil || back != "\U000e0041\u202e\x7f" {
		t.Errorf("%v: %q", err, back)
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
	for i, text := range controlled[:5] {
		e := envelope(i)
		e.RcptTo = &text
		if err := s.Append(store.AppendRow(nil, e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Seal("key\u009b31m\u202e"), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"spool", "dump", filepath.Join(dir, "spool")}, {"spool", "ls", filepath.Join(dir, "spool")}, {"replay", "--json", "no\u009b31m\u202e\xff\x1bsuch.pcap"}, {"no\u202esuch"}, {"replay", "--no\u009bsuch"}} {
		tty, written := pty(t)
		run(t.Context(), args, nil, tty, tty)
		if text := written(); text == "" || obeyed(text) != "" {
			t.Errorf("%q: %s", args, obeyed(text))
		}
	}
	tty, written := pty(t)
	log := newLogger(onTerminal(tty))
	log.Error().Err(errors.New(controlled[1])).Str("s", controlled[0]).Strs("list", controlled).Interface("map", map[string]string{"k": controlled[1]}).Msg(controlled[2] + controlled[3])
	text := written()
	own := []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[36m", "\x1b[90m"}
	if found := obeyed(text, own...); found != "" || !strings.Contains(text, "\x1b[31m") {
		t.Errorf("%s: %q", found, text)
	}
}

// The database's own texts: hold ls, db status, and errors of the server. psql gets the terminal itself.
func TestTerminal_WhatTheDatabaseSays(t *testing.T) {
	conn, _ := server(t)
	if _, err := conn.Exec(t.Context(), "create role \"r\u202e\u009b\" superuser; set role \"r\u202e\u009b\""); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "insert into holds (mailbox, reason) values ('a\u202e@b.example', 'r\u009b31m')"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"hold", "ls"}, {"db", "status"}, {"db", "status", "--json"}, {"db", "status", "--db", "postgres://no\u009bbody@127.0.0.1:1/\u202ex"}} {
		tty, written := pty(t)
		run(t.Context(), args, nil, tty, tty)
		if text := written(); text == "" || obeyed(text) != "" {
			t.Errorf("%q: %s", args, obeyed(text))
		}
	}
	tty, written := pty(t)
	if status := run(t.Context(), []string{"db", "psql", "--", "-XAtc", `\! test -t 1 && echo a terminal`}, nil, tty, tty); status != statusDone || !strings.Contains(written(), "a terminal") {
		t.Errorf("status %d: psql does not write to the terminal", status)
	}
}
