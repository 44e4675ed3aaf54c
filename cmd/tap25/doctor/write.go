package doctor

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"tap25/cmd/tap25/terminal"
)

// writeChecks writes the checks, grouped by subject, in colour on a terminal unless NO_COLOR is set.
func writeChecks(w io.Writer, checks []Check) error {
	width, colour := 100, terminal.Is(w) && os.Getenv("NO_COLOR") == ""
	text := func(s string) string { return s }
	if terminal.Is(w) {
		w, text = terminal.Unescaped(w), terminal.Escape
	}
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = max(columns, 60)
		}
	}
	var b strings.Builder
	counts := map[string]int{}
	on := ""
	for _, c := range checks {
		if c.On != on {
			on = c.On
			fmt.Fprintf(&b, "%s\n", text(on))
		}
		counts[c.State]++
		const indent = 26 // of what the check says
		says := fold(text(c.Says), width-indent, strings.Repeat(" ", indent))
		fmt.Fprintf(&b, "  %s  %-13s %s\n", paint(fmt.Sprintf("%-8s", c.State), c.State, colour), text(c.Name), says)
		for _, m := range c.Fix { // never folded, so that users can copy it
			fmt.Fprintf(&b, "%*s→ %s\n", indent-1, "", text(m))
		}
	}
	fmt.Fprintf(&b, "\nproblems: %d, notes: %d, ok: %d, unknown: %d\n", counts[Problem], counts[Note], counts[OK],
		counts[Unknown])
	_, err := io.WriteString(w, b.String())
	return err
}

// paint colours a text by the state: ECMA-48, 8.3.117.
func paint(text, state string, colour bool) string {
	code := map[string]string{OK: "32", Note: "33", Problem: "1;31", Unknown: "36"}[state]
	if !colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// fold breaks a text at spaces into lines of a width, and indents all but the first.
func fold(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
