// Package terminal keeps text of strangers from acting on a terminal.
//
// What tap25 prints may hold strings of packets or of the database. [Wrap] wraps standard output and standard error, if
// they are terminals, into a Writer that escapes the characters that move a cursor, change colours or reverse text. The
// program's own drawing goes to [Unescaped]. [Interruptible] makes writes end after a signal even if nobody reads them.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// Writer is standard output or standard error, if that is a terminal. Text may hold strings of packets or of the
// database, so Write escapes characters that move the cursor, change colours or reverse text, as \u and their number,
// which JSON strings allow. The program's own drawing goes to file.
type Writer struct {
	file *os.File

	mu  sync.Mutex
	cut []byte // the beginning of a character, from the last write
}

// Wrap wraps w if it is a terminal.
func Wrap(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &Writer{file: f}
	}
	return w
}

// Is reports whether w is a terminal, as Wrap found it.
func Is(w io.Writer) bool {
	_, ok := w.(*Writer)
	return ok
}

// Draws reports whether w is a terminal that obeys control sequences, by TERM.
func Draws(w io.Writer) bool {
	kind := os.Getenv("TERM")
	return Is(w) && kind != "" && kind != "dumb"
}

// Size returns how many columns and rows a terminal has, which changes with its window; 0 and 0 if that is not known.
func Size(w io.Writer) (columns, rows int) {
	if t, ok := w.(*Writer); ok {
		columns, rows, _ = term.GetSize(int(t.file.Fd()))
	}
	return columns, rows
}

// Unescaped returns the writer for the program's own drawing, and for other programs.
func Unescaped(w io.Writer) io.Writer {
	switch w := w.(type) {
	case *Writer:
		return w.file
	case *outlet:
		return w.file
	}
	return w
}

// Write implements io.Writer.
func (t *Writer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(t.cut, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ { // the last character, if it is incomplete
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				whole -= i
			}
			break
		}
	}
	t.cut = append([]byte(nil), text[whole:]...)
	if whole == 0 {
		return len(p), nil
	}
	if _, err := io.WriteString(t.file, Escape(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// End writes an incomplete character that is still buffered.
func (t *Writer) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.file, Escape(string(t.cut)))
	t.cut = nil
}

// Escape makes text safe for a terminal.
func Escape(text string) string {
	if strings.IndexFunc(text, acts) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case !acts(r):
			b.WriteString(text[:n])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b.String()
}

// acts reports whether a character may make a terminal do anything but draw: the controls of ASCII and C1 except
// newline and tab, format characters such as those that set the direction of text (Cf), and the separators of lines and
// paragraphs.
func acts(r rune) bool {
	return unicode.Is(unicode.Cc, r) && r != '\n' && r != '\t' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
