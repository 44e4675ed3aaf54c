package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	canary = "KanarieVogel42x" // must be nowhere
	pigeon = "TaubenSchlag73z" // stands in the envelope: must be in the rows, and nowhere else
)

// forms gives a text as it may be found: as it is, in hexadecimal, in base64 wherever it begins there, and any two of
// these one upon the other, all in lower case; the text itself also in lower case before that.
func forms(text string) [][]byte {
	out := map[string]bool{}
	once := func(s string) []string {
		all := []string{hex.EncodeToString([]byte(s))}
		for k := range 3 {
			e := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:k] + s))
			all = append(all, e[(8*k+5)/6:8*(k+len(s))/6])
		}
		return all
	}
	for _, text := range []string{text, strings.ToLower(text)} {
		for _, s := range append(once(text), text) {
			for _, f := range append(once(s), s) {
				out[strings.ToLower(f)] = true
			}
		}
	}
	var list [][]byte
	for f := range out {
		list = append(list, []byte(f))
	}
	return list
}

// found says in which form a text is in data, "" if in none.
func found(data []byte, text string) string {
	lower := bytes.ToLower(data)
	for _, f := range forms(text) {
		if bytes.Contains(lower, f) {
			return string(f)
		}
	}
	return ""
}

// checkClean fails where a canary is in data, which is described by what.
func checkClean(t *testing.T, what string, data []byte, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if f := found(data, text); f != "" {
			i := bytes.Index(bytes.ToLower(data), []byte(f))
			t.Errorf("%s: a canary, as %s: %q", what, f, data[max(0, i-60):min(len(data), i+80)])
		}
	}
}

func TestCanary_IsFoundInEveryForm(t *testing.T) {
	for _, secret := range []string{canary, "x" + canary, "xy" + canary + "z", strings.ToLower(canary)} {
		b64 := base64.StdEncoding.EncodeToString([]byte(secret))
		for _, s := range []string{secret, hex.EncodeToString([]byte(secret)),
			base64.URLEncoding.EncodeToString([]byte("?" + b64 + "?"))} {
			if found([]byte("some "+s+" text"), canary) == "" {
				t.Errorf("not found in %s", s)
			}
		}
		if found([]byte(b64), canary) == "" {
			t.Errorf("not found in %s", b64)
		}
	}
	if f := found([]byte(pigeon), canary); f != "" {
		t.Errorf("found %s in something else", f)
	}
}

var placeholder = regexp.MustCompile(`\{(b64 |plain )?([a-z0-9-]+)(?::(\d+))?\}`)

// filled puts the canaries into a line.
func filled(line string) string {
	return placeholder.ReplaceAllStringFunc(line, func(m string) string {
		p := placeholder.FindStringSubmatch(m)
		secret := canary + "-" + p[2]
		switch {
		case p[2] == "envelope":
			return pigeon
		case p[2] == "lf":
			return "\n.\n"
		case p[3] != "":
			var n int
			fmt.Sscan(p[3], &n)
			return (secret + strings.Repeat("x", 50))[:n]
		case p[1] == "b64 ":
			return base64.StdEncoding.EncodeToString([]byte(secret))
		case p[1] == "plain ":
			return base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + secret))
		}
		return secret
	})
}

// canarySegments are the segments of a dialogue: direction and text.
type canarySegment struct {
	from int
	text string
}

func canarySegments(dialogue string) (out []canarySegment) {
	joined := ""
	for line := range strings.SplitSeq(dialogue, "\n") {
		line, more := strings.CutSuffix(line, "+")
		text := filled(strings.TrimPrefix(line[2:], " "))
		if line[1] == ':' {
			text += "\r\n"
		}
		joined += text
		if !more {
			out = append(out, canarySegment{map[byte]int{'C': fromClient, 'S': fromServer}[line[0]], joined})
			joined = ""
		}
	}
	return out
}

// write makes the session of segments; keep tells which of them are captured.
func (p *peer) write(segments []canarySegment, keep func(i int) bool) {
	p.open()
	for i, s := range segments {
		if keep(i) {
			p.say(s.from, s.text)
		} else {
			p.next[s.from] += uint32(len(s.text))
		}
	}
	p.close()
}

func all(int) bool { return true }

// canaryCapture holds every session, one after the other.
func canaryCapture(t *testing.T) []byte {
	var b bytes.Buffer
	f := newTraffic(t, &b)
	n := 0
	for _, name := range slices.Sorted(maps.Keys(canaryDialogues)) {
		f.host(n, 40000).write(canarySegments(canaryDialogues[name]), all)
		n++
	}
	f.host(n, 40000).write(canarySegments(canaryBody), all)
	f.w.Flush()
	return b.Bytes()
}

// canaryReplay replays a capture to JSON lines, explains it, and checks all that tap25 says.
func canaryReplay(t *testing.T, what string, capture []byte, want int, args ...string) []map[string]any {
	t.Helper()
	var out, diag bytes.Buffer
	args = append([]string{"replay", "--json", "--sensor", "tap"}, args...)
	if status := run(t.Context(), append(args, "-"), bytes.NewReader(capture), &out, &diag); status != want {
		t.Fatalf("%s: status %d: %s", what, status, diag.String())
	}
	if want == statusDone {
		checkSums(t, diag.String())
	}
	checkClean(t, what+": rows", out.Bytes(), canary)
	rows := jsonLines(t, out.Bytes())
	out.Reset()
	if status := run(t.Context(), []string{"explain", "-"}, bytes.NewReader(capture), &out, &diag); status != want ||
		strings.Count(out.String(), "  row of mail ") != len(rows) {
		t.Errorf("%s: explain has another number of rows than %d: status %d, %s", what, len(rows), status, out.String())
	}
	checkClean(t, what+": explanation", out.Bytes(), canary, pigeon)
	checkClean(t, what+": standard error", diag.Bytes(), canary, pigeon)
	return rows
}

func TestCanary_IsInNoJSONLine(t *testing.T) {
	capture := canaryCapture(t)
	if found(capture, canary) == "" {
		t.Fatal("no canary in the capture")
	}
	rows := canaryReplay(t, "all sessions", capture, statusDone)
	outcomes := map[any]int{}
	for _, row := range rows {
		outcomes[row["outcome"]]++
		if from, ok := row["mail_from"].(string); ok && from != pigeon+"@a.example" ||
			!ok && row["outcome"] != "encrypted" {
			t.Errorf("sender %q", from)
		}
	}
	want := map[any]int{"accepted": 4, "refused": 4, "encrypted": 1}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("rows %v, want %v", outcomes, want)
	}
}

// TestCanary_IsInNoJSONLineOfADamagedCapture leaves each segment of each session away, begins it at each, ends it
// there, and keeps one direction only. Without the sight of STARTTLS and its reply, what follows in plain text is mail
// like any other.
func TestCanary_IsInNoJSONLineOfADamagedCapture(t *testing.T) {
	for name, dialogue := range canaryDialogues {
		segments := canarySegments(dialogue)
		replay := func(what string, keep func(i int) bool) {
			if name == "starttls" && (!keep(3) || !keep(4) || !keep(0) && !keep(1)) {
				return // STARTTLS and its reply are segments 3 and 4
			}
			var b bytes.Buffer
			f := newTraffic(t, &b)
			f.host(0, 40000).write(segments, keep)
			f.w.Flush()
			canaryReplay(t, name+": "+what, b.Bytes(), statusDone)
		}
		for k := range segments {
			replay(fmt.Sprintf("without segment %d", k), func(i int) bool { return i != k })
			replay(fmt.Sprintf("from segment %d", k), func(i int) bool { return i >= k })
			replay(fmt.Sprintf("up to segment %d", k), func(i int) bool { return i <= k })
		}
		for _, side := range []int{fromClient, fromServer} {
			replay(fmt.Sprintf("side %d", side), func(i int) bool { return segments[i].from == side })
		}
	}
}

// brokenInputs are captures that end in an error, with canaries where an error might quote them.
func brokenInputs(t *testing.T) map[string][]byte {
	whole := canaryCapture(t)
	le16 := func(v int) string { return string([]byte{byte(v), byte(v >> 8)}) }
	le32 := func(v int) string { return le16(v) + le16(v>>16) }
	option := func(code int, s string) string {
		return le16(code) + le16(len(s)) + s + strings.Repeat("\x00", -len(s)&3)
	}
	block := func(kind int, body string) string { return le32(kind) + le32(12+len(body)) + body + le32(12+len(body)) }
	section := block(0x0a0d0d0a, le32(0x1a2b3c4d)+le16(1)+le16(0)+strings.Repeat("\xff", 8)+option(1, canary)+
		option(2, canary))
	iface := block(1, le16(101)+le16(0)+le32(0)+option(2, canary)+option(3, canary))
	return map[string][]byte{
		"text":                  []byte(strings.Repeat("Subject: "+canary+"\n", 20)),
		"cut off":               whole[:len(whole)-5],
		"garbage behind":        append(slices.Clone(whole), strings.Repeat(canary, 20)...),
		"gzip with a name":      append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"+canary+"\x00"), canary...),
		"zstd":                  append([]byte("\x28\xb5\x2f\xfd"), strings.Repeat(canary, 9)...),
		"pcapng, damaged":       []byte(section + iface + strings.Repeat(canary, 9)),
		"pcapng, damaged block": []byte(section + iface + block(6, canary)),
		"pcapng, bad option": []byte(section + block(1, le16(101)+le16(0)+le32(0)+option(9, canary)) +
			block(6, strings.Repeat(canary, 4))),
	}
}

func TestCanary_IsInNoErrorText(t *testing.T) {
	for what, data := range brokenInputs(t) {
		canaryReplay(t, what, data, statusFailed)
	}
	for what, url := range map[string]string{
		"server away": "postgres://u:" + canary + "@127.0.0.1:1/x",
		"bad port":    "postgres://u:" + canary + "@127.0.0.1:port/x",
		"bad URL":     "postgres://u:" + canary + "@[::1/x",
		"keywords":    "host=127.0.0.1 port=1 password=" + canary + " sslmode=nonsense",
	} {
		t.Setenv("DATABASE_URL", url)
		for _, args := range [][]string{{"replay", "--db", url, "-"}, {"replay", "-"}, {"db", "status"}} {
			var out, diag bytes.Buffer
			want := statusFailed
			if slices.Contains(args, url) {
				want = statusUsage
			}
			if status := run(t.Context(), args, bytes.NewReader(canaryCapture(t)), &out, &diag); status != want {
				t.Errorf("%s: status %d", what, status)
			}
			checkClean(t, what, append(out.Bytes(), diag.Bytes()...), canary, pigeon)
		}
	}
}

// TestCanary_IsInNoFileOfTheDatabase loads the sessions into a private cluster, and broken captures too, and looks
// through every row and every file that tap25 and the server leave, write-ahead log and server's log included.
func TestCanary_IsInNoFileOfTheDatabase(t *testing.T) {
	state := stateHome(t)
	tap25 := func(want int, stdin io.Reader, args ...string) string {
		t.Helper()
		var out, diag bytes.Buffer
		if status := run(t.Context(), args, stdin, &out, &diag); status != want {
			t.Fatalf("%s: status %d: %s", args[0], status, diag.String())
		}
		checkClean(t, args[0]+": standard error", diag.Bytes(), canary, pigeon)
		checkClean(t, args[0]+": standard output", out.Bytes(), canary)
		return out.String() + diag.String()
	}
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	tap25(statusDone, nil, "db", "up")
	checkSums(t, tap25(statusDone, bytes.NewReader(canaryCapture(t)), "replay", "-"))
	for _, data := range brokenInputs(t) {
		tap25(statusFailed, bytes.NewReader(data), "replay", "-")
	}
	tap25(statusDone, nil, "db", "status")
	for _, query := range []string{"select * from mail", "select * from tap25_internal.envelopes", "checkpoint"} {
		if out := tap25(statusDone, nil, "db", "psql", "--", "-XAtc", query); query != "checkpoint" &&
			strings.Count(out, pigeon) < 9 {
			t.Errorf("%s: %d senders and recipients", query, strings.Count(out, pigeon))
		}
	}
	tap25(statusDone, nil, "db", "down")
	files, control := 0, 0
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		checkClean(t, d.Name(), data, canary)
		if strings.Contains(d.Name(), "log") {
			checkClean(t, d.Name(), data, pigeon)
		} else if bytes.Contains(data, []byte(pigeon)) {
			control++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || control < 2 {
		t.Errorf("%d files, the sender in %d of them: it must be in a table and in the write-ahead log", files, control)
	}
}
