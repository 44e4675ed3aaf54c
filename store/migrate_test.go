package store

import (
	"io/fs"
	"testing"
	"time"
)

// before inserts rows as the tap25 of schema 2 did.
const before = `
	create table envelopes_20260102 partition of envelopes for values from ('2026-01-02 00:00Z') to ('2026-01-03 00:00Z');
	create table envelopes_20260103 partition of envelopes for values from ('2026-01-03 00:00Z') to ('2026-01-04 00:00Z');
	insert into envelopes (seen_at, session_id, message_bytes, lost_bytes, mail_no, client_port, server_port, outcome, mail_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to)
	select timestamptz '2026-01-02 23:59Z' + n * interval '10 s', n, n, n % 3, n, n * 2000, 65535 - n, (enum_range(null::outcome))[1 + n % 6], 250, n % 4, n % 2 = 0,
	       '192.0.2.1', '2001:db8::25', 'tap', 'User' || n || '@A.example', case when n % 5 > 0 then 'x@b.example' end from generate_series(0, 30) n;
	insert into loads (sensor, segment, rows) values ('tap', 'one', 31)`

func TestMigrate_UpgradesASchemaWithRowsInIt(t *testing.T) {
	for version := int32(2); ; version++ {
		db := database(t, true)
		m, err := db.migrator(t.Context(), "public", sessionUser(t, db))
		if err != nil {
			t.Fatal(err)
		}
		if version > lastInPublic {
			break
		}
		if err := m.MigrateTo(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Conn().Exec(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		const whole = "select string_agg(row_to_json(mail)::text, ' ' order by session_id) from mail"
		want := ask[string](t, db, whole)
		if err := m.MigrateTo(t.Context(), version); err != nil {
			t.Fatal(err)
		}
		if err := db.Check(t.Context()); err != ErrOlderSchema {
			t.Errorf("version %d: %v", version, err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatalf("from version %d: %v", version, err)
		}
		if got := ask[string](t, db, whole); got != want {
			t.Errorf("from version %d: the view mail has changed", version)
		}
		if n := ask[int](t, db, "select count(*) from mail_from('uSER7@a.example')"); n != 1 {
			t.Errorf("from version %d: %d rows by address, want 1", version, n)
		}
		again, err := db.Load(t.Context(), "tap", "one", encode(full()))
		if err != nil || again {
			t.Errorf("from version %d: a segment was loaded again: %v, %v", version, again, err)
		}
		if s, err := db.Status(t.Context()); err != nil || s.Rows != 31 || s.Partitions != 2 {
			t.Errorf("from version %d: %+v, %v", version, s, err)
		}
		loadRows(t, db, "tap", at(time.Date(2026, 1, 3, 5, 0, 0, 0, time.UTC)))
		if r := expire(t, db, ExpireConfig{Retention: Retention{Days: 1}, Version: "test"}); len(r.Dropped) != 2 || r.Dropped[0].Rows+r.Dropped[1].Rows != 32 {
			t.Errorf("from version %d: %+v", version, r)
		}
	}
}

// A migration that was released is never changed: the next one is added.
func TestMigrations_AreNumberedWithoutAGap(t *testing.T) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	db := database(t, false)
	have, want, err := db.Version(t.Context())
	if err != nil || have != want || int(want) != len(files) {
		t.Errorf("version %d of %d, %d files, %v", have, want, len(files), err)
	}
}
