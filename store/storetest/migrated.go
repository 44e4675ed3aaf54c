package storetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"tap25/store/cluster"
)

// Migrate gives the database that a connection string names tap25's schema. All calls of a test binary name the same.
type Migrate func(ctx context.Context, dsn string) error

// made holds what is made once in a test binary, by the first test that needs it.
type made struct {
	once sync.Once
	what string
	err  error
}

func (m *made) get(t testing.TB, make func() (string, error)) string {
	t.Helper()
	m.once.Do(func() { m.what, m.err = make() })
	if m.err != nil {
		t.Fatal(m.err)
	}
	return m.what
}

// What [Migrated] and [MigratedHome] copy: a database of the shared cluster, and the data directory of a server that
// was stopped.
var template, templateData made

// Migrated makes a database with tap25's schema in the shared cluster and returns its name. It copies a database that
// migrate was called for once, which takes a tenth of the time. All copies have the same identity. After a call of
// [Citus] it copies the database that was prepared there.
func Migrated(t testing.TB, migrate Migrate) (name string) {
	t.Helper()
	if isCitus() {
		return citusDatabase(t)
	}
	c := Cluster(t)
	from := template.get(t, func() (string, error) {
		const name = "migrated"
		if err := execute(c.DSN(), "create database "+name); err != nil {
			return "", err
		}
		return name, migrate(context.Background(), named(c, name))
	})
	name = create(t, from)
	// CREATE DATABASE copies neither the right to connect nor the settings of the database.
	both := fmt.Sprintf("pg_database o, pg_database n where o.datname = '%s' and n.datname = '%s'", from, name)
	if err := execute(c.DSN(),
		"update pg_database d set datacl = o.datacl from "+both+" and d.oid = n.oid",
		"insert into pg_db_role_setting select n.oid, setrole, setconfig from pg_db_role_setting, "+both+
			" and setdatabase = o.oid"); err != nil {
		t.Fatal(err)
	}
	return name
}

// MigratedHome is [StateHome] with a cluster that has tap25's schema and is not started. It is a copy of the first one,
// which migrate has made: initdb and the migrations run once. All copies have the same identity.
func MigratedHome(t testing.TB, migrate Migrate) string {
	t.Helper()
	dir := StateHome(t)
	from := templateData.get(t, func() (string, error) {
		home, err := makeDir()
		if err != nil {
			return "", err
		}
		atEnd = append(atEnd, func() { os.RemoveAll(home) })
		c, err := cluster.New(filepath.Join(home, "state"))
		if err == nil {
			err = c.Use(context.Background())
		}
		if err != nil {
			return "", err
		}
		defer c.Release(context.Background())
		if err := unsynced(c.DSN()); err != nil {
			return "", err
		}
		return c.DataDir(), migrate(context.Background(), c.DSN())
	})
	state := filepath.Join(dir, "tap25")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, filepath.Join(state, "data")).CombinedOutput(); err != nil {
		t.Fatalf("copy a cluster: %v: %s", err, out)
	}
	return dir
}
