package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// creatorsQuery lists who, other than superusers, the database's owner and tap25's, may create in tap25's schemas or in
// a schema that the database's search_path names.
const creatorsQuery = `
with setting as (
	select pg_catalog.substr(s, pg_catalog.length('search_path=') + 1) as path
	from pg_catalog.pg_db_role_setting r, pg_catalog.unnest(r.setconfig) s
	where r.setrole = 0 and r.setdatabase in (
	    0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
		and s like 'search\_path=%' order by r.setdatabase desc limit 1
), searched as (
	select pg_catalog.btrim(name, ' "') as name
	from pg_catalog.string_to_table(coalesce((select path from setting), 'public'), ',') name
), trusted as (
	select oid from pg_catalog.pg_roles where rolsuper or rolname = 'pg_database_owner'
	union select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database()
	union select coalesce((select nspowner from pg_catalog.pg_namespace where nspname = 'tap25_internal'),
	                      current_user::regrole)
)
select n.nspname, coalesce(r.rolname, 'PUBLIC'), n.nspowner = may.grantee from pg_catalog.pg_namespace n
cross join lateral (
	select grantee from pg_catalog.aclexplode(n.nspacl) where privilege_type = 'CREATE' union select n.nspowner) may
left join pg_catalog.pg_roles r on r.oid = may.grantee
where (n.nspname in ('tap25', 'tap25_internal') or n.nspname in (select name from searched))
    and may.grantee not in (select oid from trusted)
order by 1, 2`

// Creator is a role, or PUBLIC, that may create in a schema, or owns it.
type Creator struct {
	Schema, Role string
	Owns         bool
}

// Creators lists the roles that may put a function, an operator or a table of their own where statements in this
// database look for tap25's: in tap25's schemas, or in another that the database's search_path names. Superusers and
// the owners of the database and of tap25's objects are not listed.
func (db *DB) Creators(ctx context.Context) ([]Creator, error) {
	rows, err := db.conn.Query(ctx, creatorsQuery)
	if err != nil {
		return nil, fmt.Errorf("ask who may create in the schemas: %w", err)
	}
	creators, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Creator])
	if err != nil {
		return nil, fmt.Errorf("ask who may create in the schemas: %w", err)
	}
	return creators, nil
}

// CloseSchemas returns the SQL statements that take the rights of creators away.
func CloseSchemas(creators []Creator) (run []string) {
	for _, c := range creators {
		schema, role := pgx.Identifier{c.Schema}.Sanitize(), pgx.Identifier{c.Role}.Sanitize()
		switch {
		case c.Owns:
			run = append(run, "ALTER SCHEMA "+schema+" OWNER TO pg_database_owner;")
		case c.Role == "PUBLIC":
			run = append(run, "REVOKE CREATE ON SCHEMA "+schema+" FROM PUBLIC;")
		default:
			run = append(run, "REVOKE CREATE ON SCHEMA "+schema+" FROM "+role+";")
		}
	}
	return run
}

// creatorsWarning returns a text that names who may create objects and what to run against it; "" if nobody may.
func creatorsWarning(creators []Creator) string {
	if len(creators) == 0 {
		return ""
	}
	var who []string
	for _, c := range creators {
		who = append(who, c.Role+" in "+c.Schema)
	}
	return "others may create objects in a schema on the search path (" + strings.Join(who, ", ") +
		"), which statements could then use instead of tap25's. Have a superuser run: " +
		strings.Join(CloseSchemas(creators), " ") +
		" If they need that schema, remove it from the database's search_path with ALTER DATABASE instead."
}

// Guard closes the schema public to PUBLIC if this user may do that. It returns an error, which says what to run, if
// others may still create in a schema that is searched; see [DB.Creators].
func (db *DB) Guard(ctx context.Context) error {
	var may bool
	err := db.conn.QueryRow(ctx, `select exists (select from pg_catalog.pg_namespace n,
		pg_catalog.aclexplode(n.nspacl) a where n.nspname = 'public'
		and a.grantee = 0 and a.privilege_type = 'CREATE' and pg_catalog.pg_has_role(n.nspowner, 'usage'))`).Scan(&may)
	if err == nil && may {
		_, err = db.conn.Exec(ctx, "revoke create on schema public from public")
	}
	if err != nil {
		return fmt.Errorf("revoke the right to create in the schema public: %w", err)
	}
	creators, err := db.Creators(ctx)
	if err != nil {
		return err
	}
	if len(creators) > 0 {
		return errors.New(creatorsWarning(creators))
	}
	return nil
}

// OpenToAll reports whether PUBLIC may connect to the database or make temporary tables in it.
func (db *DB) OpenToAll(ctx context.Context) (open bool, err error) {
	err = db.conn.QueryRow(ctx, "select pg_catalog.has_database_privilege('public', pg_catalog.current_database(), "+
		"'connect, temporary')").Scan(&open)
	if err != nil {
		return false, fmt.Errorf("check who may connect: %w", err)
	}
	return open, nil
}

// TakesPath reports whether the server took the search_path of this connection when it began: a pooler may not.
func (db *DB) TakesPath() bool {
	_, taken := db.conn.Config().RuntimeParams["search_path"]
	return taken
}

// SearchPath returns the search_path that the database sets for its connections; "" if it sets none.
func (db *DB) SearchPath(ctx context.Context) (path string, err error) {
	err = db.conn.QueryRow(ctx, `select coalesce((select pg_catalog.substr(s, pg_catalog.length('search_path=') + 1)
		from pg_catalog.pg_db_role_setting r, pg_catalog.unnest(r.setconfig) s where r.setrole = 0
		and r.setdatabase = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
		    and s like 'search\_path=%'), '')`).Scan(&path)
	if err != nil {
		return "", fmt.Errorf("read the database's search_path: %w", err)
	}
	return path, nil
}
