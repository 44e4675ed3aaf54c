package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tap25/store/spool"
	"tap25/store/storetest"
)

// onCitus has the test's databases be distributed over several machines.
func onCitus(t *testing.T) {
	t.Helper()
	storetest.Citus(t, func(name string) {
		db := another(t, name)
		defer db.Close()
		err := db.Migrate(t.Context())
		if err == nil {
			_, err = db.Distribute(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// What tests say of one server holds on several machines.
func TestDistribute_BehavesAsBefore(t *testing.T) {
	onCitus(t)
	for name, test := range map[string]func(*testing.T){
		"a load is once":          TestLoad_SegmentIsLoadedOnce,
		"hostile text":            TestLoad_HostileTextIsStored,
		"segments are signed":     TestLoader_SignsEachSegment,
		"refused rows":            TestLoader_RefusedRowsAreSetAsideAndTheirNeighboursLoaded,
		"misdated rows":           TestExpire_MisdatedRowsGoByTheTimeTheyWereLoaded,
		"misdated rows are held":  TestExpire_MisdatedRowsAreHeldToo,
		"two holds":               TestExpire_RowOfTwoHoldsStaysOnceUntilBothEnd,
		"files load again":        TestExpire_FilesOfHeldOrMisdatedRowsStay,
		"imported rows":           TestLoadMissing,
		"a sensor":                TestSensor_AddsRowsAndReadsNone,
		"an administrator":        TestAdmin_ExpiresAndHoldsAndReadsNoMail,
		"an auditor":              TestAuditor_ReadsWhatAWarrantOpensAndIsRecorded,
		"what an answer rests on": TestCase_WhatAnAnswerRestsOnIsForWhoAsked,
		"the digest":              TestCase_TheDigestIsThatOfWhatIsShown,
		"each mail once":          TestOnce_CountsRowsBesideTheDays,
		"questions":               TestInvestigate_QuestionsAgreeWithTheirMeaning,
		"hops":                    TestHops_LinksWhatSpeaksForIt,
		"completeness":            TestCompleteness_NaiveModel,
		"widths":                  TestSetVolume_ChangesTheDaysAheadThatAreEmpty,
		"summaries":               TestExpire_DropsThePrintsOfADay,
	} {
		t.Run(name, test)
	}
}

// Evidence holds on several machines: what was loaded, destroyed and held verifies, and each edit is found.
func TestDistribute_VerifyFindsEdits(t *testing.T) {
	onCitus(t)
	name, s := provenDatabase(t)
	db := another(t, name)
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Rows == 0 {
		t.Fatalf("before any edit: %d rows, %v", r.Rows, r.Findings)
	}
	for _, edit := range []string{
		"update envelopes set rcpt_to = 'x@c.example' where session_id = 101 and sensor = 'tap'",
		"delete from envelopes where session_id = 202 and sensor = 'ams-1'",
		"update envelopes set entered = null where session_id = 301 and sensor = 'tap'",
		"delete from held where session_id = 400 and sensor = 'tap'",
		"delete from misdated where sensor = 'ams-1' and seen_at = '1969-12-31 01:03Z'",
	} {
		before := len(verify(t, db, trusting(s)).Findings)
		tag, err := db.Conn().Exec(t.Context(), edit)
		if err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("%s: %v, %v", edit, tag, err)
		}
		if after := len(verify(t, db, trusting(s)).Findings); after <= before {
			t.Errorf("%s: %d findings as before", edit, after)
		}
	}
}

// A database that has rows is distributed with them, once.
func TestDistribute_TakesTheRowsThatAreThere(t *testing.T) {
	storetest.Citus(t, func(name string) {
		db := another(t, name)
		defer db.Close()
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	db := database(t, false)
	s := signer(t)
	queue := openSpool(t, spool.Config{SegmentRecords: -1})
	loader := NewLoader(LoaderConfig{Spool: queue, Connect: to(db, ""), Signer: s})
	n := 0
	rows := nextRows(&n)
	seal := func(first, behind int) {
		for i := first; i < behind; i++ {
			sealRows(t, queue, fmt.Sprint("segment ", i), rows(20)...)
		}
		drain(t, queue, loader)
	}
	seal(0, 4)
	all := func() string {
		return ask[string](t, db, `select string_agg(x, '|' order by x) from (
			select row_to_json(m)::text as x from (select * from mail where session_id < 80 offset 0) m) m`)
	}
	before := all()
	execute(t, db, "set citus.enable_ddl_propagation = off", // as before the server had Citus
		"create publication mail_rows for table envelopes, misdated")
	if _, err := db.Distribute(t.Context()); err == nil || !strings.Contains(err.Error(), "a publication") {
		t.Errorf("with a logical copy: %v", err)
	}
	execute(t, db, "drop publication mail_rows", "reset citus.enable_ddl_propagation")
	d, err := distributeDuringLoad(t, db, func() {
		sealRows(t, queue, "segment 4", rows(20)...)
		drain(t, queue, loader)
	})
	if err != nil || !d.Before.IsZero() || d.Rows != 80 || d.Workers < 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	if after := all(); after != before {
		t.Error("the rows are others than before")
	}
	// Citus leaves the rows in the files of the coordinator, where no expiry would ever reach them.
	if n := ask[int](t, db, `select coalesce(sum(pg_relation_size(t)), 0) from (
		select i.inhrelid::regclass as t from pg_inherits i where i.inhparent = 'envelopes'::regclass
		union all values ('misdated'::regclass), ('held'::regclass)) x`); n != 0 {
		t.Errorf("the coordinator keeps %d octets of rows", n)
	}
	if d, err := again(t, db).Distribute(t.Context()); err != nil || d.Before.IsZero() {
		t.Errorf("the second time: %+v, %v", d, err)
	}
	seal(5, 6)
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Rows != 120 {
		t.Errorf("%d rows verified, %v", r.Rows, r.Findings)
	}
	if _, err := db.PackDays(t.Context(), PackConfig{}); !errors.Is(err, ErrDistributed) {
		t.Errorf("packing: %v", err)
	}
	if n := ask[int](t, db, `select count(pack_day(day)) from days`); n != 0 {
		t.Errorf("pack_day packed %d days", n)
	}
	status, err := db.Status(t.Context())
	if err != nil || status.Rows != 120 || status.Servers != d.Workers || status.Bytes < 120*200 {
		t.Errorf("status: %+v, %v", status, err)
	}
	checkSensorsRights(t, db)
	checkPlans(t, db)
}

// distributeDuringLoad distributes a database while a load waits for that. A reader keeps both waiting first.
func distributeDuringLoad(t *testing.T, db *DB, load func()) (d Distribution, err error) {
	t.Helper()
	other := again(t, db)
	waiting := func(n int) {
		wait(t, func() bool {
			return ask[int](t, other, "select count(*) from pg_stat_activity "+
				"where wait_event_type = 'Lock' and datname = current_database()") == n
		})
	}
	reader, err := again(t, db).Conn().Begin(t.Context())
	if err == nil {
		_, err = reader.Exec(t.Context(), "lock table envelopes in access share mode")
	}
	if err != nil {
		t.Fatal(err)
	}
	distributed, loaded := make(chan struct{}), make(chan struct{})
	go func() { d, err = db.Distribute(t.Context()); close(distributed) }()
	waiting(1)
	go func() { load(); close(loaded) }()
	waiting(2)
	if err := reader.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	<-distributed
	<-loaded
	return d, err
}

// checkSensorsRights looks at tables and shards: rows take the way on which they are checked.
func checkSensorsRights(t *testing.T, db *DB) {
	t.Helper()
	execute(t, db, "select grant_roles()") // as each migration does
	if n := ask[int](t, db, `select count(*) from pg_class c where c.relkind in ('r', 'p')
		and (c.relname ~ '^envelopes' or c.relname = 'misdated') and has_table_privilege('tap25_sensor', c.oid, 'insert')`) +
		ask[int](t, db, `select count(*) from run_command_on_shards('envelopes',
			'select has_table_privilege(''tap25_sensor'', ''%s'', ''insert'')') where result = 't'`); n != 0 {
		t.Errorf("sensors may add to %d tables past what checks their rows", n)
	}
}

// checkPlans looks at plans: no question brings all rows to the coordinator.
func checkPlans(t *testing.T, db *DB) {
	t.Helper()
	for _, question := range []string{"select * from mail where rcpt_to = 'r1@b.example'",
		"select count(*) from mail where client_ip <<= '10.0.0.0/8'",
		"select sensor, count(*) from mail group by sensor"} {
		plan := strings.Join(lines(t, db, "explain (costs off) "+question), "\n")
		if !strings.Contains(plan, "Citus Adaptive") || strings.Contains(plan, "Distributed Subplan") {
			t.Errorf("%s:\n%s", question, plan)
		}
	}
}

func TestDistribute_SaysWhatIsMissing(t *testing.T) {
	db := database(t, false)
	_, err := db.Distribute(t.Context())
	if err == nil || !strings.Contains(err.Error(), "does not have the extension citus") {
		t.Errorf("without the extension: %v", err)
	}
	if n := ask[int](t, db, "select count(*) from distribution"); n != 0 {
		t.Error("it is noted as distributed")
	}
	if _, err := another(t, storetest.Database(t)).Distribute(t.Context()); !errors.Is(err, ErrNoSchema) {
		t.Errorf("without the schema: %v", err)
	}
}
