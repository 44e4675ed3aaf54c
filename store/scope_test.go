package store

import (
	"slices"
	"testing"
	"time"
)

func scopeAt(second int, rules string) ScopeChange {
	c := ScopeChange{Program: "sniff", Since: time.Unix(1_700_000_000+int64(second), 0), Rules: &rules}
	if rules == "" {
		c.Rules = nil
	}
	return c
}

// Each change is a line, once, under the sensor's login; what changes nothing adds none.
func TestScopes_EachChangeIsRecordedOnce(t *testing.T) {
	db := database(t, false)
	one := login(t, db, "tap25_sensor", "one")
	for _, c := range []ScopeChange{
		scopeAt(0, ""), scopeAt(1, "domains: [.be]\n"), scopeAt(1, "domains: [.be]\n"), scopeAt(2, "domains: [.be]\n"),
		scopeAt(3, "domains: [.nl]\n"), scopeAt(4, ""), scopeAt(5, ""), scopeAt(1, "domains: [.be]\n"),
		scopeAt(6, "domains: [.nl]\n"),
	} {
		if err := one.RecordScope(t.Context(), "alpha", "v1", c); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(t, db, `select concat_ws(' ', sensor, program, extract(epoch from since)::bigint - 1700000000, coalesce(rules, 'all'), left(sha256, 8), version,
		set_by = $1, set_at > now() - interval '1 hour') from scopes order by id`, sessionUser(t, one))
	want := []string{ // digests by sha256sum
		"alpha sniff 1 domains: [.be]\n 88f63873 v1 t t", "alpha sniff 3 domains: [.nl]\n ac42e1fa v1 t t",
		"alpha sniff 4 all v1 t t", "alpha sniff 6 domains: [.nl]\n ac42e1fa v1 t t",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestScopes_AreOfTheSensorThatTheLoginIs(t *testing.T) {
	db := database(t, false)
	one, two := login(t, db, "tap25_sensor", "one"), login(t, db, "tap25_sensor", "two")
	if err := one.RecordScope(t.Context(), "alpha", "v1", scopeAt(1, "{}")); err != nil {
		t.Fatal(err)
	}
	fails(t, "as another sensor", two.RecordScope(t.Context(), "alpha", "v1", scopeAt(2, "domains: [.be]")), "42501")
	for _, sql := range []string{"select * from tap25.scopes", "delete from tap25.scopes",
		"insert into tap25.scopes (sensor, program, since, version) values ('alpha', 'sniff', now(), '')"} {
		_, err := one.Conn().Exec(t.Context(), sql)
		fails(t, sql, err, "42501")
	}
	for _, role := range []string{"", "tap25_auditor", "tap25_admin"} {
		err := login(t, db, role, "other"+role).RecordScope(t.Context(), "gamma", "v1", scopeAt(1, "{}"))
		fails(t, "as "+role, err, "42501")
	}
}
