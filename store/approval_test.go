package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// apply applies for a warrant of the heldDay, as a user, for an auditor.
func apply(t testing.TB, applicant *DB, auditor string) int64 {
	t.Helper()
	return ask[int64](t, applicant, "select apply_for_warrant('2026-17', 'order', array[$1::name], '{b@b.example}', "+
		"'2020-02-29', '2020-03-01', clock_timestamp() + interval '1 day')", auditor)
}

func TestWarrant_OpensNothingUntilAnotherHasApprovedIt(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor, applicant := as(t, db, "tap25_auditor", "auditor"), as(t, db, "tap25_admin", "applicant")
	own, friend := as(t, db, "tap25_approver", "own"), as(t, db, "tap25_approver", "friend")
	reader, clerk := as(t, db, "tap25_approver", "reader"), as(t, db, "tap25_approver", "clerk")
	leader, admin := as(t, db, "tap25_approver", "leader"), as(t, db, "tap25_admin", "admin")
	clerks := "clerks" + strings.TrimPrefix(sessionUser(t, auditor), "auditor")
	execute(t, db, "create role "+clerks, "grant "+clerks+" to "+sessionUser(t, auditor)+", "+sessionUser(t, clerk))
	t.Cleanup(func() { db.Conn().Exec(context.Background(), "drop role "+clerks) })
	for member, role := range map[*DB]string{
		applicant: "tap25_approver", // who approves what they applied for
		own:       sessionUser(t, applicant), reader: sessionUser(t, auditor),
		auditor: sessionUser(t, leader), // who can act as an approver
	} {
		run(t, db, "grant "+role+" to "+sessionUser(t, member))
	}
	run(t, db, "grant "+sessionUser(t, friend)+" to "+sessionUser(t, applicant))
	// An approver's function runs as the approver for whoever calls it.
	execute(t, db, "create schema lent authorization "+sessionUser(t, friend), "grant usage on schema lent to public")
	run(t, friend,
		"create function lent.approve(which bigint) returns void language sql security definer begin atomic "+
			"select tap25.approve_warrant(which, 'as lent'); end")
	run(t, friend, "grant execute on function lent.approve to public")

	id := ask[int64](t, applicant,
		"select apply_for_warrant('2026-17', 'order', array[$1, $2]::name[], '{b@b.example}', "+
			"'2020-02-29', '2020-03-01', clock_timestamp() + interval '1 day')", sessionUser(t, auditor), clerks)
	for name, who := range map[string]*DB{"its applicant": applicant, "a member of its applicant": own,
		"whom its applicant is a member of": friend, "a member of its auditor": reader,
		"a member of its auditors":        clerk,
		"whom its auditor is a member of": leader, "an administrator": admin, "a superuser": db} {
		for _, sql := range []string{"select approve_warrant(%d)", "select refuse_warrant(%d, 'no')"} {
			if _, err := who.Conn().Exec(t.Context(), fmt.Sprintf(sql, id)); err == nil {
				t.Errorf("%s decides: %s", name, sql)
			} else {
				fails(t, name, err, "42501")
			}
		}
	}
	execute(t, applicant, "set role "+sessionUser(t, friend))
	refused(t, applicant, fmt.Sprintf("select approve_warrant(%d)", id))
	execute(t, applicant, "reset role")
	refused(t, applicant, fmt.Sprintf("select lent.approve(%d)", id))
	shut(t, db, auditor, "2026-17")

	approve(t, db, id)
	openCase(t, auditor)
	for _, again := range []string{"select approve_warrant(%d)", "select refuse_warrant(%d, 'no')"} {
		_, err := clerk.Conn().Exec(t.Context(), fmt.Sprintf(again, id))
		fails(t, again, err, "55000")
	}
	got := ask[string](t, db,
		"select string_agg(concat_ws(' ', action, reason, by), ', ' order by id) from warrant_events")
	approver := ask[string](t, db, "select granted_by::text from warrants limit 1")
	if want := "applied " + sessionUser(t, applicant) + ", approved order read " + approver; got != want ||
		!strings.HasPrefix(approver, "approver_") {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

// Whoever has approved a warrant does not come to read by it, whatever role they are given later.
func TestWarrant_OpensNothingToItsApprover(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	clerks := "clerks" + strings.TrimPrefix(db.Conn().Config().Database, "test")
	run(t, db, "create role "+clerks)
	t.Cleanup(func() { db.Conn().Exec(context.Background(), "drop role "+clerks) })
	id := apply(t, db, clerks)
	approver := as(t, db, "tap25_approver", "later")
	run(t, approver, "select approve_warrant($1)", id)
	run(t, db, "grant "+clerks+", tap25_auditor to "+sessionUser(t, approver))
	shut(t, db, approver, "2026-17")
}

func TestWarrant_IsRefusedOrEnded(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor, other := as(t, db, "tap25_auditor", "auditor"), as(t, db, "tap25_auditor", "other")
	approver, admin := as(t, db, "tap25_approver", "decides"), as(t, db, "tap25_admin", "admin")
	states := func() string {
		return ask[string](t, approver, "select string_agg(state, ' ' order by id) from warrants")
	}
	id := apply(t, auditor, sessionUser(t, auditor)) // an auditor applies for themselves
	if _, err := approver.Conn().Exec(t.Context(), "select refuse_warrant($1, '')", id); err == nil {
		t.Error("a warrant is refused for no reason")
	}
	run(t, approver, "select refuse_warrant($1, 'no order')", id)
	_, err := approver.Conn().Exec(t.Context(), "select approve_warrant($1)", id)
	fails(t, "approved after a refusal", err, "55000")
	shut(t, db, auditor, "2026-17")

	withdrawn := apply(t, auditor, sessionUser(t, auditor))
	refused(t, other, fmt.Sprintf("select end_warrant(%d, 'mischief')", withdrawn))
	run(t, auditor, "select end_warrant($1, 'not needed')", withdrawn)
	_, err = approver.Conn().Exec(t.Context(), "select approve_warrant($1)", withdrawn)
	fails(t, "approved after its end", err, "55000")

	kept := apply(t, admin, sessionUser(t, auditor))
	run(t, approver, "select approve_warrant($1)", kept)
	for when, want := range map[string]bool{"clock_timestamp() + interval '1 hour'": true,
		"clock_timestamp() + interval '2 hours'": false} {
		if got := ask[bool](t, admin, "select end_warrant($1, 'earlier', "+when+")", kept); want && !got {
			t.Errorf("ended %s: %v", when, got)
		}
	}
	if got := states(); got != "refused ended valid" {
		t.Errorf("states %s", got)
	}
	if !ask[bool](t, admin, "select end_warrant($1, 'withdrawn')", kept) ||
		ask[bool](t, admin, "select end_warrant($1, 'withdrawn')", kept) {
		t.Error("a warrant is not ended, or twice")
	}
	shut(t, db, auditor, "2026-17")
	for _, sql := range []string{"update warrants set reason = 'x'", "delete from warrants",
		"insert into warrants (case_id) values ('x')"} {
		refused(t, db, sql)
		refused(t, admin, sql)
		refused(t, approver, sql)
	}
	_, err = approver.Conn().Exec(t.Context(), "select approve_warrant(99)")
	fails(t, "no such warrant", err, "P0002")
}

// Two approvers and an end at once: one decision, and the end holds.
func TestWarrant_IsDecidedOnce(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	auditor := as(t, db, "tap25_auditor", "auditor")
	one, two := as(t, db, "tap25_approver", "one"), as(t, db, "tap25_approver", "two")
	id := apply(t, db, sessionUser(t, auditor))
	tx, err := one.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "select approve_warrant($1)", id); err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := two.Conn().Exec(context.Background(), "select refuse_warrant($1, 'no')", id)
		second <- err
	}()
	wait(t, func() bool {
		return ask[bool](t, db, "select exists (select from pg_locks where pid = $1 and not granted)",
			two.Conn().PgConn().PID())
	})
	run(t, db, "select end_warrant($1, 'withdrawn')", id)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	fails(t, "a second decision", <-second, "55000")
	shut(t, db, auditor, "2026-17")
}

func TestWarrant_IsCheckedAsItIsEntered(t *testing.T) {
	db := database(t, false)
	execute(t, db, "insert into retentions (kept) values ('2 years')")
	auditor := "array['" + sessionUser(t, as(t, db, "tap25_auditor", "auditor")) + "']::name[]"
	admin := as(t, db, "tap25_admin", "admin")
	many := "array(select 'a' || n || '@b.example' from generate_series(1, 101) n)"
	for _, c := range []struct{ which, basis, auditors, targets, since, before, until, want string }{
		{want: ""},
		{which: "''", want: "a case has a name"}, {which: "null", want: "a case has a name"},
		{which: "' '", want: "a case has a name"}, {basis: "' '", want: "say what"},
		{which: "e'x\ny'", want: "a case has a name"}, {which: "repeat('x', 201)", want: "a case has a name"},
		{basis: "''", want: "say what"}, {basis: "null", want: "say what"},
		{auditors: "'{canary}'", want: "there is no role"}, {auditors: "'{}'", want: "1 to 100 auditors"},
		{auditors: "null", want: "1 to 100 auditors"}, {auditors: "array[null::name]", want: "1 to 100 auditors"},
		{auditors: "'{tap25_auditor}'", want: "everybody who audits"},
		{targets: "'{}'", want: "1 to 100 targets"}, {targets: "null", want: "1 to 100 targets"},
		{targets: many, want: "1 to 100 targets"}, {targets: "array[null::text]", want: "target 1: name one"},
		{targets: "'{a@b.example,marta}'", want: "target 2: a domain has a dot"},
		{targets: "'{canary@}'", want: "a mailbox is written user@domain"},
		{targets: "'{@b.example}'", want: "a mailbox is"},
		{targets: "'{canary a@b.example}'", want: "a mailbox is"},
		{targets: "array[e'canary@b.example\n']", want: "a mailbox"},
		{targets: "'{canary@b.example@c.example}'", want: "a mailbox is"},
		{targets: "'{<canary@b.example>}'", want: "without < and >"},
		{targets: "'{mailto:canary@b.example}'", want: "without < and >"},
		{targets: "'{::ffff:192.0.2.1}'", want: "write the IPv4 address"},
		{targets: "'{::ffff:192.0.2.0/120}'", want: "write the IPv4 address"},
		{targets: "'{0.0.0.0/0}'", want: "target 1: a subnet of all"},
		{targets: "'{192.0.2.1,::/0}'", want: "target 2: a subnet of all"},
		{targets: "'{.b.example}'", want: "a domain has a dot"},
		{targets: "'{b.example.}'", want: "a domain has a dot"},
		{targets: "'{b canary.example}'", want: "a domain has a dot"},
		{targets: "'{b..example}'", want: "a domain has a dot"}, {targets: "'{\"\"}'", want: "a domain has a dot"},
		{targets: "'{192.0.2.1/24}'", want: "write 192.0.2.0/24"}, {targets: "'{192.0.2.0/33}'", want: "no IP address"},
		{targets: "'{1.2.3.4.5}'", want: "no IP address"}, {targets: "'{2001:db8::g}'", want: "no IP address"},
		{targets: "'{10.0.0.5 in VLAN}'", want: "such as vlan 12"},
		{targets: "'{b.example in vlan 12}'", want: "a domain has a dot"},
		{since: "'infinity'", want: "the period of mail has"}, {since: "null", want: "the period of mail has"},
		{before: "'2026-10-01'", want: "the period of mail has"},
		{before: "'infinity'", want: "the period of mail has"},
		{until: "'infinity'", want: "a warrant has an end"}, {until: "null", want: "a warrant has an end"},
		{until: "clock_timestamp() - interval '1 s'", want: "valid_until is past"},
		{since: "'2098-01-01'", before: "'2099-01-01'", until: "'2097-01-01'",
			want: "begins when the warrant has ended"},
		{since: "'2019-01-01'", before: "'2019-02-01'", want: "older than the retention"},
	} {
		or := func(value, usual string) string {
			if value == "" {
				return usual
			}
			return value
		}
		sql := fmt.Sprintf("select apply_for_warrant(%s, %s, %s, %s, %s, %s, %s)", or(c.which, "'1'"),
			or(c.basis, "'order'"),
			or(c.auditors, auditor), or(c.targets, "'{a@b.example}'"),
			or(c.since, "'2026-10-01'"), or(c.before, "'2026-11-01'"), or(c.until, "'2099-01-01'"))
		_, err := admin.Conn().Exec(t.Context(), sql)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", sql, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			c.auditors == "" && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v; want %q", sql, err, c.want)
		}
	}
	if n := ask[int](t, db, "select count(*) from warrant_events"); n != 1 {
		t.Errorf("%d applications are recorded, want that which is right", n)
	}
	// What a hold keeps is not older than the retention.
	loadRows(t, db, "tap", at(old))
	run(t, db, "select apply_for_warrant('1', 'order', array[session_user], '{b@b.example}', '2020-02-29', "+
		"'2020-03-01', '2099-01-01')")
}

// What may be a mistake and may be right is a warning.
func TestWarrant_WarnsOfWhatMayBeATypo(t *testing.T) {
	db := database(t, false)
	stranger := sessionUser(t, as(t, db, "pg_monitor", "stranger"))
	admin := sessionUser(t, as(t, db, "tap25_admin", "admin"))
	for target, want := range map[string]string{
		"canary@orchard": "domain has no dot", "canary@b.example.": "one too many", "canary@b..example": "one too many",
		"canary@bücher.example": "in both forms", "canary.bücher.example": "in both forms",
		"canary.XN--bcher-kva.example": "in both forms", "canary@b.xn--p1ai": "in both forms",
		"canary@b.example,": "a comma", "b.example;": "a semicolon", "canary@b.example,c.example": "a comma",
		"*@canary.example": "no wildcards", "canary@%.example": "no wildcards", "*.canary.example": "no wildcards",
		"canary@b.example": "", "a%canary@b.example": "", "canary@[192.0.2.1]": "", "canary.axn--b.example": "",
	} {
		session, told := toldSession(t, db, admin)
		run(t, session, "set client_min_messages = warning")
		run(t, session,
			"select apply_for_warrant('1', 'order', array[$1::name], array[$2], '2026-10-01', '2026-11-01', "+
				"'2099-01-01')", stranger, target)
		text := told()[max(strings.Index(told(), "the role"), 0):]
		if !strings.Contains(text, "no member of tap25_auditor") || !strings.Contains(text, want) ||
			strings.Contains(text, "canary") || want == "" && strings.Contains(text, "domain") {
			t.Errorf("%s: the applicant is told %s; want %q", target, text, want)
		}
	}
}

func TestHold_IsCheckedAsAWarrantIs(t *testing.T) {
	db := database(t, false)
	admin := as(t, db, "tap25_admin", "admin")
	for args, want := range map[string]string{
		"null, 'marta', null":                   "a domain has a dot",
		"'canary@', null, null":                 "a mailbox is written user@domain",
		"'canary a@b.example', null, null":      "a mailbox is written user@domain",
		"null, null, '192.0.2.1/24'":            "write 192.0.2.0/24",
		"null, null, null":                      "name one of",
		"'canary@b.example', 'b.example', null": "name one of",
		"null, '.be', null":                     "a domain has a dot",
	} {
		_, err := admin.Conn().Exec(t.Context(), "select add_hold("+args+", null, null, null, 'order')")
		fails(t, args, err, "22023")
		if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", args, err)
		}
	}
	for args, want := range map[string]string{"null, null, '10.0.0.5', null, null, null, 'order', 'VLAN 12'": "such as vlan 12",
		"'canary@b.example', null, null, null, null, null, 'order', 'vlan 12'": "only with an IP address"} {
		_, err := admin.Conn().Exec(t.Context(), "select add_hold("+args+")")
		fails(t, args, err, "22023")
		if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
