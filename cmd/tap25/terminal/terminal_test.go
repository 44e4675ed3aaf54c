package terminal

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/terminal/terminaltest"
)

func TestTerminal_TextCutAnywhereIsTheSame(t *testing.T) {
	text := strings.Join(append(terminaltest.Controlled, "\xe2\x80", "\xf0\x9f\x98", "\xe2"), "|") + "\xe2\x80"
	want := Escape(text)
	for at := range len(text) {
		tty, written := terminaltest.Open(t)
		w := Wrap(tty).(*Writer)
		_, err1 := io.WriteString(w, text[:at])
		for i := range len(text[at:]) { // and then octet by octet
			if _, err := w.Write([]byte{text[at+i]}); err != nil {
				t.Fatal(err)
			}
		}
		if w.End(); err1 != nil {
			t.Fatal(err1)
		}
		if got := written(); got != want {
			t.Fatalf("cut at %d: %q, want %q", at, got, want)
		}
	}
	if found := terminaltest.Obeyed(want); found != "" {
		t.Error(found)
	}
	var back string
	if err := json.Unmarshal([]byte(`"`+Escape("\U000e0041\u202e\x7f")+`"`), &back); err != nil ||
		back != "\U000e0041\u202e\x7f" {
		t.Errorf("%v: %q", err, back)
	}
}

func TestTerminal_SizeAndWhetherItDraws(t *testing.T) {
	tty, written := terminaltest.Open(t)
	defer written()
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	w := Wrap(tty)
	if columns, rows := Size(w); columns != 80 || rows != 24 {
		t.Errorf("%d columns, %d rows", columns, rows)
	}
	for kind, draws := range map[string]bool{"": false, "dumb": false, "xterm-256color": true} {
		t.Setenv("TERM", kind)
		if Draws(w) != draws || Draws(io.Discard) {
			t.Errorf("TERM=%q: %v", kind, Draws(w))
		}
	}
}
