// Package terminaltest gives tests a terminal, and text that must not act on it.
package terminaltest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"tap25/capture/capturetest"
)

// Open returns a terminal, and what was written to it; its line discipline changes nothing.
func Open(t *testing.T) (tty *os.File, written func() string) {
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

// Controlled are texts that a terminal would obey, as they may stand in packets.
var Controlled = []string{"a\u009b31mb", "\u202egnp.exe", "\x1b]0;pwned\x07\x1b[2J",
	"x\x7f\u0085\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069y", "\u2028\u2029\ufeff\U000e0041",
	"\xff\x9b31m", "plain Ä 文 😀"}

// Obeyed returns a character of text at which a terminal may do anything but draw, or an octet that is none; the
// program's own colours and cursor movements are taken out before.
func Obeyed(text string, own ...string) string {
	for _, code := range own {
		text = strings.ReplaceAll(text, code, "")
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") ||
			r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0 ||
				strings.ContainsRune("\u061c\u200e\u200f\u2028\u2029\ufeff", r) ||
				r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069) {
			return fmt.Sprintf("%q in %q", r, text[max(0, i-20):min(len(text), i+20)])
		}
	}
	return ""
}
