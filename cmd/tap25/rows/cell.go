package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// cellOf returns a value of JSON as a cell: nothing for null, a text as [Cell] returns it, the elements of a list with
// a space between them (a space in one of them is escaped), and any other value as it is.
func cellOf(name string, value json.RawMessage) string {
	switch {
	case len(value) == 0 || value[0] == 'n':
		return ""
	case name == "session_id" || name == CommunityIDColumn: // a number, and base64 to be compared as it is: no formulas
		return textOf(value)
	case value[0] == '"':
		return Cell(textOf(value))
	case value[0] == '[':
		var texts, cells []string
		_ = json.Unmarshal(value, &texts)
		for _, s := range texts {
			cells = append(cells, strings.ReplaceAll(Cell(s), " ", `\u0020`))
		}
		return strings.Join(cells, " ")
	}
	return string(value)
}

// textOf returns a text of JSON.
func textOf(quoted json.RawMessage) (text string) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	_ = json.Unmarshal(quoted, &text)
	return text
}

// Cell returns a text as a cell of CSV or TSV shows it, such that no spreadsheet takes it for a formula, no character of
// it acts on a screen, and the text can be told from it. The empty text is <>, so that it is not taken for
// null. A character is written as \u and four hexadecimal digits of each UTF-16 unit, as in JSON, if it is
//   - one that can begin a formula (= + - @ and their full-width forms), at the beginning or after a character that a
//     spreadsheet may be told to split cells at: a comma, semicolon, colon, bar, quote or space;
//   - a control or format character, or a separator of lines or paragraphs;
//   - the < of a text that is <>.
//
// A backslash is written twice.
func Cell(s string) string {
	switch s {
	case "":
		return "<>"
	case "<>":
		return `\u003c>`
	}
	begins := true // a cell may begin here
	return escape(strings.ReplaceAll(s, `\`, `\\`), func(r rune) bool {
		formula := begins && strings.ContainsRune("=+-@＝＋－＠", r)
		begins = strings.ContainsRune(",;:|\"'", r) || unicode.IsSpace(r)
		return formula || acts(r)
	})
}

// Visible returns a text in which every character that does not just show itself is escaped.
func Visible(s string) string { return escape(s, acts) }

// acts reports whether a character does anything but show itself.
func acts(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// escape writes some characters of a text as \u and four hexadecimal digits of each UTF-16 unit.
func escape(s string, which func(rune) bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case !which(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
