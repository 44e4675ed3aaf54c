package store

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
)

// tenants are mails of one private address in several networks, each known by its recipient; and one by way of a proxy.
func tenants(t testing.TB, db *DB) {
	t.Helper()
	var rows []*smtp.Envelope
	for i, network := range []string{"", "vlan 12", "vlan 13", "vxlan 5001/vlan 12"} {
		e := at(old.Add(time.Duration(i) * time.Minute))
		e.Client = netip.MustParseAddrPort("10.0.0.5:40000")
		e.OriginIP, e.OriginPort, e.OriginBy = netip.Addr{}, 0, smtp.ByNobody
		e.Network, e.RcptTo = network, new(strings.ReplaceAll(network, " ", "")+"@b.example")
		rows = append(rows, e)
	}
	proxied := at(old.Add(time.Hour))
	proxied.Client, proxied.OriginIP = netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddr("10.0.0.5")
	proxied.Network, proxied.RcptTo = "vlan 12", new("proxied@b.example")
	loadRows(t, db, "tap", append(rows, proxied)...)
}

// direct are the recipients of what the address has sent itself.
const direct = "@b.example vlan12@b.example vlan13@b.example vxlan5001/vlan12@b.example"

// recipients are those of a question, in order.
func recipients(t testing.TB, db *DB, question string) string {
	t.Helper()
	return ask[string](t, db, "select coalesce(string_agg(rcpt_to, ' ' order by seen_at), '') from "+question)
}

func TestWarrant_OnAnAddressInANetworkOpensThatNetworkAlone(t *testing.T) {
	db := database(t, false)
	tenants(t, db)
	auditor, admin := as(t, db, "tap25_auditor", "auditor"), as(t, db, "tap25_admin", "admin")
	for _, c := range []struct{ columns, values, want, target string }{
		{"network", "'10.0.0.5'", direct + " proxied@b.example", "10.0.0.5/32"},
		{"network, by_origin", "'10.0.0.5', false", direct, "10.0.0.5/32"},
		{"network, seen_in", "'10.0.0.5', 'vlan 12'", "vlan12@b.example proxied@b.example", "10.0.0.5/32 in vlan 12"},
		{"network, seen_in, by_origin", "'10.0.0.0/24', 'vlan 12', false", "vlan12@b.example proxied@b.example",
			"10.0.0.0/24 in vlan 12"},
		{"network, seen_in", "'2001:db8::25', 'vxlan 5001/vlan 12'", "vxlan5001/vlan12@b.example",
			"2001:db8::25/128 in vxlan 5001/vlan 12"},
		{"network, seen_in", "'10.0.0.5', 'vlan 14'", "", "10.0.0.5/32 in vlan 14"},
	} {
		grant(t, admin, auditor, c.columns, c.values)
		openCase(t, auditor)
		if got := recipients(t, auditor, "case_mail('2026-17')"); got != c.want {
			t.Errorf("%s = %s opens %q, want %q", c.columns, c.values, got, c.want)
		}
		if got := ask[string](t, db, "select targets[1] from accesses order by id desc limit 1"); got != c.target {
			t.Errorf("%s = %s is recorded as %s, want %s", c.columns, c.values, got, c.target)
		}
		execute(t, admin, "select end_warrant(id, 'the next is tried') from warrants where valid_until > now()")
	}
}

func TestWarrant_OfBeforeDoesNotOpenWhatAProxyNames(t *testing.T) {
	db := migratedTo(t, beforeOrigins)
	execute(t, db, `insert into warrants (case_id, auditor, network, since, before, valid_until, reason)
		values ('2026-17', session_user, '10.0.0.5', '2020-02-29', '2020-03-01', now() + interval '1 day', 'order'),
			('endless', session_user, '10.0.0.5', '2020-02-29', '2020-03-01', 'infinity', 'order')`)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	tenants(t, db)
	openCase(t, db)
	if got, want := recipients(t, db, "case_mail('2026-17')"), direct; got != want {
		t.Errorf("opens %q, want %q", got, want)
	}
	execute(t, db, "select end_warrant(id, 'it had no end') from warrants where case_id = 'endless'")
	if n := ask[int](t, db, "select count(*) from warrants where case_id = 'endless' and valid_until <= now()"); n != 1 {
		t.Error("a warrant without end is not ended")
	}
}

func TestWarrant_OfAnImpossibleNetworkOrWithoutEndIsRefusedInPlainWords(t *testing.T) {
	db := database(t, false)
	admin := as(t, db, "tap25_admin", "admin")
	const rest = "insert into warrants (case_id, auditor, since, before, reason, valid_until, "
	const values = "values ('1', 'paula', '2020-02-29', '2020-03-01', 'order', "
	for sql, want := range map[string]string{
		rest + "network, seen_in) " + values + "'2099-01-01', '10.0.0.5', 'vlan12')":            "such as vlan 12",
		rest + "network, seen_in) " + values + "'2099-01-01', '10.0.0.5', '')":                  "such as vlan 12",
		rest + "mailbox, seen_in) " + values + "'2099-01-01', 'canary@b.example', 'vlan 12')":   "only with an IP address",
		rest + "mailbox) " + values + "'infinity', 'canary@b.example')":                         "a warrant has an end",
		rest + "mailbox) " + values + "null, 'canary@b.example')":                               "a warrant has an end",
		"select add_hold(null, null, '10.0.0.5', null, null, null, 'order', 'VLAN 12')":         "such as vlan 12",
		"select add_hold('canary@b.example', null, null, null, null, null, 'order', 'vlan 12')": "only with an IP address",
	} {
		_, err := admin.Conn().Exec(t.Context(), sql)
		fails(t, sql, err, "22023")
		if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{ // past the view
		rest + "network) " + values + "'infinity', '10.0.0.5')",
		rest + "network, seen_in) " + values + "'2099-01-01', '10.0.0.5', 'vlan12')",
	} {
		_, err := db.Conn().Exec(t.Context(), strings.Replace(sql, "warrants", "tap25_internal.warrants", 1))
		fails(t, sql, err, "23514")
	}
}

func TestHold_OnAnAddressInANetworkKeepsThatNetworkAlone(t *testing.T) {
	db := database(t, false)
	hold(t, db, "10.0.0.5", func(h *Hold) { h.SeenIn = new("vlan 12") })
	tenants(t, db)
	expire(t, db, impatient)
	if got, want := recipients(t, db, "mail"), "vlan12@b.example proxied@b.example"; got != want {
		t.Errorf("%q are kept, want %q", got, want)
	}
	hold(t, db, "10.0.0.5", func(h *Hold) { h.SeenIn = new("vlan 13") }) // for which nothing is left
	holds, err := db.Holds(t.Context(), false)
	if err != nil || len(holds) != 2 || holds[0].Rows != 2 || holds[1].Rows != 0 || *holds[1].SeenIn != "vlan 13" {
		t.Errorf("holds %+v, %v", holds, err)
	}
}
