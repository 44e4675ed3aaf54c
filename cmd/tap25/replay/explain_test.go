package replay

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const cases = "../../../testdata/cases/"

// explained returns what Explain writes to standard output, and to standard error.
func explained(t *testing.T, path string, session *int64) (lines, diag string) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := Explain(t.Context(), &Config{Stdout: &out, Stderr: &errs}, path, session); err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

// TestExplain_ShowsWhatALossHasHidden reads a case in which a reply to RCPT, of 24 octets, is missing.
func TestExplain_ShowsWhatALossHasHidden(t *testing.T) {
	const capture = cases + "loss/loss-server-reply-to-rcpt.pcap"
	lines, diag := explained(t, capture, nil)
	got := regexp.MustCompile(`(?m)^ *-?\d+  .{27}  `).ReplaceAllString(lines, "")
	const want = `greeting         220
EHLO or HELO     250
MAIL             250
24 octets of the server were not captured
RCPT             no reply was seen
DATA             354
end of data      250
row of mail 1    unknown, gap
QUIT             221
`
	if got != want || diag != "" {
		t.Errorf("got\n%s\nwant\n%s\nstandard error has %q", got, want, diag)
	}
}

// TestExplain_ReportsWhyThereIsNothing has a session_id of no session, and a capture that ends after a SYN.
// missing.txtar has captures of other ports.
func TestExplain_ReportsWhyThereIsNothing(t *testing.T) {
	const capture = cases + "loss/loss-server-reply-to-rcpt.pcap"
	whole, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	const header, record = 24, 16 // octets, of pcap
	first := header + record + binary.LittleEndian.Uint32(whole[header+8:])
	syn := filepath.Join(t.TempDir(), "syn.pcap")
	if err := os.WriteFile(syn, whole[:first], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path    string
		session *int64
		want    string
	}{
		{capture, new(int64(1)), "tap25: no SMTP dialogue of the input has session_id 1\n"},
		{syn, nil, "tap25: no SMTP dialogue could be read from the packets of the watched ports\n"},
	} {
		if out, diag := explained(t, c.path, c.session); out != "" || diag != c.want {
			t.Errorf("%s: %q, and on standard error %q, want %q", filepath.Base(c.path), out, diag, c.want)
		}
	}
}

// TestExplain_HasTheRowsOfEachCase compares outcomes and flags with those that were worked out by hand. Each line must
// have one of a few forms, none of which can hold an address.
func TestExplain_HasTheRowsOfEachCase(t *testing.T) {
	form := regexp.MustCompile(`^ *-?\d{1,20}  (.{27})  (row of mail \d+ +[a-z-]+(, [a-z-]+)*|` +
		`[A-Za-z ]+? +(\d{3}(, after a loss: it may answer another command)?|no reply was seen)|` +
		`[\d,]+ octets of the (client|server) were not captured|` +
		`octets of the (client|server) were captured in two versions)$`)
	captures, err := filepath.Glob(cases + "*/*.pcap")
	if err != nil || len(captures) < 300 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	conflicts := 0
	for _, path := range captures {
		if strings.Contains(path, "/checksum/") || strings.Contains(path, "/network/") {
			continue // read with other flags
		}
		expected, err := os.ReadFile(strings.TrimSuffix(path, ".pcap") + ".expected.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		decided := true // the case decides on all outcomes
		for line := range bytes.Lines(expected) {
			var row struct {
				Outcome string
				Flags   []string
			}
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			decided = decided && row.Outcome != ""
			want = append(want, strings.Join(append([]string{row.Outcome}, row.Flags...), ", "))
		}
		out, _ := explained(t, path, nil)
		for line := range strings.Lines(out) {
			m := form.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if m == nil {
				t.Errorf("%s: a line of another form: %s", filepath.Base(path), line)
			} else if rest, ok := strings.CutPrefix(m[2], "row of mail "); ok {
				_, rest, _ = strings.Cut(rest, " ")
				got = append(got, strings.TrimSpace(rest))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if len(got) != len(want) || decided && !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", filepath.Base(path), got, want)
		}
		if strings.Contains(out, "two versions") {
			conflicts++
		}
	}
	if conflicts == 0 {
		t.Error("no case has octets in two versions")
	}
}
