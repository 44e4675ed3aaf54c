package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tap25/store"
)

// secretWord is a password that nothing else contains.
const secretWord = "Zwiebelkuchen-2207"

// commandsWithDatabase are the commands that take --db.
func commandsWithDatabase(cmd *cobra.Command, path []string) (list [][]string) {
	if cmd.Flags().Lookup("db") != nil {
		list = append(list, path)
	}
	for _, c := range cmd.Commands() {
		list = append(list, commandsWithDatabase(c, append(path[:len(path):len(path)], c.Name()))...)
	}
	return list
}

// Each command refuses a password before it does anything, says what to do instead, and does not repeat it.
// TestInArguments has the forms.
func TestRun_PasswordInAnArgumentIsRefused(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("DATABASE_URL", nowhere)
	refused := func(args ...string) {
		t.Helper()
		var out, diag bytes.Buffer
		status := run(t.Context(), args, nil, &out, &diag)
		if said := out.String() + diag.String(); status != statusUsage || !strings.Contains(said, "change it") ||
			!strings.Contains(said, "~/.pgpass") || strings.Contains(said, secretWord[1:]) {
			t.Errorf("%q: status %d: %s", args, status, strings.ReplaceAll(said, secretWord, "(the password)"))
		}
	}
	commands := commandsWithDatabase(rootCommand(), nil)
	if len(commands) < 8 {
		t.Errorf("%d commands take --db", len(commands))
	}
	for _, path := range commands {
		refused(append(path, "--db", "postgres://u:"+secretWord+"@h/x")...)
		refused(append(path, "--db=postgresql://u:"+secretWord+"@h:5432,i/x?sslmode=require")...)
	}
	for _, dsn := range []string{"postgres://u:" + secretWord + "@h/x", "host=h password=" + secretWord,
		"password=" + secretWord} {
		refused("db", "psql", "--", "-d", dsn)
		refused("db", "psql", "--", "--dbname="+dsn)
		refused("db", "status", dsn) // where no connection belongs
		refused("replay", "--dbs="+dsn)
		refused(dsn)
	}
	var diag bytes.Buffer
	for _, args := range [][]string{{"replay", "--db", "postgres://u@127.0.0.1:1/x", "nofile"},
		{"hold", "add", "a@b", "--reason", "password=x", "--db", "postgres://u@127.0.0.1:1/x"},
		{"hold", "add", "a@b", "--reason=postgres://u:p@h", "--db", "postgres://u@127.0.0.1:1/x"}} {
		if status := run(t.Context(), args, nil, &diag, &diag); status != statusFailed {
			t.Errorf("%q: status %d: %s", args, status, diag.String())
		}
	}
}

// mayLogIn makes a login of the private cluster that is let in by a method.
func mayLogIn(t *testing.T, conn *pgx.Conn, name, method, options string) {
	t.Helper()
	path := filepath.Join(os.Getenv("XDG_STATE_HOME"), "tap25", "data", "pg_hba.conf")
	rules, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte("local all "+name+" "+method+"\n"), rules...), 0o600)
	}
	if err == nil {
		_, err = conn.Exec(t.Context(), "create role "+name+" login "+options+
			"; grant connect on database postgres to "+name+"; select pg_reload_conf()")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// withPassword is a private cluster that one user, pw, enters with secretWord; it returns the connection string
// without.
func withPassword(t *testing.T) (dsn string) {
	t.Helper()
	conn, cluster := server(t)
	mayLogIn(t, conn, "pw", "scram-sha-256", "password '"+secretWord+"'")
	host, _, _ := strings.Cut(strings.TrimPrefix(cluster.DSN(), "host="), " ")
	dsn = "host=" + host + " user=pw dbname=postgres"
	await(t, "the server to ask for a password", func() bool {
		var diag bytes.Buffer
		t.Setenv("DATABASE_URL", dsn+" password=wrong-"+secretWord)
		run(t.Context(), []string{"db", "status"}, nil, &diag, &diag)
		if strings.Contains(diag.String(), secretWord) {
			t.Fatal("the error of a wrong password repeats it")
		}
		return strings.Contains(diag.String(), "28P01")
	})
	return dsn
}

// psql logs in with what the connection string, a password file or the unit's credential says, and no process shows it.
func TestDBPsql_PasswordStandsInNoCommandLineAndNoEnvironment(t *testing.T) {
	dsn := withPassword(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"pgpass": "*:*:*:pw:" + secretWord + "\n", "other": "*:*:*:pw:wrong\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := `\! for p in $PPID $(awk '$1 == "PPid:" {print $2}' /proc/$PPID/status); do tr '\0' '\n' </proc/$p/cmdline; done; tr '\0' '\n' </proc/$PPID/environ; env`
	for name, c := range map[string]struct {
		url  string
		env  []string
		args []string
	}{
		"in $DATABASE_URL": {dsn + " password='" + secretWord + "'", nil, nil},
		"in it, beside another file": {dsn + " password='" + secretWord + "'",
			[]string{"PGPASSFILE=" + dir + "/other"}, nil},
		"in a file that the URL says": {"postgres://pw@/postgres?host=" + strings.Fields(dsn)[0][5:] + "&passfile=" +
			dir + "/pgpass", nil, nil},
		"the same in --db":         {"", nil, []string{"--db", dsn + " passfile=" + dir + "/pgpass"}},
		"in the unit's credential": {dsn, []string{"CREDENTIALS_DIRECTORY=" + dir}, nil},
		"in $PGPASSFILE before that": {dsn, []string{"CREDENTIALS_DIRECTORY=/nowhere", "PGPASSFILE=" + dir + "/pgpass"},
			nil},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"db", "psql"}, c.args...)
			cmd := exec.Command("tap25", append(args, "--", "-wXAt", "-c", "select 'user is ' || current_user", "-c",
				look)...)
			cmd.Env = append(os.Environ(), append(c.env, "DATABASE_URL="+c.url)...)
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("user is pw")) || !bytes.Contains(out, []byte("PGUSER=pw")) ||
				!bytes.Contains(out, []byte("db\npsql\n")) {
				t.Errorf("%v: %s", err, out)
			}
			if bytes.Contains(out, []byte(secretWord)) {
				t.Errorf("the password is there: %s", out)
			}
		})
	}
}

func TestSniffSettings_AFileWithAPasswordIsForItsReadersAlone(t *testing.T) {
	for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		path := configFile(t, "interface: eth1\ndb: postgres://u:"+secretWord+"@h/x\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if s, err := settingsOf(t, "--config", path); err != nil || s.ExposedPassword != exposed {
			t.Errorf("mode %o: %v, %v", mode, s.ExposedPassword, err)
		}
	}
	path := configFile(t, "interface: eth1\ndb: postgres://u@h/x\n")
	if s, err := settingsOf(t, "--config", path); err != nil || os.Chmod(path, 0o644) != nil || s.ExposedPassword {
		t.Errorf("without a password: %v", err)
	}
}

// Credentials are read again with each connection, so that a running sniff must be able to.
func TestDatabaseFiles_HaveThePasswordFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("PGPASSFILE", "")
	path := filepath.Join(dir, "pgpass")
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	passCredential()
	if files := store.Files("postgres://u@h/x"); len(files) != 1 || files[0] != path {
		t.Errorf("%q", files)
	}
	if files := store.Files("postgres://u@h/x?passfile=/a/b"); len(files) != 1 || files[0] != "/a/b" {
		t.Errorf("%q", files)
	}
}

// Memory, which holds the password, is written to no core file, and other processes of the user cannot read it.
func TestProcess_LeavesNoCores(t *testing.T) {
	cmd := exec.Command("tap25", "replay", "--json", "-")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_ = cmd.Wait()
	}()
	await(t, "the limit of cores to be nothing", func() bool {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
		return err == nil && regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits)
	})
}
