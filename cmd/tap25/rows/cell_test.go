package rows

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// texts are what strangers put into addresses, names and tags.
var texts = []string{
	"marta@orchard.example", "", "<>", "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=HYPERLINK(\"http://x/\")",
	" =1+1", "a;=1+1", "a,=1+1", "a\"=1+1", "a\t=1+1", "a\n=1+1", "\r\n=1+1", "＝1+1", "'=1+1", "a|=1+1", "a:-1",
	"\\", `\u003d1`, `\\u003d`, "+AAAAAAAA=",
	"a\x01b\x7fc\u0085d", "\u202egpj.exe", "\U0001f600", "\U000e0041x", "\ufeffx", "a\u2028b", "ünï@dømain.example",
}

// formula matches what a spreadsheet may take for one, wherever it may begin a cell: also if it is told to split cells
// at another character than the comma, or takes quotes for text.
var formula = regexp.MustCompile(`(^|[,;:|"'\s\x{a0}])[=+\-@＝＋－＠]`)

// uncell reads a text of a cell as docs/disclosure.md says.
func uncell(t *testing.T, s string) (text string) {
	t.Helper()
	if s == "<>" {
		return ""
	}
	quoted := `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` // what is left are the escapes of JSON
	if err := json.Unmarshal([]byte(quoted), &text); err != nil {
		t.Fatalf("a cell has an escape that is none: %v", err)
	}
	return text
}

func FuzzCell(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		c := Cell(s)
		if formula.MatchString(c) || strings.ContainsAny(c, "\r\n\t\x00") {
			t.Errorf("%q becomes the cell %q", s, c)
		}
		if got := uncell(t, c); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
