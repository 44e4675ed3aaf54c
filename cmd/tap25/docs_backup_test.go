package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store"
	"tap25/store/cluster"
	"tap25/store/storetest"
)

// pageRunner runs blocks of docs/operating.md on a cluster of the test's own, in place of the service's.
type pageRunner struct {
	t       *testing.T
	replace *strings.Replacer
	blocks  map[string]string
}

// newRunner replaces the names that the page uses for the service's state directory, its user, a place for backups, a
// moment to go back to, and another server.
func newRunner(t *testing.T, other string) (r *pageRunner, backup string) {
	t.Helper()
	for _, tool := range []string{"pg_dump", "pg_restore", "pg_dumpall", "pg_basebackup", "pg_receivewal"} {
		if _, err := exec.LookPath(tool); err != nil {
			storetest.Need(t, err)
		}
	}
	state, err := cluster.StateDir()
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.New(state)
	if err != nil {
		t.Fatal(err)
	}
	_, owner := storetest.Address(t, c)
	as := ""
	uid, gid := c.Owner()
	if os.Geteuid() == 0 {
		as = fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups ", uid, gid)
	}
	backup = filepath.Join(storetest.Dir(t), "backup")
	r = &pageRunner{t: t, blocks: map[string]string{}, replace: strings.NewReplacer("sudo -u tap25 ", as, "sudo ", "",
		"-o tap25 -g tap25", fmt.Sprintf("-o %d -g %d", uid, gid), "-U tap25", "-U "+owner, "/var/lib/tap25", state,
		"/backup", backup, "postgres://mail@db.example/mail", other)}
	for _, b := range blocks(t, "docs/operating.md") {
		if b.word != "" {
			r.blocks[b.word] = r.replace.Replace(b.text)
		}
	}
	return r, backup
}

// run runs a block in a process group, which is killed at the test's end, as far as it goes on.
func (r *pageRunner) run(word string, replace ...string) {
	r.t.Helper()
	text, ok := r.blocks[word]
	if !ok {
		r.t.Fatalf("the page has no block %s", word)
	}
	out, err := os.Create(filepath.Join(r.t.TempDir(), word)) // not a pipe, which what goes on would keep open
	if err != nil {
		r.t.Fatal(err)
	}
	defer out.Close()
	shell := exec.Command("sh", "-ec", strings.NewReplacer(replace...).Replace(text))
	shell.Dir, shell.Stdout, shell.Stderr = "/", out, out
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = shell.Run()
	r.t.Cleanup(func() { syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) })
	if err != nil {
		said, _ := os.ReadFile(out.Name())
		r.t.Fatalf("%s: %v\n%s", word, err, said)
	}
}

// contents returns a digest of each table.
func contents(t *testing.T, dsn string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var text string
	err = conn.QueryRow(t.Context(), `select string_agg(line, E'\n' order by line) from (
		select c.oid::regclass || ' ' || (xpath('/row/h/text()', query_to_xml(format(
			'select count(*) || md5(string_agg(t::text, E''\n'' order by t::text)) as h from %s t', c.oid::regclass), false, true, '')))[1]::text as line
		from pg_class c where c.relnamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) and c.relkind = 'r') lines`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// recorded is a private cluster with rows, a hold, a retention, an access and an auditor.
func recorded(t *testing.T) *store.Database {
	t.Helper()
	demoDatabase(t)
	asked(t, "hold", "add", "marta@orchard.example", "--reason", "first")
	asked(t, "db", "psql", "--", "-qXAt", "-c", "select set_retention('2 years')",
		"-c", "create role paula login in role tap25_auditor")
	d, err := store.NewDatabase(store.Local)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocs_DumpIsRestored(t *testing.T) {
	d := recorded(t)
	r, _ := newRunner(t, "")
	want := contents(t, d.DSN)
	r.run("dump")
	asked(t, "db", "down")
	if err := os.RemoveAll(d.Cluster.DataDir()); err != nil {
		t.Fatal(err)
	}
	r.run("restore")
	asked(t, "db", "up")
	if got := contents(t, d.DSN); got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got, want)
	}
	if got := asked(t, "db", "psql", "--", "-XAtc", "select pg_has_role('paula', 'tap25_auditor', 'member'), "+
		"has_database_privilege('paula', current_database(), 'connect')"); got != "t|t\n" {
		t.Errorf("the auditor: %s", got)
	}
	asked(t, "hold", "add", "harbor.example", "--reason", "next")
	if got := asked(t, "db", "psql", "--", "-XAtc", "select string_agg(id::text, ' ' order by id) from holds"); got != "1 2\n" {
		t.Errorf("holds: %s", got)
	}
}

func TestDocs_BaseBackupGoesBackToAMoment(t *testing.T) {
	d := recorded(t)
	r, backup := newRunner(t, "")
	if err := os.Mkdir(backup, 0o700); err != nil {
		t.Fatal(err)
	}
	if uid, gid := d.Cluster.Owner(); os.Geteuid() == 0 {
		if err := os.Chown(backup, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	r.run("base")
	asked(t, "hold", "add", "harbor.example", "--reason", "second")
	want := contents(t, d.DSN)
	conn, err := pgx.Connect(t.Context(), d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var moment time.Time
	if err := conn.QueryRow(t.Context(), "select clock_timestamp()").Scan(&moment); err != nil {
		t.Fatal(err)
	}
	asked(t, "hold", "add", "192.0.2.7", "--reason", "third")
	for receives, deadline := false, time.Now().Add(time.Minute); !receives; time.Sleep(10 * time.Millisecond) {
		err := conn.QueryRow(t.Context(), "select exists (select from pg_stat_replication where state = 'streaming' "+
			"and application_name = 'pg_receivewal')").Scan(&receives)
		if err != nil || time.Now().After(deadline) {
			t.Fatal("the changes are not received: ", err)
		}
	}
	// a server that stops waits for it to have all
	asked(t, "db", "down")
	r.run("point", "2026-11-28 12:00:00+00", moment.UTC().Format("2006-01-02 15:04:05.999999+00"))
	await := time.Now().Add(time.Minute)
	for contents(t, d.DSN) != want && time.Now().Before(await) { // it answers questions before it has come to the moment
		time.Sleep(10 * time.Millisecond)
	}
	if got := contents(t, d.DSN); got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got, want)
	}
}

// TestDocs_ClusterMovesToAServer has a second cluster for a server of somebody else's, which lets every role in.
func TestDocs_ClusterMovesToAServer(t *testing.T) {
	server := storetest.NewCluster(t)
	if err := server.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Release(context.Background()); server.Down() })
	hba := filepath.Join(server.DataDir(), "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("local all all trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	sql := func(text string) {
		t.Helper()
		for statement := range strings.Lines(text) {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	sql("select pg_reload_conf()")

	d := recorded(t)
	host, _ := storetest.Address(t, server)
	moved := func(user string) string { return "postgres://" + user + "@/mail?host=" + host }
	r, backup := newRunner(t, moved("mail"))
	uid, gid := d.Cluster.Owner()
	if err := errors.Join(os.Mkdir(backup, 0o700), os.Chown(backup, uid, gid)); err != nil {
		t.Fatal(err)
	}
	want := contents(t, d.DSN)
	sql(r.blocks["moving"])
	r.run("move")
	if got := contents(t, moved("mail")); got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got, want)
	}
	sql(r.blocks["moved"])
	again := asked(t, "db", "psql", "--db", moved("paula"), "--", "-XAtc", "select session_user")
	if again != "paula\n" {
		t.Errorf("the auditor is %s", again)
	}
	sql("create role stranger login")
	if _, err := pgx.Connect(t.Context(), moved("stranger")); err == nil {
		t.Error("a role without rights connects")
	}
	// The tap's login has the name of the rows that came along, and what was loaded is not loaded again.
	asked(t, "replay", "--db", moved("tap1"), "--sensor", "demo", filepath.Join("..", "..", "testdata", "demo.pcap.gz"))
	if rows := asked(t, "db", "psql", "--db", moved("mail"), "--", "-XAtc", "select count(*), (select login from sensors) "+
		"from mail"); rows != "764|tap1\n" {
		t.Errorf("after a repetition: %s", rows)
	}
}
