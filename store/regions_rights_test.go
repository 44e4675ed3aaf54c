package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/storetest"
)

// An owner who is no superuser is told what one has to run, and that suffices. An extension that others may use is
// refused.
func TestRegions_OwnerLearnsWhatASuperuserHasToRun(t *testing.T) {
	super, owner := ownDatabase(t)
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fails(t, "no region", owner.Conn().QueryRow(t.Context(), "select from tap25.mail_national_to('a@a.example')").
		Scan(), "55000")
	run(t, super, "create extension dblink schema public")
	const url = "postgres:///nowhere?host=/nowhere"
	if err := owner.AddRegion(t.Context(), "one", url); err == nil ||
		!strings.Contains(err.Error(), "in the schema public") {
		t.Errorf("in public: %v", err)
	}
	run(t, super, "drop extension dblink")
	err := owner.AddRegion(t.Context(), "one", url)
	if err == nil {
		t.Fatal("an owner without rights makes an extension")
	}
	_, statements, _ := strings.Cut(err.Error(), "without either:\n")
	statements, _, _ = strings.Cut(statements, "\nERROR")
	run(t, super, statements)
	if err := owner.AddRegion(t.Context(), "one", url); err != nil {
		t.Fatal(err)
	}
	// Whoever may create in its schema could have functions run as the owner.
	for _, s := range [][2]string{{"grant create on schema tap25_dblink to public",
		"revoke create on schema tap25_dblink from public"},
		{"alter schema tap25_dblink owner to tap25_sensor", "alter schema tap25_dblink owner to current_user"}} {
		run(t, super, s[0])
		_, err := owner.Regions(t.Context(), 5*time.Second)
		fails(t, s[0], err, "55000")
		if err := owner.AddRegion(t.Context(), "two", url); err == nil {
			t.Errorf("%s: a region is added", s[0])
		}
		run(t, super, s[1])
	}
	regions, err := owner.Regions(t.Context(), 5*time.Second)
	if err != nil || len(regions) != 1 || regions[0].Failure != "no connection" {
		t.Errorf("%v, %v", regions, err)
	}
	if err := owner.DropRegion(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	if err := owner.DropRegion(t.Context(), "one"); err == nil {
		t.Error("a region that is not there is dropped")
	}
}

// The functions that ask the regions run as the owner of tap25, so a superuser who adds a region lets that owner use
// dblink, also where a superuser has made the extension before.
func TestRegions_ASuperuserAddsThemForTheOwner(t *testing.T) {
	super, owner := ownDatabase(t)
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"", "create schema tap25_dblink; create extension dblink schema tap25_dblink"} {
		run(t, super, "drop schema if exists tap25_dblink cascade; "+before)
		if err := super.AddRegion(t.Context(), "one", "postgres:///nowhere?host=/nowhere"); err != nil {
			t.Fatalf("%q: %v", before, err)
		}
		regions, err := owner.Regions(t.Context(), 5*time.Second)
		if err != nil || len(regions) != 1 || regions[0].Failure != "no connection" {
			t.Errorf("%q: %v, %v", before, regions, err)
		}
	}
}

func TestRegions_AuditorsReadWhatEachRegionsWarrantsOpen(t *testing.T) {
	db, north, south := nation(t)
	letLoginsIn(t)
	const secret = " password '" + storetest.Password + "'"
	newLogin(t, db, "paula")
	for _, r := range []*region{north, south} {
		run(t, r.db, "create role paula login in role tap25_auditor"+secret)
		run(t, r.db, "create role nora login in role tap25_approver")
	}
	id := ask[int64](t, north.db,
		"select apply_for_warrant('2026-17', 'order', '{paula}', '{b@b.example}', '2020-02-29', "+
			"'2020-03-01', '2099-01-01')")
	run(t, north.db, "set session authorization nora")
	run(t, north.db, "select approve_warrant($1, 'read')", id)
	run(t, north.db, "reset session authorization")

	paula := loginAgain(t, db, "paula")
	const closed = " no answer the case is not open there: open_case_national opens it"
	wantLines(t, "before", national(t, paula, "case_national('2026-17')"), "north"+closed, "south"+closed)
	wantLines(t, "open", lines(t, paula, opensCase), "north open",
		"south refused no warrant that is valid there opens the case")
	wantLines(t, "case", national(t, paula, "case_national('2026-17')"), northern, "north whole 1 row", "south"+closed)
	for question, want := range map[string]string{
		"case_national('2026-17', target => 'c@b.example')": " no answer no warrant that is valid there names this " +
			"target",
		"case_national('2026-17', '2021-01-01')": " no answer no warrant that is valid there opens mail of this " +
			"period",
		"case_national('2026-17''); select 1 --')": closed,
	} {
		wantLines(t, question, national(t, paula, question)[:1], "north"+want)
	}
	const record = "select concat_ws(' ', auditor, action, rows) from accesses order by id"
	wantLines(t, "the north's record", lines(t, north.db, record), "paula open", "paula read 1", "paula shown 1")
	wantLines(t, "the south's record", lines(t, south.db, record), "paula refused")
	run(t, north.db, "select end_warrant($1, 'withdrawn')", id)
	wantLines(t, "ended", national(t, paula, "case_national('2026-17')")[:1],
		"north no answer every warrant of the case has ended there")

	// A login's name is a name, whatever it looks like.
	odd := `paula' host=192.0.2.1 user='national`
	newLogin(t, db, odd)
	run(t, north.db, "create role "+pgx.Identifier{odd}.Sanitize()+" login in role tap25_auditor"+secret)
	wantLines(t, "an odd name", lines(t, loginAgain(t, db, odd), opensCase)[1:],
		"south no answer no connection: it refuses this login")
	othersAskNothing(t, db, paula)
}

const opensCase = "select concat_ws(' ', region, answer, note) from open_case_national('2026-17', 'complaint') order " +
	"by region"

// newLogin makes an auditor of a name that tests share.
func newLogin(t *testing.T, db *DB, name string) {
	t.Helper()
	name = pgx.Identifier{name}.Sanitize()
	run(t, db, "drop role if exists "+name)
	run(t, db, "create role "+name+" login in role tap25_auditor; grant connect on database "+
		db.Conn().Config().Database+" to "+name)
	t.Cleanup(func() { db.Conn().Exec(context.Background(), "drop owned by "+name+"; drop role "+name) })
}

// Nobody else than auditors asks, nor do auditors anything else.
func othersAskNothing(t *testing.T, db, paula *DB) {
	t.Helper()
	for _, sql := range []string{"select * from mail_national_to('b@b.example')",
		"select * from tap25_internal.ask_regions('select 1', null, true, 'national', '5 s')",
		"select * from tap25_internal.mail_of_regions('select 1', 'x', true, 'national', '5 s', 1)",
		"select tap25_dblink.dblink_connect_u('x', 'host=127.0.0.1')",
		"select tap25_dblink.dblink_connect('x', 'host=127.0.0.1 password=x')",
		"select * from tap25_internal.regions"} {
		refused(t, paula, sql)
	}
	for _, role := range []string{"tap25_sensor", "tap25_admin", "tap25_approver", ""} {
		other := login(t, db, role, "other"+strings.TrimPrefix(role, "tap25_"))
		refused(t, other, "select * from tap25.case_national('2026-17')")
		refused(t, other, "select * from tap25.open_case_national('2026-17', 'complaint')")
		refused(t, other, "select * from tap25.mail_national_to('b@b.example')")
	}
}
