package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// askAs runs statements as a user, each in a transaction of its own.
func askAs(t *testing.T, conn *pgx.Conn, user string, statements ...string) {
	t.Helper()
	for _, sql := range append(append([]string{"set session authorization " + user}, statements...),
		"reset session authorization") {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %s: %v", user, sql, err)
		}
	}
}

// demoCase has the rows of the demo in the private cluster, and a case that paula has opened. It returns how she
// connects.
func demoCase(t *testing.T) (dsn string) {
	t.Helper()
	conn, cluster := server(t)
	if status := run(t.Context(), []string{"replay", "--sensor", "demo",
		filepath.Join("..", "..", "testdata", "demo.pcap.gz")}, nil, io.Discard, io.Discard); status != statusDone {
		t.Fatalf("status %d", status)
	}
	mayLogIn(t, conn, "paula", "trust", "in role tap25_auditor")
	askAs(t, conn, "postgres", "create role adam login in role tap25_admin",
		"create role anna login in role tap25_approver")
	askAs(t, conn, "adam", "select tap25.apply_for_warrant('2026-17', 'order of 12 May', '{paula}', "+
		"'{marta@orchard.example}', '2026-11-01', '2026-12-01', '2099-01-01')")
	askAs(t, conn, "anna", "select tap25.approve_warrant(1, 'order read')")
	askAs(t, conn, "paula", "select tap25.open_case('2026-17', 'complaint of 3 June')")
	host, _, _ := strings.Cut(strings.TrimPrefix(cluster.DSN(), "host="), " ")
	return "host=" + host + " user=paula dbname=postgres"
}

// TestDisclose_OpensOnAMachineThatHasOnlyTheBinary discloses the demo as an auditor, and verifies a copy in a root
// directory with nothing but the static binary: no network, no environment, no time zones.
func TestDisclose_OpensOnAMachineThatHasOnlyTheBinary(t *testing.T) {
	unshare := requireTool(t, "unshare", "root")
	if os.Getuid() != 0 {
		requireTool(t, "root", "root")
	}
	dsn := demoCase(t)
	machine := openDir(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(machine, "tap25"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out := filepath.Join(t.TempDir(), "2026-17")
	disclose := exec.CommandContext(t.Context(), filepath.Join(machine, "tap25"), "disclose", "--case", "2026-17",
		"--out", out, "--timezone", "Europe/Brussels", "--db", dsn)
	printed, err := disclose.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	if err := os.CopyFS(filepath.Join(machine, "copy"), os.DirFS(out)); err != nil {
		t.Fatal(err)
	}
	verify := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), unshare, "--net", "--root="+machine, "/tap25", "verify", "/copy")
		cmd.Env = []string{}
		said, err := cmd.CombinedOutput()
		return string(said), err
	}
	said, err := verify()
	if err != nil || !strings.Contains(said, "nothing differs") || strings.Contains(said, "note:") {
		t.Errorf("%v: %s", err, said)
	}
	if strings.Contains(said, "no proof") || !strings.Contains(said, `proven by sensor "demo"`) {
		t.Errorf("rows are not proven: %s", said)
	}
	_, key, _ := strings.Cut(string(printed), "signed with the key ")
	key, _, _ = strings.Cut(key, "\n")
	if len(key) != 64 || !strings.Contains(said, key) {
		t.Errorf("disclose prints the key %q; verify: %s", key, said)
	}
	rows := filepath.Join(machine, "copy", "rows.csv")
	text, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rows, bytes.Replace(text, []byte("accepted"), []byte("deferred"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := verify(); err == nil || !strings.Contains(said, "rows.csv, row ") {
		t.Errorf("%v: %s", err, said)
	}
}

// TestDisclose_SaysWhatIsMissing makes the mistakes that people make.
func TestDisclose_SaysWhatIsMissing(t *testing.T) {
	dsn := demoCase(t)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	free := filepath.Join(t.TempDir(), "2026-17")
	for name, c := range map[string]struct {
		want string
		args []string
	}{
		"no case":               {"name the case", []string{"--out", free}},
		"no directory":          {"--out", []string{"--case", "2026-17"}},
		"a directory with more": {"not empty", []string{"--case", "2026-17", "--out", full}},
		"no such zone":          {"time zone", []string{"--case", "2026-17", "--out", free, "--timezone", "Mars/Base"}},
		"another's case":        {"the case is not open", []string{"--case", "2026-18", "--out", free}},
		"no such target": {"names this target", []string{"--case", "2026-17", "--out", free, "--target",
			"karim@harbor.example"}},
		"nowhere": {"no such file", []string{"--case", "2026-17", "--out", filepath.Join(free, "a", "b")}},
	} {
		var diag bytes.Buffer
		status := run(t.Context(), append([]string{"disclose", "--db", dsn}, c.args...), nil, io.Discard, &diag)
		if status == statusDone || !strings.Contains(diag.String(), c.want) {
			t.Errorf("%s: status %d: %s", name, status, diag.String())
		}
	}
	if _, err := os.Stat(free); err == nil {
		t.Error("a directory was made")
	}
}
