package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"tap25/store/evidence"
	"tap25/store/spool"
	"tap25/store/storetest"
)

// provenDatabase makes a database with evidence of each kind: two sensors with segments of several days, misdated rows,
// a day that was destroyed, rows that holds keep, coverage, most of it packed. Nobody is connected to it.
func provenDatabase(t testing.TB) (name string, s *Signer) {
	t.Helper()
	db := database(t, false)
	s = signer(t)
	for _, sensor := range []string{"tap", "ams-1"} {
		queue := openSpool(t, spool.Config{Sensor: sensor, SegmentRecords: -1})
		for segment := range 6 {
			var rows [][]byte
			for n := range 8 {
				e := at(old.AddDate(0, 0, n%3).Add(time.Duration(100*segment+n) * time.Second))
				e.Sensor, e.SessionID = sensor, int64(100*segment+n)
				if n%2 == 0 {
					e.RcptTo = new(fmt.Sprintf("r%d@c.example", n))
				}
				rows = append(rows, AppendRow(nil, e))
			}
			misdated := at(time.Date(1969, 12, 31, 1, segment, 0, 0, time.UTC))
			misdated.Sensor = sensor
			rows = append(rows, AppendRow(nil, misdated))
			for n := range 3 {
				rows = append(rows, AppendCoverage(nil, someMinute(sensor, 1440*(segment%3)+10*segment+n)))
			}
			sealRows(t, queue, fmt.Sprint(sensor, " segment ", segment), rows...)
		}
		loader := NewLoader(LoaderConfig{Spool: queue, Connect: to(db, ""), Signer: s})
		drain(t, queue, loader)
		if err := db.packCoverage(t.Context(), 0, s); err != nil {
			t.Fatal(err)
		}
		sealRows(t, queue, sensor+" late", AppendCoverage(nil, someMinute(sensor, 3)),
			AppendCoverage(nil, someMinute(sensor, 4)), AppendCoverage(nil, someMinute(sensor, 1440)))
		drain(t, queue, loader)
	}
	hold(t, db, "r0@c.example", nil)
	hold(t, db, "r6@c.example", nil)
	expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Change: true, Version: "test", Signer: s,
		Now: old.AddDate(0, 0, 2)})
	if n := ask[int](t, db, "select count(*) from held"); n != 24 {
		t.Fatalf("%d rows are held, want 24", n)
	}
	name = db.Conn().Config().Database
	db.Close()
	return name, s
}

// copied connects to a copy of a database to which nobody is connected.
func copied(t testing.TB, name string) *DB {
	t.Helper()
	admin := another(t, "postgres")
	defer admin.Close()
	copy := fmt.Sprintf("test_%d", time.Now().UnixNano())
	run(t, admin, "create database "+copy+" template "+name)
	db := another(t, copy)
	t.Cleanup(func() {
		db.Close()
		if admin, err := Open(context.Background(), storetest.DSN(t, "postgres")); err == nil {
			admin.Conn().Exec(context.Background(), "drop database "+copy)
			admin.Close()
		}
	})
	return db
}

// someMinute is coverage of a minute with a value in most of its columns, some of which change each hour.
func someMinute(sensor string, n int) *Coverage {
	c := minute(sensor, n)
	c.RingFull = int64(n)
	if n%2 == 0 {
		c.Clock, c.Scope = &Clock{true, -time.Millisecond, time.Second}, strings.Repeat("0f", 32)
	}
	if n%3 == 0 {
		c.Program, c.Interfaces, c.NICDropped = "replay", nil, nil
	}
	return c
}

func verify(t testing.TB, db *DB, cfg VerifyConfig) *VerifyReport {
	t.Helper()
	report, err := db.Verify(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestVerify_WhatWasLoadedAndDestroyedIsAsItWasSigned(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	for _, cfg := range []VerifyConfig{{}, trusting(s), {Sensor: "tap"}, {From: old.AddDate(0, 0, 2)}} {
		r := verify(t, db, cfg)
		if len(r.Findings) > 0 || len(r.Uncovered) > 0 || len(r.Notes) > 0 {
			t.Errorf("%+v: %+v", cfg, r)
		}
	}
	cfg := trusting(s)
	cfg.Witnesses[0].Stamped = time.Now().Add(time.Hour)
	for i := range cfg.Witnesses[1:] { // an authority's clock, by which the sensors' are ahead
		cfg.Witnesses[1+i].Stamped = time.Now().Add(-90 * time.Minute)
	}
	if r := verify(t, db, cfg); r.Stamped != 3 || len(r.Notes) != 2 || !strings.Contains(r.Notes[0], "was ahead by 1h") {
		t.Errorf("%d are stamped, %q", r.Stamped, r.Notes)
	}
	r := verify(t, db, trusting(s))
	// of 3 days one was destroyed: 2 sensors × 6 segments × (2 days and the misdated rows)
	// of each sensor 6 segments have 3 coverage records, the late one 3 more
	if n := ask[int64](t, db, "select sum(records) from coverage"); n != 42 ||
		r.Coverage != ask[int64](t, db, "select count(*) from coverage") || r.Coverage < 6 {
		t.Errorf("%d coverage records: %+v", n, r)
	}
	if r.Segments != 36 || r.Rows != 2*6*(8-3+1) || r.Held != 24 || r.Destroyed != 1 || r.Witnessed != 3 ||
		len(r.Chains) != 3 {
		t.Errorf("%+v", r)
	}
}

// trusting is a verification that knows the key, and the heads from elsewhere.
func trusting(s *Signer) (cfg VerifyConfig) {
	cfg.Keys, cfg.Witnesses = append(cfg.Keys, s.Key.Public()), s.Heads()
	return cfg
}

// edits returns how many random edits the test makes: TAP25_TEST_EDITS, which 'make evidence' sets.
func edits() int {
	if n, err := strconv.Atoi(os.Getenv("TAP25_TEST_EDITS")); err == nil {
		return n
	}
	return len(tampers)
}

// Whoever has all rights on the database changes something; verify finds it, and names it. Each change is undone.
func TestVerify_FindsEachEdit(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	(&editor{DB: db, t: t}).disarm()
	r := rand.New(rand.NewPCG(15, 22))
	for n := range edits() {
		tamper := tampers[n%len(tampers)]
		t.Run(fmt.Sprintf("%d %s", n, tamper.name), func(t *testing.T) {
			tx, err := db.Conn().Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.Background())
			want := tamper.edit(&editor{db, tx, t, r})
			report, err := db.verify(t.Context(), trusting(s), tx.Begin)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				if !hasFinding(report.Findings, w) {
					t.Errorf("%+v is not among the findings %+v", w, report.Findings)
				}
			}
		})
	}
}

// hasFinding reports whether there is a finding that names what another one names.
func hasFinding(found []Finding, want Finding) bool {
	for _, f := range found {
		if (want.Sensor == "" || f.Sensor == want.Sensor) && (want.Segment == "" || f.Segment == want.Segment) &&
			(want.Day == "" || f.Day == want.Day) && strings.Contains(f.What, want.What) {
			return true
		}
	}
	return false
}

// A database of an older tap25: its rows are said not to be covered, by day and number, and what is added to them is
// found.
func TestVerify_RowsOfBeforeAreNotCovered(t *testing.T) {
	db := migratedTo(t, beforeOrigins+1) // any with sensors
	loadRows(t, db, "tap", at(old), at(old), at(old.AddDate(0, 0, 1)),
		at(time.Date(1969, 12, 31, 1, 0, 0, 0, time.UTC)))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := signer(t)
	want := "[{tap 2020-02-29 2 %[1]v} {tap 2020-03-01 1 %[1]v} {tap misdated 1 %[1]v}]"
	for _, signed := range []bool{false, true} {
		if signed {
			db.signer = s
			load(t, db, "tap", "now")
		}
		r := verify(t, db, VerifyConfig{})
		if got := fmt.Sprint(r.Uncovered); len(r.Findings) > 0 || got != fmt.Sprintf(want, signed) {
			t.Errorf("%s, %+v", got, r.Findings)
		}
	}
	expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Change: true, Version: "test", Signer: s,
		Now: old.AddDate(0, 0, 2)})
	if r := verify(t, db, VerifyConfig{}); len(r.Findings) > 0 || r.Destroyed != 1 || len(r.Uncovered) != 2 {
		t.Errorf("after expiry: %+v", r)
	}
	db.signer = nil
	loadRows(t, db, "tap", at(old.AddDate(0, 0, 1)))
	if r := verify(t, db, VerifyConfig{}); !hasFinding(r.Findings,
		Finding{Sensor: "tap", Day: "2020-03-01", What: "1 row of"}) {
		t.Errorf("a row more: %+v", r)
	}
}

// Expiry without a key is said, and so is one that leaves no line.
func TestVerify_DayThatWasDestroyedWithoutACertificate(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	run(t, db, "select set_retention('1 day'); select expire_day('2020-03-01', 'by hand')")
	e := &editor{DB: db, t: t}
	e.disarm()
	run(t, db, "drop table envelopes_20200302")
	r := verify(t, db, trusting(s))
	for _, w := range []Finding{{Day: "2020-03-01", What: "without a certificate: the table expired says by"},
		{Day: "2020-03-02", What: "without a certificate, and the table expired does not have it"}} {
		if !hasFinding(r.Findings, w) {
			t.Errorf("%+v is not among the findings %+v", w, r.Findings)
		}
	}
}

// What a hold kept is dropped with a certificate, and what other holds keep of the day is proven further on.
func TestVerify_ReleasedRowsHaveACertificate(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	for _, left := range []int64{12, 0} {
		if err := db.DropHold(t.Context(), ask[int64](t, db,
			"select min(id) from holds where dropped_at is null")); err != nil {
			t.Fatal(err)
		}
		expire(t, db, ExpireConfig{Version: "test", Signer: s, Now: old.AddDate(0, 0, 2)})
		if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Held != left {
			t.Errorf("%d rows are held, want %d: %+v", r.Held, left, r.Findings)
		}
	}
	last := chainOf(t, db, "", s.Key.Public())
	if l := last[len(last)-2]; l.Kind != evidence.Released || len(l.Days) != 1 || l.Days[0].Rows != 12 {
		t.Errorf("the last certificate is %+v", l.Link)
	}
}

// Certificates that are older than a month, when the names of segments are forgotten, are read too.
func TestVerify_AMonthLater(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	(&editor{DB: db, t: t}).disarm()
	run(t, db, "update links set added_at = added_at - interval '30 days' where sensor = ''")
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Destroyed != 1 {
		t.Errorf("%+v", r)
	}
}

// A capture file whose rows were all dropped is forgotten, and may be loaded again: its links stay true.
func TestVerify_FilesThatAreLoadedAgain(t *testing.T) {
	db := database(t, false)
	db.signer = signer(t)
	expiry := impatient
	expiry.Signer = db.signer
	loadAs(t, db, keyed("replay", 1), old, old.AddDate(0, 0, 3))
	loadAs(t, db, keyed("replay", 2), old, time.Now())
	for _, step := range []struct {
		what string
		do   func()
		rows int64
	}{
		{"dropped", func() { expire(t, db, expiry) }, 1},
		{"loaded again", func() {
			if !loadAs(t, db, keyed("replay", 1), old, old.AddDate(0, 0, 3)) {
				t.Error("the file is not loaded again")
			}
		}, 3},
		{"dropped again, and forgotten", func() {
			expire(t, db, expiry)
			run(t, db, "delete from loads where dropped_at is not null")
		}, 1},
	} {
		step.do()
		if r := verify(t, db, trusting(db.signer)); len(r.Findings) > 0 || r.Rows != step.rows {
			t.Errorf("%s: %+v", step.what, r)
		}
	}
}
