package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tap25/store"
	"tap25/store/evidence"
)

// TestVerify_FromReplayToFinding replays the demo's capture, verifies it with the key and a witness, changes a row and
// looks for it, and lets a day expire.
func TestVerify_FromReplayToFinding(t *testing.T) {
	state := filepath.Join(stateHome(t), "tap25")
	var log string
	tap25 := func(want int, stdin string, args ...string) (out, diag string) {
		t.Helper()
		var o, d bytes.Buffer
		if status := run(t.Context(), args, strings.NewReader(stdin), &o, &d); status != want {
			t.Fatalf("%s: status %d, want %d: %s%s", args, status, want, d.String(), o.String())
		}
		return o.String(), d.String()
	}
	tap25(statusDone, "", "db", "up")
	t.Cleanup(func() { tap25(statusDone, "", "db", "down") })
	witness, key := filepath.Join(state, "witness"), filepath.Join(state, evidence.KeyFile)
	_, log = tap25(statusDone, "", "replay", "--sensor", "tap", "--witness", witness,
		filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
	public, err := evidence.LoadPublicKey(key)
	if err != nil || !strings.Contains(log, evidence.Fingerprint(public).String()) {
		t.Fatalf("the log does not name the key: %v", err)
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	out, _ := tap25(statusDone, log, "verify", "--key", key, "--witness", witness, "--witness", "-")
	for _, want := range []string{"sensor tap: 2 links", "(known)",
		"as they were signed: 764 rows in 3 days looked at, 0 rows that legal holds keep, and 3 coverage records",
		"witnesses that agree: 1"} {
		if !strings.Contains(out, want) {
			t.Errorf("verify does not say %q:\n%s", want, out)
		}
	}
	tap25(statusUsage, "", "verify", "--from", "yesterday")
	for _, mistaken := range [][]string{{"postgres://paula@db/x"}, {"host=db user=paula"}, {"--db", state}} {
		_, diag := tap25(statusUsage, "", append([]string{"verify"}, mistaken...)...)
		if !strings.Contains(diag, "directory") {
			t.Errorf("verify %q: %s", mistaken, diag)
		}
	}
	tap25(statusFailed, "no line of evidence", "verify", "--witness", "-")
	other := filepath.Join(state, "other.key")
	if _, _, err := evidence.OpenKey(other); err != nil {
		t.Fatal(err)
	}
	if out, _ := tap25(statusFailed, "", "verify", "--key", other); !strings.Contains(out, "none of the given ones") {
		t.Errorf("the key is another:\n%s", out)
	}
	tap25(statusDone, "", "db", "psql", "--", "-Xqc", "update tap25_internal.envelopes set rcpt_to = 'x@x.example' "+
		"where ctid = (select min(ctid) from tap25_internal.envelopes_20261122) and seen_at >= '2026-11-22' and "+
		"seen_at < '2026-11-23'")
	out, diag := tap25(statusFailed, "", "verify", "--json", "--key", key)
	var report store.VerifyReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 2 || report.Findings[0].Day != "2026-11-22" || report.Findings[0].Sensor != "tap" ||
		!strings.HasPrefix(report.Findings[0].Segment, "replay-") || strings.Contains(out+diag, "x.example") {
		t.Errorf("%+v\n%s", report.Findings, diag)
	}
	tap25(statusDone, "", "verify", "--from", "2026-11-23") // that day was not changed
	tap25(statusDone, "", "db", "expire", "--retention", "1d", "--change-retention")
	if out, _ := tap25(statusDone, "", "verify", "--key", key); !strings.Contains(out, "destruction certificates: 3") {
		t.Errorf("after expiry:\n%s", out)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, diag := tap25(statusFailed, "", "db", "expire"); !strings.Contains(diag, "others than its owner") {
		t.Errorf("a key that others may read: %s", diag)
	}
}
