package store

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"tap25/store/storetest"
)

// run runs SQL.
func run(t testing.TB, db *DB, sql string, args ...any) {
	t.Helper()
	if _, err := db.Conn().Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// ownDatabase is a database without a schema and its owner, who is no superuser.
func ownDatabase(t *testing.T) (super, owner *DB) {
	t.Helper()
	database(t, false) // makes the roles, or skips
	super = database(t, true)
	owner = as(t, super, "pg_monitor", "owner")
	run(t, super, "alter database "+super.Conn().Config().Database+" owner to "+sessionUser(t, owner))
	t.Cleanup(func() {
		super.Conn().Exec(context.Background(),
			"alter database "+super.Conn().Config().Database+" owner to current_user")
	})
	return super, owner
}

var advice = regexp.MustCompile(`(REVOKE CREATE|ALTER SCHEMA|CREATE SCHEMA)[^;]*`)

func TestMigrate_RefusesWhereOthersMayCreate(t *testing.T) {
	for name, opening := range map[string]string{
		"anybody, in a public that is not the owner's": "alter schema public owner to current_user; grant create on " +
			"schema public to public",
		"somebody": "alter schema public owner to current_user; grant create on schema public to tap25_auditor",
		"somebody, in another schema that is searched": "create schema apps; grant create on schema apps to " +
			"tap25_sensor; do $$ begin execute format('alter database %I set search_path = apps, public', " +
			"current_database()); end $$",
		"the owner of a schema that is searched": "alter schema public owner to tap25_auditor",
		"somebody, in tap25's own": "create schema tap25 authorization OWNER; grant create on " +
			"schema tap25 to tap25_admin",
		"the owner of one that is named like tap25's": "create schema tap25_internal authorization tap25_admin",
	} {
		t.Run(name, func(t *testing.T) {
			super, owner := ownDatabase(t)
			run(t, super, strings.ReplaceAll(opening, "OWNER", sessionUser(t, owner)))
			err := owner.Migrate(t.Context())
			if err == nil {
				t.Fatal("migrated")
			}
			advised := advice.FindString(err.Error())
			if advised == "" {
				t.Fatalf("no advice: %v", err)
			}
			run(t, super, advised)
			if err := owner.Migrate(t.Context()); err != nil {
				t.Errorf("after the advice: %v", err)
			}
		})
	}
}

func TestMigrate_ClosesTheDatabaseWhereItMay(t *testing.T) {
	_, owner := ownDatabase(t)
	run(t, owner, "grant create on schema public to public") // public is the database owner's
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	open, err := owner.OpenToAll(t.Context())
	creators, creatorsErr := owner.Creators(t.Context())
	if err != nil || open || creatorsErr != nil || len(creators) > 0 {
		t.Errorf("open to all: %v, %v; may create: %v, %v", open, err, creators, creatorsErr)
	}
	if s, err := owner.Status(t.Context()); err != nil || strings.Contains(s.Warning, "REVOKE") {
		t.Errorf("%v, %v", s.Warning, err)
	}
	run(t, owner, "grant create on schema public to public; grant connect on database "+owner.Conn().Config().Database+
		" to public")
	s, err := owner.Status(t.Context())
	if err != nil || !strings.Contains(s.Warning, `REVOKE CREATE ON SCHEMA "public" FROM PUBLIC`) ||
		!strings.Contains(s.Warning, "REVOKE CONNECT") {
		t.Errorf("%v, %v", s.Warning, err)
	}
}

// What a stranger has made is not taken for tap25's, and nothing of it runs as who migrates.
func TestMigrate_TakesNothingOfAStranger(t *testing.T) {
	super, owner := ownDatabase(t)
	thief := as(t, super, "pg_monitor", "thief")
	run(t, super, "grant create on schema public to public")
	run(t, thief,
		"create table public.tap25_schema_version (version int); insert into public.tap25_schema_version values (11)")
	for _, db := range []*DB{super, owner} {
		if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to thief_") {
			t.Errorf("migrated objects of a stranger: %v", err)
		}
	}
	run(t, super, "drop table public.tap25_schema_version")
	if err := owner.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

// A constraint that was made while a stranger's function was found first has that for good.
func TestMigrate_FindsAStrangersFunctionInAConstraint(t *testing.T) {
	super, owner := ownDatabase(t)
	thief := as(t, super, "pg_monitor", "thief")
	run(t, super, "grant create on schema public to public")
	run(t, thief, "create function public.num_nonnulls(text, text, inet) returns int language sql immutable return 1")
	if err := owner.migrateTo(t.Context(), "public", sessionUser(t, owner), lastInPublic); err != nil {
		t.Fatal(err)
	}
	if err := owner.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "public.num_nonnulls") {
		t.Errorf("migrated: %v", err)
	}
	if have, _, err := owner.Version(t.Context()); err != nil || have != lastInPublic {
		t.Errorf("version %d, %v: the migration is not undone", have, err)
	}
}

// A database that holds others' objects too finds those as before, then tap25's.
func TestMigrate_SearchPathOfTheDatabase(t *testing.T) {
	for name, c := range map[string]struct{ before, want string }{
		"of tap25 alone":    {"select", "tap25, public"},
		"with other tables": {"create table public.orders (n int)", `"$user", public, tap25`},
		"with other tables and a path": {"create schema shop; create table shop.orders (n int); do $$ begin execute " +
			"format('alter database %I set search_path = shop', current_database()); end $$",
			"shop, tap25"},
		"that has it in its path": {"do $$ begin execute format('alter database %I set search_path = public, tap25', " +
			"current_database()); end $$", "public, tap25"},
	} {
		t.Run(name, func(t *testing.T) {
			super, owner := ownDatabase(t)
			run(t, super, c.before)
			if err := owner.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if path, err := owner.SearchPath(t.Context()); err != nil || path != c.want {
				t.Errorf("the path is %s, want %s: %v", path, c.want, err)
			}
			loadRows(t, owner, "tap", at(time.Now()))
			plain := strings.Replace(storetest.Cluster(t).DSN(), "dbname=postgres",
				"search_path='"+c.want+"' dbname="+super.Conn().Config().Database, 1)
			db, err := Open(t.Context(), plain)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if n := count(t, db); n != 1 {
				t.Errorf("%d rows in mail, want 1", n)
			}
		})
	}
}
