package main

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

// terminal is standard output or standard error where that is a terminal. What is written to it may hold strings of packets or of the
// database: what would move the cursor, change colours, or turn the direction of text is written as \u and its number, which in a
// JSON string means the same. Whole text goes through Write, the program's own drawing to file.
type terminal struct {
	file *os.File

	mu  sync.Mutex
	cut []byte // of the last write, the beginning of a character
}

// onTerminal is w, or the terminal that it is.
func onTerminal(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &terminal{file: f}
	}
	return w
}

func isTerminal(w io.Writer) bool {
	_, ok := w.(*terminal)
	return ok
}

// unescaped is for the program's own drawing, and for other programs.
func unescaped(w io.Writer) io.Writer {
	if t, ok := w.(*terminal); ok {
		return t.file
	}
	return w
}

// Write implements io.Writer.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(t.cut, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ { // the last character, if it has begun only
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
	if _, err := io.WriteString(t.file, shown(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what was cut off for good.
func (t *terminal) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.file, shown(string(t.cut)))
	t.cut = nil
}

// shown is text as a terminal may show it.
func shown(text string) string {
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

// acts says whether a terminal may do anything but draw at a character: the controls of ASCII and C1, but for the end of a line and
// the tab; those of the direction of text and others without a shape (Cf), and the separators of lines and paragraphs.
func acts(r rune) bool {
	return unicode.Is(unicode.Cc, r) && r != '\n' && r != '\t' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
