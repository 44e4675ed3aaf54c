package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// Region is a database that the questions with national in their names ask.
type Region struct {
	Name    string
	Server  string // how it is reached, in libpq's keywords
	Failure string // why it did not answer, "" if it did
}

// maxRegionName is the most characters of a region's name, and regionName its form, as the table regions has them. The
// number is not in the form: with it, each start of the program would make 62 tables of all letters, 2.4 MB.
const maxRegionName = 63

var regionName = regexp.MustCompile(`^[\pL\pN][\pL\pN._-]*$`)

// makesDblink makes the extension in a schema of its own, and grantsDblink lets a role use it, whose functions ask the
// regions. A superuser runs both for an owner who may not make the extension.
const (
	makesDblink = `CREATE SCHEMA tap25_dblink;
CREATE EXTENSION dblink SCHEMA tap25_dblink;
`
	grantsDblink = `GRANT USAGE ON SCHEMA tap25_dblink TO %[1]s;
GRANT EXECUTE ON FUNCTION tap25_dblink.dblink_connect_u(text, text) TO %[1]s;`
)

// AddRegion adds a region, or gives it another URL, which may name no password. The first makes the extension dblink,
// in a schema of its own; the error has what a superuser has to run if this user may not.
func (db *DB) AddRegion(ctx context.Context, name, rawURL string) error {
	info, err := conninfo(rawURL)
	if err != nil {
		return err
	}
	if !regionName.MatchString(name) || utf8.RuneCountInString(name) > maxRegionName {
		return fmt.Errorf("%q is no name of a region: it has letters, digits, dots, hyphens and low lines, of which the "+
			"first is a letter or a digit, up to %d", name, maxRegionName)
	}
	if err := db.makeDblink(ctx); err != nil {
		return err
	}
	_, err = db.conn.Exec(ctx, `insert into tap25_internal.regions as r (region, conninfo) values ($1, $2)
		on conflict (region) do update set conninfo = excluded.conninfo, added_by = default, added_at = default`, name, info)
	if err != nil {
		return fmt.Errorf("add the region: %w", err)
	}
	return nil
}

// makeDblink makes the extension if it is missing, and lets the owner of tap25 use it: the functions that ask the regions
// run with the owner's rights, whoever adds a region.
func (db *DB) makeDblink(ctx context.Context) error {
	var owner, schema string
	var usable, super bool
	err := db.conn.QueryRow(ctx, `select quote_ident(o.rolname), coalesce(e.extnamespace::regnamespace::text, ''),
		tap25_internal.has_dblink() and has_schema_privilege(o.oid, e.extnamespace, 'usage')
			and (select bool_and(has_function_privilege(o.oid, p.oid, 'execute')) from pg_catalog.pg_proc p
				where p.pronamespace = e.extnamespace and p.proname = 'dblink_connect_u' and p.pronargs = 2),
		(select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user)
		from pg_catalog.pg_class c join pg_catalog.pg_roles o on o.oid = c.relowner
		left join pg_catalog.pg_extension e on e.extname = 'dblink'
		where c.oid = 'tap25_internal.regions'::regclass`).Scan(&owner, &schema, &usable, &super)
	switch {
	case err != nil:
		return fmt.Errorf("look for the extension dblink: %w", err)
	case usable:
		return nil
	case schema == "":
		_, err = db.conn.Exec(ctx, makesDblink+fmt.Sprintf(grantsDblink, owner))
	case schema != "tap25_dblink":
		return fmt.Errorf("the extension dblink is in the schema %s, where others may call it: move it "+
			"(ALTER EXTENSION dblink SET SCHEMA tap25_dblink), to a schema that only the owner of tap25 may use",
			schema)
	case super:
		if _, err = db.conn.Exec(ctx, fmt.Sprintf(grantsDblink, owner)); err == nil {
			err = db.conn.QueryRow(ctx, "select tap25_internal.has_dblink()").Scan(&usable)
		}
	}
	if err == nil && (usable || schema == "") {
		return nil
	}
	return errors.Join(fmt.Errorf("tap25 may not use the extension dblink, which is part of PostgreSQL (package "+
		"postgresql-contrib where it is not in the server's), or others may create in its schema. A superuser runs, "+
		"in this database, without either:\n"+makesDblink+grantsDblink, owner), err)
}

// DropRegion removes a region. It is an error if there is none of that name.
func (db *DB) DropRegion(ctx context.Context, name string) error {
	tag, err := db.conn.Exec(ctx, "delete from tap25_internal.regions where region = $1", name)
	if err != nil {
		return fmt.Errorf("remove the region: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("there is no region %q: 'tap25 db regions ls' lists them", name)
	}
	return nil
}

// Regions lists the regions, and asks each whether it answers.
func (db *DB) Regions(ctx context.Context, patience time.Duration) ([]Region, error) {
	rows, err := db.conn.Query(ctx, "select region, conninfo, '' from tap25_internal.regions order by region")
	if err != nil {
		return nil, fmt.Errorf("list the regions: %w", err)
	}
	regions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Region])
	if err != nil || len(regions) == 0 {
		return nil, wrap("list the regions", err)
	}
	rows, err = db.conn.Query(ctx, `select region, coalesce(failure, '') from tap25_internal.ask_regions(
		'select version::text from tap25_internal.tap25_schema_version', null, false, null, $1)`, patience)
	if err != nil {
		return nil, fmt.Errorf("ask the regions: %w", err)
	}
	var name, failure string
	_, err = pgx.ForEachRow(rows, []any{&name, &failure}, func() error {
		i := slices.IndexFunc(regions, func(r Region) bool { return r.Name == name })
		regions[i].Failure = failure
		return nil
	})
	return regions, wrap("ask the regions", err)
}

func wrap(what string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return err
}

// conninfo returns a URL in libpq's keywords, to which others can be added. A server on another host must prove its
// name, unless the URL says otherwise. The files that the URL names are those of the server that asks.
func conninfo(rawURL string) (string, error) {
	query, isURL := urlQuery(rawURL)
	if !isURL {
		return "", errors.New("name the region's database by a URL such as postgres://db.example/mail")
	}
	_, rest, _ := strings.Cut(rawURL, "://")
	rest, _, _ = strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(rest, "/")
	user := ""
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, authority = authority[:at], authority[at+1:]
	}
	if strings.Contains(user, ":") || query.Has("password") || query.Has("sslpassword") {
		return "", errors.New("a region's URL has no password, which others could read in the database: put it into " +
			"a password file of the user who runs the server, and name that with passfile= in the URL")
	}
	hosts, ports := splitHosts(authority)
	for key, value := range map[string]string{"host": hosts, "port": ports, "user": user, "dbname": database} {
		value, err := url.PathUnescape(value)
		if err != nil {
			return "", errors.New("the region's URL cannot be read")
		}
		if value != "" {
			query.Set(key, value)
		}
	}
	if query.Get("dbname") == "" || query.Get("host") == "" {
		return "", errors.New("a region's URL names a host and a database, such as postgres://db.example/mail")
	}
	if !query.Has("sslmode") && slices.ContainsFunc(strings.Split(query.Get("host"), ","), elsewhere) {
		query.Set("sslmode", "verify-full")
	}
	var words []string
	for key := range query {
		value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(query.Get(key))
		words = append(words, key+"='"+value+"'")
	}
	slices.Sort(words)
	return strings.Join(words, " "), nil
}

// splitHosts takes the hosts and ports of a URL apart, each separated by commas.
func splitHosts(authority string) (hosts, ports string) {
	var hostList, portList []string
	for _, a := range strings.Split(authority, ",") {
		host, port := a, ""
		if colon := strings.LastIndexByte(a, ':'); colon > strings.LastIndexByte(a, ']') {
			host, port = a[:colon], a[colon+1:]
		}
		hostList, portList = append(hostList, strings.Trim(host, "[]")), append(portList, port)
	}
	return strings.Join(hostList, ","), strings.TrimRight(strings.Join(portList, ","), ",")
}
