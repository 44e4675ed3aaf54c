package store

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/smtp"
	"tap25/store/spool"
	"tap25/store/storetest"
)

// beforeOrigins is the last version of the schema whose rows name no origin and no network.
const beforeOrigins = 16

// migratedTo is a database of an older version, all in tap25's own schemas.
func migratedTo(t testing.TB, version int32) *DB {
	t.Helper()
	db := database(t, true)
	schema, owner, err := db.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.migrateTo(t.Context(), schema, owner, version); err != nil {
		t.Fatal(err)
	}
	return db
}

// oldSegment puts the segment of testdata that the tap25 of schema 16 has sealed, with the rows of full and bare, into
// the directory of a spool.
func oldSegment(t testing.TB) (dir string, rows []*smtp.Envelope) {
	t.Helper()
	const name = "00066156257e46a8-b13077db19010880-2.seg"
	dir = t.TempDir()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*smtp.Envelope{full(), bare()} {
		e.OriginIP, e.OriginPort, e.OriginBy, e.Network = netip.Addr{}, 0, smtp.ByNobody, ""
		rows = append(rows, e)
	}
	return dir, rows
}

func TestLoader_LoadsSegmentsOfBeforeRowsHadOrigins(t *testing.T) {
	db := database(t, false)
	dir, rows := oldSegment(t)
	s := openSpool(t, spool.Config{Dir: dir})
	old, _, err := s.Read(s.Sealed()[0])
	if err != nil || len(old) != len(rows) {
		t.Fatalf("%d rows, %v", len(old), err)
	}
	for i, record := range old {
		e, err := ParseRow(record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rows[i], e, sameAddrs); diff != "" {
			t.Errorf("row %d: -want +got:\n%s", i, diff)
		}
		if string(AppendRow(nil, e)) != string(record) { // or a capture that is replayed again would come twice
			t.Errorf("row %d has another form now, though it names neither origin nor network", i)
		}
	}
	sealRows(t, s, "new", encode(full())...)
	drain(t, s, NewLoader(LoaderConfig{Spool: s, Connect: to(db, "")}))
	got := ask[string](t, db, `select string_agg(concat_ws(' ', host(origin_ip), origin_port, origin_by, network, queue_id), ', '
		order by seen_at, origin_by) from mail`)
	if want := ", 2001:db8::7 50000 proxy vxlan 5001/vlan 3 Q1, Q1"; got != want {
		t.Errorf("loaded %q, want %q", got, want)
	}
}

// A row is as large with the new columns as without them, if they are null and any other column is: no mail has all.
func TestRow_NullOriginsTakeNoRoom(t *testing.T) {
	db := database(t, false)
	whole := at(old)
	whole.OriginIP, whole.OriginPort, whole.OriginBy, whole.Network = netip.Addr{}, 0, smtp.ByNobody, ""
	whole.LostBytes = 0
	least := bare()
	least.SeenAt = old
	loadRows(t, db, "tap", whole, least)
	execute(t, db, "create temp table wide as table tap25_internal.envelopes",
		"create temp table narrow as select "+columns+" from tap25_internal.envelopes")
	const size = "select sum(pg_column_size(t.*)) from "
	wide, narrow := ask[int](t, db, size+"wide t"), ask[int](t, db, size+"narrow t")
	if wide != narrow || wide == 0 {
		t.Errorf("two rows have %d octets with the new columns, %d without", wide, narrow)
	}
}

func TestLoader_NewRowsWaitForADatabaseThatIsMigrated(t *testing.T) {
	db := migratedTo(t, beforeOrigins)
	d, err := NewDatabase(storetest.DSN(t, db.Conn().Config().Database))
	if err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, spool.Config{})
	sealRows(t, s, "", encode(full(), bare())...)
	l := NewLoader(LoaderConfig{Spool: s, Connect: d.Connect})
	err = l.try(t.Context(), s.Sealed(), nil)
	if !errors.Is(err, ErrOlderSchema) || !Hopeless(err) || !strings.Contains(err.Error(), "tap25 db migrate") ||
		len(s.Sealed()) != 1 {
		t.Errorf("%v, %d segments wait", err, len(s.Sealed()))
	}
	_, err = db.Load(t.Context(), "tap", "past the check", encode(full()))
	if err == nil || ask[int](t, db, "select count(*) from tap25_internal.envelopes") != 0 {
		t.Errorf("an older schema takes a new row: %v", err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	drain(t, s, l)
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// Rows, warrants and holds are held to the form of smtp.IsNetwork.
func TestIsNetwork_IsThatOfTheParser(t *testing.T) {
	db := database(t, false)
	long := strings.Repeat("vlan 4095/", 25)
	for _, s := range []string{"vlan 12", "vxlan 5001/vlan 3", "gtp", "l2tpv3 9", "mac-in-mac 7", "g", "vlan",
		"mpls 16/mpls 17",
		long + "vlan", long + "vlans", long + "vlans/g", "", "vlan12", "vlan  12", "vlan 12 ", " vlan 12", "VLAN 12",
		"vlan 0x1",
		"vlan 1/", "/vlan 1", "vlan 1//gtp", "12", "vlan 1\n", "vlan 1\n/gtp",
		"vlän 1", "vlan ١", "v 1;", "é", "vlan 1/V"} {
		if got, want := ask[bool](t, db, "select tap25_internal.is_network($1)", s), smtp.IsNetwork(s); got != want {
			t.Errorf("%q: the database says %t, the parser %t", s, got, want)
		}
	}
}

func TestRow_OfAnImpossibleOriginIsRefused(t *testing.T) {
	db := database(t, false)
	for name, change := range map[string]func(*smtp.Envelope){
		"who names it":           func(e *smtp.Envelope) { e.OriginBy = 4 },
		"a network's form":       func(e *smtp.Envelope) { e.Network = "vlan12" },
		"a network's length":     func(e *smtp.Envelope) { e.Network = strings.Repeat("v", smtp.MaxNetwork+1) },
		"a network's characters": func(e *smtp.Envelope) { e.Network = "vlan 1\x1b[2J" },
	} {
		for _, when := range []time.Time{old, time.Unix(1, 0)} { // the second is misdated
			e := at(when)
			change(e)
			_, err := db.Load(t.Context(), "tap", name, encode(e))
			fails(t, name, err, "23514")
		}
	}
	const insert = "insert into tap25_internal.misdated (seen_at, session_id, mail_no, client_port, server_port, " +
		"outcome, flags, auth, client_ip, server_ip, sensor, reason, %s) " +
		"values ('1970-01-01', 1, 1, 0, 0, 1, 0, false, '192.0.2.1', '192.0.2.2', 'tap', 'before 1990', %s)"
	for columns, values := range map[string]string{
		"origin_port, origin_by": "-32768, 1", "origin_port": "1", "origin_ip": "'192.0.2.1'", "origin_by": "0",
	} {
		_, err := db.Conn().Exec(t.Context(), fmt.Sprintf(insert, columns, values))
		fails(t, columns, err, "23514")
	}
	none := at(old) // an origin that nobody names is none
	none.OriginBy = smtp.ByNobody
	loadRows(t, db, "tap", none)
	const nobody = "select count(*) from mail where num_nonnulls(origin_ip, origin_port, origin_by) = 0 and network " +
		"is not null"
	if n := ask[int](t, db, nobody); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestMailClient_FindsOriginsByIndexAndSummary(t *testing.T) {
	db := manyHosts(t, func(i int, e *smtp.Envelope) {
		e.OriginIP, e.OriginBy = netip.Addr{}, smtp.ByNobody
		switch i {
		case 77:
			e.OriginIP, e.OriginBy = netip.MustParseAddr("10.9.9.9"), smtp.ByXCLIENT
		case 78:
			e.OriginIP, e.OriginBy = netip.MustParseAddr("10.0.0.79"), smtp.ByXFORWARD
		}
	})
	loadRows(t, db, "tap", at(old)) // another day
	for _, summarized := range []bool{false, true} {
		if summarized {
			if done := finish(t, db, soon); len(done) != 2 {
				t.Fatalf("%d days finished, want 2", len(done))
			}
		}
		for question, want := range map[string]int{
			"mail_client('10.9.9.9')": 1, "mail_client('10.0.0.79')": 2, "mail_client('10.0.0.78')": 1,
			"mail_client('10.9.9.0/24')": 1, "mail_client('10.9.9.10')": 0,
		} {
			n, touched := scans(t, db, question)
			// which no summary of the day rules out, and none knows a subnet
			asked := touched["envelopes_20200229"] != ""
			if n != want || touched["envelopes_20260102"] == "whole" ||
				summarized && asked && !strings.Contains(question, "/") {
				t.Errorf("%s, summarized %t: %d rows, %v; want %d by index", question, summarized, n, touched, want)
			}
		}
	}
}
