package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func scopeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scope.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// naivelyInScope compares the texts of a row's addresses with suffixes.
func naivelyInScope(row map[string]any, suffixes []string) bool {
	for _, column := range []string{"mail_from", "rcpt_to", "orcpt"} {
		address, _ := row[column].(string)
		_, domain, found := strings.Cut(strings.ToLower(address), "@")
		if found && slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix("."+domain, s) }) {
			return true
		}
	}
	return false
}

// TestScope_KeptAndDroppedAreAllRows replays captures without a scope and with one that leaves the other side's address
// alone: the rows are those that a comparison of texts picks, in the same order, and the others are counted.
func TestScope_KeptAndDroppedAreAllRows(t *testing.T) {
	replayed := func(args ...string) (lines [][]byte, diag string) {
		var out, stderr bytes.Buffer
		args = append([]string{"replay", "--json", "--sensor", "tap"}, args...)
		if status := run(t.Context(), args, nil, &out, &stderr); status != statusDone {
			t.Fatalf("status %d: %s", status, stderr.String())
		}
		checkSums(t, stderr.String())
		return slices.Collect(bytes.Lines(out.Bytes())), stderr.String()
	}
	captures, err := filepath.Glob("../../testdata/real/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	kept, dropped := 0, 0
	for _, capture := range append(captures, "../../testdata/demo.pcap.gz") {
		if strings.HasSuffix(capture, ".jsonl") {
			continue
		}
		all, _ := replayed(capture)
		rows := jsonLines(t, bytes.Join(all, nil))
		for _, suffixes := range [][]string{{".com"}, {".example", ".org"}, {".net"}, {".nowhere.test"}} {
			file := scopeFile(t, fmt.Sprintf("domains: [%[1]s]\nkeep_other_side: true\n", both(suffixes)))
			var want [][]byte
			for i, row := range rows {
				if naivelyInScope(row, suffixes) {
					want = append(want, all[i])
				}
			}
			got, diag := replayed("--scope", file, capture)
			if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
				t.Errorf("%s, %v: %d rows, want %d of %d", filepath.Base(capture), suffixes, len(got), len(want),
					len(all))
			}
			if n := summaryOf(diag)["outside"].total; int(n) != len(all)-len(want) {
				t.Errorf("%s, %v: %d rows counted as out of scope", filepath.Base(capture), suffixes, n)
			}
			kept, dropped = kept+len(want), dropped+len(all)-len(want)
		}
	}
	if kept < 10 || dropped < 10 {
		t.Errorf("%d rows kept and %d dropped: too few to tell", kept, dropped)
	}
}

// both lists suffixes, each with the domain itself.
func both(suffixes []string) string {
	var list []string
	for _, s := range suffixes {
		list = append(list, s, s[1:])
	}
	return strings.Join(list, ", ")
}

// scopedCapture holds sessions whose addresses are out of scope, and one mail in scope from and for an address that is
// not.
func scopedCapture(t *testing.T) []byte {
	segments := canarySegments(strings.Join([]string{"S: 220 mx.example ESMTP", "C: EHLO client.example",
		"S: 250 mx.example",
		"C: MAIL FROM:<{envelope}@out.example> ENVID={envelope}", "S: 250 ok",
		"C: RCPT TO:<in@b.be> ORCPT=rfc822;{envelope}@out.example", "S: 250 ok", "C: RCPT TO:<{envelope}@c.example>",
		"S: 250 ok",
		"C: DATA", "S: 354 go ahead", "C: Subject: x+", "C: .", "S: 250 ok"}, "\n"))
	var b bytes.Buffer
	f := newTraffic(t, &b)
	f.host(0, 40000).write(segments, all)
	for n, dialogue := range [...]string{canaryBody, canaryDialogues["starttls"]} {
		f.host(n+1, 40000).write(canarySegments(dialogue), all)
	}
	f.w.Flush()
	return b.Bytes()
}

// TestCanary_OutOfScopeIsInNoFile loads the sessions into a private cluster, and follows them while the database is
// away, and looks through every file that is left.
func TestCanary_OutOfScopeIsInNoFile(t *testing.T) {
	state := stateHome(t)
	file := scopeFile(t, "domains: [.be]\nencrypted: none\n")
	tap25 := func(stdin io.Reader, args ...string) string {
		t.Helper()
		var out, diag bytes.Buffer
		if status := run(t.Context(), args, stdin, &out, &diag); status != statusDone {
			t.Fatalf("%s: status %d: %s", args[0], status, diag.String())
		}
		checkClean(t, args[0], append(out.Bytes(), diag.Bytes()...), pigeon, canary)
		return out.String() + diag.String()
	}
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	capture := scopedCapture(t)
	if found(capture, pigeon) == "" {
		t.Fatal("no address out of scope in the capture")
	}
	tap25(nil, "db", "up")
	checkSums(t, tap25(bytes.NewReader(capture), "replay", "--scope", file, "-"))
	if out := tap25(nil, "db", "psql", "--", "-XAtc",
		"select mail_from, rcpt_to, orcpt, envid from mail"); out != "|in@b.be||\n" {
		t.Errorf("rows: %q", out)
	}
	tap25(nil, "db", "psql", "--", "-XAtc", "checkpoint")
	tap25(nil, "db", "down")
	files := 0
	err := filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		checkClean(t, d.Name(), data, pigeon)
		if bytes.Contains(data, []byte("in@b.be")) {
			files++
		}
		return err
	})
	if err != nil || files < 2 {
		t.Errorf("%v: the address in scope is in %d files: it must be in a table and in the write-ahead log", err,
			files)
	}
}

func TestCanary_OutOfScopeIsInNoFileOfTheSpool(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	captures, followed := t.TempDir(), t.TempDir()
	for _, name := range []string{"1.pcap", "2.pcap"} {
		if err := os.WriteFile(filepath.Join(captures, name), scopedCapture(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var diag bytes.Buffer
	follower := tap25(t, &diag, "replay", "--sensor", "tap", "--db", away, "--spool", followed, "--follow", captures,
		"--scope", scopeFile(t, "domains: [.be]\nencrypted: none\n"))
	await(t, "the follower's checkpoint", func() bool {
		found, _ := filepath.Glob(filepath.Join(followed, "follow.json"))
		return len(found) > 0
	})
	if err := follower.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = follower.Wait()
	checkClean(t, "the follower's log", diag.Bytes(), canary, pigeon)
	if n := checkFiles(t, followed); n != 0 {
		t.Errorf("an address out of scope is in %d files", n)
	}
	var dump bytes.Buffer
	run(t.Context(), []string{"spool", "dump", followed}, nil, &dump, io.Discard)
	if !strings.Contains(dump.String(), "in@b.be") {
		t.Errorf("the row in scope is not in the spool: %s", dump.String())
	}
}
