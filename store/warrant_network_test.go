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
	for _, c := range []struct {
		target   string
		byOrigin bool
		want     string
	}{
		{"10.0.0.5", true, direct + " proxied@b.example"},
		{"10.0.0.5", false, direct},
		{"10.0.0.5 in vlan 12", true, "vlan12@b.example proxied@b.example"},
		{"10.0.0.0/24 in vlan 12", false, "vlan12@b.example proxied@b.example"},
		{"2001:db8::25 in vxlan 5001/vlan 12", true, "vxlan5001/vlan12@b.example"},
		{"10.0.0.5 in vlan 14", true, ""},
	} {
		approve(t, db, ask[int64](t, admin, "select apply_for_warrant('2026-17', 'order', array[$1::name], array[$2], "+
			"'2020-02-29', '2020-03-01', now() + interval '1 day', $3)", sessionUser(t, auditor), c.target, c.byOrigin))
		openCase(t, auditor)
		run(t, auditor, "select ask_case('2026-17')")
		if got := recipients(t, auditor, "case_mail('2026-17')"); got != c.want {
			t.Errorf("%s opens %q, want %q", c.target, got, c.want)
		}
		if got := ask[string](t, db, "select targets[1] from accesses order by id desc limit 1"); got != c.target {
			t.Errorf("%s is recorded as %s", c.target, got)
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
	run(t, db, "select ask_case('2026-17')")
	if got, want := recipients(t, db, "case_mail('2026-17')"), direct; got != want {
		t.Errorf("opens %q, want %q", got, want)
	}
	execute(t, db, "select end_warrant(id, 'it had no end') from warrants where case_id = 'endless'")
	if n := ask[int](t, db, "select count(*) from warrants where case_id = 'endless' and valid_until <= now()"); n != 1 {
		t.Error("a warrant without end is not ended")
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
	if err != nil || len(holds) != 2 || *holds[0].Rows != 2 || *holds[1].Rows != 0 || *holds[1].SeenIn != "vlan 13" {
		t.Errorf("holds %+v, %v", holds, err)
	}
}
