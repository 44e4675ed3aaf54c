package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// Migrate gives the database that a connection string names tap25's schema. All calls of a test binary name the same.
type Migrate func(ctx context.Context, dsn string) error

// made is made once in a binary, by whoever needs it first.
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

// template is the database of the shared cluster that [Migrated] copies.
var template made

// Migrated makes a database with tap25's schema in the shared cluster and returns its name. It is a copy of the first
// one, which migrate has made: that takes a tenth of the time.
func Migrated(t testing.TB, migrate Migrate) (name string) {
	t.Helper()
	c := Cluster(t)
	from := template.get(t, func() (string, error) {
		const name = "migrated"
		if err := execute(c.DSN(), "create database "+name); err != nil {
			return "", err
		}
		return name, migrate(context.Background(), named(c, name))
	})
	name = create(t, from)
	// What CREATE DATABASE does not copy: who may connect, and the settings of the database.
	both := fmt.Sprintf("pg_database o, pg_database n where o.datname = '%s' and n.datname = '%s'", from, name)
	if err := execute(c.DSN(),
		"update pg_database d set datacl = o.datacl from "+both+" and d.oid = n.oid",
		"insert into pg_db_role_setting select n.oid, setrole, setconfig from pg_db_role_setting, "+both+
			" and setdatabase = o.oid"); err != nil {
		t.Fatal(err)
	}
	return name
}
