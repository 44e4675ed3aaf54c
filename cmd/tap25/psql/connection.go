package psql

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/secret"
	"tap25/store"
)

// parameters are those of a connection string that psql needs too, beside the hosts, the user and the database.
var parameters = []string{"sslmode", "sslrootcert", "sslcert", "sslkey", "sslnegotiation", "passfile",
	"target_session_attrs"}

// connect passes the connection to psql. A password in the connection string goes into a file in memory, since others
// may read a command line, and psql passes its environment on to what it runs. A password outside the string psql finds
// by itself.
func connect(psql *exec.Cmd, dsn string, c *pgx.ConnConfig) error {
	psql.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, value, _ := strings.Cut(v, "=")
		return (name == "DATABASE_URL" || name == "TAP25_DB") && secret.InDSN(value)
	})
	psql.Env = append(psql.Env, environment(store.SecureDSN(dsn), c)...)
	if !secret.InDSN(dsn) {
		return nil
	}
	file, err := memoryFile("pgpass", pgpassLine(c.User, c.Password))
	if err != nil {
		return err
	}
	psql.ExtraFiles = append(psql.ExtraFiles, file)
	// which come first
	psql.Env = slices.DeleteFunc(psql.Env, func(v string) bool { return strings.HasPrefix(v, "PGPASS") })
	psql.Env = append(psql.Env, fmt.Sprintf("PGPASSFILE=/proc/self/fd/%d", 2+len(psql.ExtraFiles)))
	return nil
}

// pgpassLine is a password for a user (PostgreSQL's manual, "The Password File").
func pgpassLine(user, password string) string {
	escape := strings.NewReplacer(`\`, `\\`, ":", `\:`)
	return "*:*:*:" + escape.Replace(user) + ":" + escape.Replace(password) + "\n"
}

// memoryFile returns a file that can be read only by this process and those that inherit it.
func memoryFile(name, text string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if err = file.Chmod(0o600); err == nil {
		_, err = file.WriteString(text)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("write a file in memory: %w", err)
	}
	return file, nil
}

// environment holds the connection's parameters for psql, without the password.
func environment(dsn string, c *pgx.ConnConfig) []string {
	host, port, target := c.Host, fmt.Sprint(c.Port), ""
	// c has the first of them
	if hosts, ports, want, err := store.Hosts(dsn); err == nil && strings.Contains(hosts, ",") {
		host, port, target = hosts, ports, want
	}
	env := []string{"PGHOST=" + host, "PGPORT=" + port, "PGUSER=" + c.User, "PGDATABASE=" + c.Database, "PGTZ=UTC"}
	if target != "" {
		env = append(env, "PGTARGETSESSIONATTRS="+target)
	}
	for _, name := range parameters {
		if value, _ := store.Parameter(dsn, name); value != "" {
			env = append(env, "PG"+strings.ToUpper(strings.ReplaceAll(name, "_", ""))+"="+value)
		}
	}
	return env
}
