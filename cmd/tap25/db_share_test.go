package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tap25/capture/capturetest"
	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/storetest"
)

// asGames runs a command line of this program as the user games, whom every Debian has, with a group.
func asGames(t *testing.T, group uint32, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(storetest.Dir(t), "tap25") // where that user may run it
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "XDG_STATE_HOME=/nowhere"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 5, Gid: group}}
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// TestDB_AuditorsReachTheSharedCluster has a user of the operating system connect by the command that db up prints.
func TestDB_AuditorsReachTheSharedCluster(t *testing.T) {
	if os.Geteuid() != 0 {
		capturetest.Missing(t, "root", "only root can connect as another user")
	}
	conn, c := server(t)
	dir := filepath.Join(storetest.Dir(t), "auditors")
	share := []string{"db", "up", "--share", dir, "--share-group", "games"}
	if out := asked(t, share...); !strings.Contains(out, "from its next start on: tap25 db down && tap25 db up") {
		t.Errorf("of a server that runs: %s", out)
	}
	if _, err := conn.Exec(t.Context(), "create role games login in role tap25_auditor"); err != nil {
		t.Fatal(err)
	}
	asked(t, "db", "down")
	out := asked(t, "db", "up")
	url := regexp.MustCompile(`tap25 db psql --db '(.*)'`).FindStringSubmatch(out)
	if url == nil {
		t.Fatalf("no command in %s", out)
	}
	ask := []string{"db", "psql", "--db", url[1], "--", "-XAtc", "select session_user, open_case('none', 'a test')",
		"-c", "select case_mail('none')"}
	const games, nogroup = 60, 65534
	if got := asGames(t, games, ask...); !strings.Contains(got, "games|f\n") || !strings.Contains(got, "the case is not open") ||
		strings.Contains(got, "CONTEXT") {
		t.Errorf("it answers %s", got)
	}
	// An auditor has no right to the rest, nor a private cluster, which would take a hold and keep nothing.
	if got := asGames(t, games, "db", "status", "--db", url[1]); !strings.Contains(got, "not shown") ||
		!strings.Contains(got, "which only an administrator may see") || strings.Contains(got, "tap25_internal") {
		t.Errorf("status: %s", got)
	}
	if got := asGames(t, games, "hold", "ls", "--db", url[1]); !strings.Contains(got, "my_cases lists their cases") ||
		strings.Contains(got, "SQLSTATE") {
		t.Errorf("hold ls: %s", got)
	}
	if got := asGames(t, games, "hold", "add", "a@b.example", "--reason", "r"); !strings.Contains(got,
		"there is no private cluster in /nowhere/tap25/data: name the database with --db URL") {
		t.Errorf("hold: %s", got)
	}
	if got := asGames(t, nogroup, ask...); !strings.Contains(got, "check with 'id' that this session has the group") {
		t.Errorf("without the group: %s", got)
	}
	lines := "select action || ' ' || coalesce(case_id, 'no case') from accesses order by id"
	if got := asked(t, "db", "psql", "--", "-XAtc", lines); got != "refused none\nopened as owner no case\n" {
		t.Errorf("accesses: %s", got)
	}
	asked(t, "db", "up", "--share", "none")
	if dir, err := c.Shared(); dir != "" || err != nil {
		t.Errorf("shared: %q, %v", dir, err)
	}
}

// TestDB_WhoOpensThePrivateClusterIsOnRecord asks the table, and the server's log.
func TestDB_WhoOpensThePrivateClusterIsOnRecord(t *testing.T) {
	server(t)
	want, err := os.ReadFile("/proc/self/loginuid")
	if err != nil {
		t.Fatal(err)
	}
	uid := exec.Command("id", "-un")
	name, err := uid.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := asked(t, "db", "psql", "--", "-XAtc", "select action, os_user, os_login is null, case_id is null, "+
		"auditor = current_user, at <= now() from accesses")
	unknown := map[bool]string{true: "t", false: "f"}[string(want) == "4294967295"]
	if line := "opened as owner|" + strings.TrimSpace(string(name)) + " (uid "; !strings.HasPrefix(got, line) ||
		!strings.HasSuffix(got, ")|"+unknown+"|t|t|t\n") {
		t.Errorf("accesses: %s", got)
	}
	dir, err := cluster.StateDir()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "postgresql.log"))
	if err != nil || !strings.Contains(string(log), "tap25: access 1: opened as owner by user ") ||
		!strings.Contains(string(log), "application_name=psql") {
		t.Errorf("the log lacks it: %v", err)
	}
	for _, sql := range []string{"delete from accesses", "update accesses set os_user = ''"} {
		if out := asked(t, "db", "psql", "--", "-XAt", "-c", "\\set ON_ERROR_STOP 0", "-c", sql,
			"-c", "select 'after'"); !strings.Contains(out, "after") {
			t.Errorf("%s: %s", sql, out)
		}
	}
	if n := asked(t, "db", "psql", "--", "-XAtc", "select count(*) from accesses where os_user <> ''"); n != "4\n" {
		t.Errorf("%s lines", n)
	}
}

// TestSniff_StartsTheSharedClusterAnewWithoutRights kills the server of a tap that has given up its rights.
func TestSniff_StartsTheSharedClusterAnewWithoutRights(t *testing.T) {
	w := newWire(t)
	storetest.StateHome(t)
	dir := filepath.Join(storetest.Dir(t), "auditors")
	d, err := store.NewDatabase(store.Local)
	if err == nil {
		err = d.Cluster.Share(t.Context(), dir, "games")
	}
	if err != nil {
		t.Fatal(err)
	}
	w.serve()
	s := w.sniff("--db", "local", "--retention", "never")
	await(t, "the first server", func() bool { return d.Cluster.Listens(dir) })
	var first int
	text, err := os.ReadFile(filepath.Join(d.Cluster.DataDir(), "postmaster.pid"))
	if _, scan := fmt.Sscan(string(text), &first); errors.Join(err, scan) != nil {
		t.Fatal(err, scan)
	}
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := w.send("192.0.2.25:25", "one", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "another server", func() bool {
		text, _ := os.ReadFile(filepath.Join(d.Cluster.DataDir(), "postmaster.pid"))
		return !strings.HasPrefix(string(text), fmt.Sprint(first, "\n")) && d.Cluster.Listens(dir)
	})
	s.end(syscall.SIGTERM)
}
