package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tap25/store/cluster"
	"tap25/store/storetest"
)

// TestReplay_IntoTheLocalClusterOnce loads the demo capture twice and asks the view mail with psql.
func TestReplay_IntoTheLocalClusterOnce(t *testing.T) {
	storetest.StateHome(t)
	demo := filepath.Join("..", "..", "testdata", "demo.pcap.gz")
	tap25 := func(want int, args ...string) (out, diag string) {
		t.Helper()
		var o, d bytes.Buffer
		if status := run(t.Context(), args, nil, &o, &d); status != want {
			t.Fatalf("%s: status %d: %s", args[0], status, d.String())
		}
		if args[0] == "replay" && want == statusDone {
			checkSums(t, d.String())
		}
		return o.String(), d.String()
	}
	if _, diag := tap25(statusDone, "replay", "--sensor", "tap", demo); !strings.Contains(diag, "764 rows added\n") {
		t.Errorf("first replay: %s", diag)
	}
	if _, diag := tap25(statusDone, "replay", "--sensor", "tap", demo); !strings.Contains(diag, "repeated  764 rows") ||
		!strings.Contains(diag, "database  0 rows added\n") ||
		!strings.Contains(diag, "1 of these files were loaded before") {
		t.Errorf("second replay: %s", diag)
	}
	rows, _ := tap25(statusDone, "replay", "--json", "--sensor", "tap", demo)
	same, _ := tap25(statusDone, "db", "psql", "--", "-XAtc",
		`select session_id, mail_no, mail_from, rcpt_to, outcome, coalesce(data_code, 0), coalesce(message_bytes, -1) from mail order by 1, 2, 4, 5`)
	want := map[string]int{}
	for _, r := range jsonLines(t, []byte(rows)) {
		want[key(r)]++
	}
	for line := range strings.Lines(same) {
		f := strings.Split(strings.TrimSpace(line), "|")
		want[strings.Join(f[:5], "|")]--
	}
	for k, n := range want {
		if n != 0 {
			t.Errorf("%+d of a row that JSON and mail do not share (%d octets of key)", n, len(k))
		}
	}
	tap25(statusUsage, "replay", "--json", "--db", "local", demo)
}

func key(r map[string]any) string {
	text := func(k string) string {
		if s, ok := r[k].(string); ok {
			return s
		}
		return ""
	}
	no := strings.TrimSuffix(strings.TrimSpace(string(mustJSON(r["mail_no"]))), ".0")
	return strings.Join([]string{text("session_id"), no, text("mail_from"), text("rcpt_to"), text("outcome")}, "|")
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestDB_ServerMayUseAQuarterOfWhatTheMachineHas(t *testing.T) {
	left := cluster.AvailableMemory()
	conn, _ := server(t)
	share := max(min(left/4, 1<<30), 128<<20)
	if buffers := sharedBuffers(t, conn); buffers < share*3/4 || buffers > share*5/4 { // what is left changes
		t.Errorf("%d MiB left, shared_buffers %d", left>>20, buffers>>20)
	}
}

// sharedBuffers is the setting of a server, in bytes.
func sharedBuffers(t *testing.T, conn *pgx.Conn) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select setting::bigint * current_setting('block_size')::int from "+
		"pg_settings where name = 'shared_buffers'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDBPack_ReportsEveryDay packs the days of the demo, one of which got its rows long ago.
func TestDBPack_ReportsEveryDay(t *testing.T) {
	loginsDatabase(t)
	const idle = "it has no unpacked rows, is not over, got rows in the last ten minutes, or was restored from a " +
		"dump\n"
	days := []string{"db", "pack", "2020-01-01", "2026-11-21", "2026-11-22"}
	if out, want := asked(t, days...), "skipped 2020-01-01: "+idle+"skipped 2026-11-21: "+idle+"skipped 2026-11-22: "+
		idle; out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
	asked(t, "db", "psql", "--", "-c",
		"update tap25_internal.days set loaded_at = loaded_at - interval '1 hour' where day = '2026-11-21'")
	out := asked(t, days...)
	packed := regexp.MustCompile(`^packed 2026-11-21: 273 rows, [0-9.]+ KiB to [0-9.]+ KiB, in [0-9.]+ m?s\nskipped 2020.*\n` +
		`skipped 2026-11-22: .*\n$`)
	if !packed.MatchString(out) {
		t.Error(out)
	}
	if out := asked(t, "db", "pack", "--older-than", "9y"); !strings.HasPrefix(out, "no day to pack: ") {
		t.Error(out)
	}
}
