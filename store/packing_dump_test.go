package store

import (
	"bytes"
	"testing"
)

// Packed rows name their links, which a dump keeps. A day that was not packed is told apart by the order of its rows,
// which blocks do not have: it stays unpacked.
func TestVerify_PackedDaysOfADumpThatWasRestored(t *testing.T) {
	name, s := provenDatabase(t)
	db := another(t, name)
	if n := ask[int](t, db, "select pack_rows('2020-03-02', 5, 4 << 20)"); n == 0 {
		t.Fatal("nothing was packed")
	}
	want, mail := verify(t, db, trusting(s)), tuples(t, db, "select * from mail order by seen_at, mail::text")
	db.Close()
	db = restored(t, name)
	if !bytes.Equal(tuples(t, db, "select * from mail order by seen_at, mail::text"), mail) {
		t.Error("the restored database has other mail")
	}
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Rows != want.Rows {
		t.Errorf("%+v, want %d rows", r, want.Rows)
	}
	if n := ask[*int](t, db, "select pack_rows('2020-03-01', 5, 4 << 20)"); n != nil {
		t.Errorf("%d rows were packed whose links nobody knows", *n)
	}
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// The server that a dump is restored into counts transactions anew: a row may have by chance the xmin that a link of
// before names. It is not taken for a row of that link.
func TestVerify_ADumpWhoseRowsHaveTheXminOfALinkByChance(t *testing.T) {
	name, s := provenDatabase(t)
	db := restored(t, name)
	want := verify(t, db, trusting(s))
	execute(t, db, "alter table tap25.links disable trigger user", `update tap25.links l
		set xid = case number when 2 then (select e.xmin from envelopes e where e.seen_at >= '2020-03-01'
			and e.seen_at < '2020-03-02' limit 1) else xid end`, "alter table tap25.links enable always trigger append_only")
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Rows != want.Rows || r.Rows == 0 {
		t.Errorf("%+v, want %d rows", r, want.Rows)
	}
	if n := ask[*int](t, db, "select pack_rows('2020-03-01', 5, 4 << 20)"); n != nil {
		t.Errorf("%d rows were packed whose links nobody knows", *n)
	}
}
