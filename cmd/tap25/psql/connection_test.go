package psql

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPsqlEnv_KeepsTheTLSSettingsOfTheURL(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for dsn, want := range map[string][]string{
		"postgres://u:secret@127.0.0.1/x":                                  nil,
		"postgres://u@db.example:6000/x?connect_timeout=5&sslmode=require": {"PGSSLMODE=require"},
		"host=db.example user=u sslmode = disable":                         {"PGSSLMODE=disable"},
	} {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range environment(dsn, c) {
			if strings.HasPrefix(v, "PGSSL") {
				got = append(got, v)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	root := filepath.Join(t.TempDir(), "root.crt")
	got := environment("postgres://u@db.example/x?sslmode=verify-full&sslrootcert="+url.QueryEscape(root),
		&pgx.ConnConfig{})
	if !slices.Contains(got, "PGSSLMODE=verify-full") || !slices.Contains(got, "PGSSLROOTCERT="+root) {
		t.Errorf("got %q", got)
	}
}

func TestPsqlEnv_NamesEveryHost(t *testing.T) {
	t.Setenv("PGTARGETSESSIONATTRS", "")
	for dsn, want := range map[string][]string{
		"postgres://u@h1,h2:6000/x": {"PGHOST=h1,h2", "PGPORT=5432,6000",
			"PGTARGETSESSIONATTRS=read-write"},
		"host=h1,h2 port=5433 user=u": {"PGHOST=h1,h2", "PGPORT=5433,5433",
			"PGTARGETSESSIONATTRS=read-write"},
		"host=/a,/b port=1,2": {"PGHOST=/a,/b", "PGPORT=1,2", "PGTARGETSESSIONATTRS=read-write"},
		"postgres://u@[::1],h2/x?target_session_attrs=standby": {"PGHOST=::1,h2", "PGPORT=5432,5432",
			"PGTARGETSESSIONATTRS=standby"},
		"postgres://u@h1/x": {"PGHOST=h1", "PGPORT=5432"},
	} {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range environment(dsn, c) {
			if strings.HasPrefix(v, "PGHOST") || strings.HasPrefix(v, "PGPORT") || strings.HasPrefix(v, "PGTARGET") {
				got = append(got, v)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dsn, got, want)
		}
	}
}
