package cluster_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"tap25/store/cluster"
	"tap25/store/storetest"
)

// group is one of those that every Debian has. Its user has the same name.
const group = "games"

// sharedCluster is a cluster of the test's own that runs and is shared, and the directory.
func sharedCluster(t *testing.T) (*cluster.Cluster, string) {
	t.Helper()
	c := storetest.NewCluster(t)
	dir := filepath.Join(filepath.Dir(c.StateDir()), "share")
	if err := errors.Join(c.Share(t.Context(), dir, group), c.Up(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release(context.Background()); c.Down() })
	return c, dir
}

func execute(t *testing.T, c *cluster.Cluster, sql string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		return string(last.Rows[0][0])
	}
	return ""
}

// ask has a user of the operating system, who is in the group if member, run psql.
func ask(t *testing.T, login string, member bool, args ...string) (out string, err error) {
	t.Helper()
	u, err := user.Lookup(login)
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) uint32 {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	who := &syscall.Credential{Uid: number(u.Uid), Gid: number(u.Gid)}
	if member {
		who.Groups = []uint32{number(g.Gid)}
	}
	psql := exec.Command("psql", append([]string{"-XAt", "-c", "select session_user"}, args...)...)
	psql.Dir, psql.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
	psql.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	text, err := psql.CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

// roles are those of the schema, with a login for each of some users that every Debian has.
const roles = `create role tap25_sensor; create role tap25_auditor; create role tap25_approver; create role tap25_admin;
	create role clerks in role tap25_auditor;
	create role games login in role clerks; create role news login in role tap25_approver;
	create role man login in role tap25_admin; create role mail login in role tap25_sensor;
	create role uucp login in role tap25_sensor, tap25_admin; create role "www-data" login; create role proxy superuser login`

func TestShare_UsersConnectAsTheRoleOfTheirNameOrNotAtAll(t *testing.T) {
	needRoot(t)
	c, dir := sharedCluster(t)
	execute(t, c, roles)
	_, owner := storetest.Address(t, c)
	for _, login := range []string{"games", "news", "man"} {
		if out, err := ask(t, login, true, "-h", dir, "postgres"); err != nil || out != login {
			t.Errorf("%s: %v: %s", login, err, out)
		}
	}
	for name, c := range map[string]struct {
		login, says string
		member      bool
		args        []string
	}{
		"a sensor":                    {"mail", "no pg_hba.conf entry|pg_hba.conf rejects", true, nil},
		"a sensor that is more":       {"uucp", "pg_hba.conf rejects", true, nil},
		"a role without tap25's":      {"www-data", "no pg_hba.conf entry", true, nil},
		"a superuser without tap25's": {"proxy", "no pg_hba.conf entry", true, nil},
		"a user without a role":       {"daemon", "no pg_hba.conf entry", true, nil},
		"as the owner":                {"games", "Peer authentication failed", true, []string{"-U", owner}},
		"as another":                  {"games", "Peer authentication failed", true, []string{"-U", "news"}},
		"another database":            {"games", "no pg_hba.conf entry", true, []string{"-d", "template1"}},
		"replication":                 {"games", "no pg_hba.conf entry", true, []string{"-d", "replication=true"}},
		"no member of the group":      {"news", "Permission denied", false, nil},
	} {
		out, err := ask(t, c.login, c.member, append([]string{"-h", dir, "-d", "postgres"}, c.args...)...)
		said := false
		for want := range strings.SplitSeq(c.says, "|") {
			said = said || strings.Contains(out, want)
		}
		if err == nil || !said {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	if out, err := ask(t, "games", true, "-h", c.SocketDir(), "postgres"); err == nil {
		t.Errorf("the owner's socket: %s", out)
	}
	if log, _ := os.ReadFile(c.LogFile()); !strings.Contains(string(log), `connection authenticated: identity="games"`) ||
		!strings.Contains(string(log), `connection authenticated: identity="root"`) ||
		!strings.Contains(string(log), "disconnection: session time") {
		t.Error("the log lacks who connected, or when they left")
	}
	if to := execute(t, c, "show log_destination"); to != "stderr,syslog" {
		t.Errorf("the log goes to %s", to)
	}
}

func TestShare_EveryStartHasItUntilItEnds(t *testing.T) {
	needRoot(t)
	c, dir := sharedCluster(t)
	socket := filepath.Join(dir, ".s.PGSQL.5432")
	for _, path := range []string{dir, socket} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		owner := st.Sys().(*syscall.Stat_t)
		uid, _ := c.Owner()
		if g, err := user.LookupGroup(group); err != nil || int(owner.Uid) != uid || strconv.Itoa(int(owner.Gid)) != g.Gid {
			t.Errorf("%s is of %d:%d", filepath.Base(path), owner.Uid, owner.Gid)
		}
		if want := map[string]os.FileMode{dir: 0o750, socket: 0o770}[path]; st.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(path), st.Mode().Perm(), want)
		}
	}
	if !c.Listens(dir) {
		t.Error("the server does not listen there")
	}
	again := func(want bool) {
		t.Helper()
		c, err := cluster.New(c.StateDir()) // another tap25
		if err == nil {
			err = c.Use(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Listens(dir) != want {
			t.Errorf("it listens: %v, want %v", !want, want)
		}
		if err := c.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket after the server's end: %v", err)
		}
	}
	if err := errors.Join(c.Release(t.Context()), c.Down()); err != nil {
		t.Fatal(err)
	}
	again(true)
	if err := c.Unshare(t.Context()); err != nil {
		t.Fatal(err)
	}
	again(false)
}

func TestShare_ServerStartsWithoutADirectoryThatChanged(t *testing.T) {
	needRoot(t)
	c := storetest.NewCluster(t)
	dir := filepath.Join(filepath.Dir(c.StateDir()), "share")
	if err := c.Share(t.Context(), dir, group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	var reason error
	c.Unshared = func(err error) { reason = err }
	if err := c.Use(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Listens(dir) || reason == nil || !strings.Contains(reason.Error(), "mode 2750") {
		t.Errorf("it listens: %v; it says: %v", c.Listens(dir), reason)
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// The state directory belongs to the server's user, and an error of root shows what the stored name is.
func TestShare_FollowsNoLinkOutOfTheStateDirectory(t *testing.T) {
	c := storetest.NewCluster(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := os.MkdirAll(c.StateDir(), 0o700)
	if err == nil {
		err = os.Symlink(secret, filepath.Join(c.StateDir(), "share"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := c.Shared(); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%q: %v", dir, err)
	}
}

func TestShare_RefusesDirectoriesThatOthersControl(t *testing.T) {
	needRoot(t)
	c := storetest.NewCluster(t)
	base := filepath.Dir(c.StateDir())
	mkdir := func(name string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(base, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, closed, full := mkdir("open", 0o777), mkdir("closed", 0o700), mkdir("full", 0o755)
	link := filepath.Join(base, "link")
	if err := errors.Join(os.Symlink(open, link), os.WriteFile(filepath.Join(full, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for dir, says := range map[string]string{
		open + "/share":                      "replace what is in it",
		closed + "/share":                    "cannot enter",
		full:                                 "not empty",
		link:                                 "symbolic link",
		link + "/share":                      "symbolic link",
		full + "/file/share":                 "no directory",
		base + "/none/share":                 "no such file",
		base + "/" + strings.Repeat("x", 90): "too long",
		base + "/a,b":                        "comma",
		base + "/a b":                        "blank",
		"share":                              "absolute",
		base + "/../share":                   "absolute",
		c.StateDir():                         "not empty",
		c.StateDir() + "/share":              "cannot enter",
	} {
		err := c.Share(t.Context(), dir, group)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", strings.TrimPrefix(dir, base), err)
		}
	}
	if err := c.Share(t.Context(), base+"/share", "no-such-group"); err == nil {
		t.Error("a group that does not exist is taken")
	}
	if dir, err := c.Shared(); dir != "" || err != nil {
		t.Errorf("stored: %q, %v", dir, err)
	}
	if st, err := os.Stat(c.StateDir()); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the state directory is %v, %v", st.Mode(), err)
	}
}

// TestCluster_OlderClustersGetTheNewAccess has a server that runs with what older tap25 wrote.
func TestCluster_OlderClustersGetTheNewAccess(t *testing.T) {
	c := storetest.NewCluster(t)
	if err := c.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release(context.Background()); c.Down() })
	hba := filepath.Join(c.DataDir(), "pg_hba.conf")
	want, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, []byte("local all all peer map=tap25\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := "select count(*) from pg_hba_file_rules"
	loaded := "select pg_conf_load_time()"
	if n := execute(t, c, rules); n != "1" {
		t.Fatalf("%s rules", n)
	}
	before := execute(t, c, loaded)
	second, _ := cluster.New(c.StateDir())
	if err := errors.Join(second.Use(t.Context()), second.Release(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(hba); err != nil || string(got) != string(want) {
		t.Errorf("%v: %s", err, got)
	}
	await(t, func() bool { return execute(t, c, loaded) != before })
	if n := execute(t, c, "select count(*) from pg_hba_file_rules where error is not null"); n != "0" {
		t.Errorf("%s lines are wrong", n)
	}
}
