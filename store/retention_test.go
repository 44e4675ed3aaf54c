package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// yearsGoBy makes the misdated rows three years older.
func yearsGoBy(t testing.TB, db *DB) {
	t.Helper()
	execute(t, db, fmt.Sprintf("update tap25_internal.misdated set loaded_at = '%s'",
		time.Now().AddDate(-3, 0, 0).UTC().Format(time.RFC3339)))
}

func TestExpire_DropsNothingThatTheStoredRetentionKeeps(t *testing.T) {
	db := database(t, false)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	var rows [][]byte
	for _, ago := range []int{0, 29, 30, 31, 32} {
		rows = append(rows, encode(at(today.AddDate(0, 0, -ago)))...)
	}
	rows = append(rows, encode(at(time.Unix(1, 0)))...)
	if _, err := db.Load(t.Context(), "tap", "one", rows); err != nil {
		t.Fatal(err)
	}
	sensor, auditor, admin := as(t, db, "tap25_sensor", "sensor"), as(t, db, "tap25_auditor", "auditor"),
		as(t, db, "tap25_admin", "admin")
	day := func(ago int) string {
		return "select * from tap25_internal.expire_day('" + today.AddDate(0, 0, -ago).Format(time.DateOnly) +
			"', '0.0.0-fake')"
	}
	refused(t, admin, day(32)) // none is stored
	refused(t, admin, "select set_retention('23 mons')")
	for _, db := range []*DB{sensor, auditor} {
		refused(t, db, "select tap25.set_retention('1 day')")
	}
	for _, kept := range []string{"'0'", "'-1 day'", "'23 hours'", "'1001 years'"} {
		if _, err := admin.Conn().Exec(t.Context(), "select set_retention("+kept+")"); err == nil {
			t.Errorf("a retention of %s is taken", kept)
		}
	}
	// for ever
	execute(t, admin, "select set_retention('2 years')", "select set_retention('24 mons')",
		"select set_retention(null)")
	refused(t, admin, day(32))
	if r := expire(t, admin, impatient); len(r.Dropped) != 0 {
		t.Errorf("%+v", r)
	}
	for _, kept := range []string{"'1000 years'", "'30 days'"} {
		refused(t, admin, "select set_retention("+kept+")") // which would be shorter
	}
	execute(t, db, "select set_retention('30 days')") // by the owner
	refused(t, admin, "select set_retention('29 days')")
	for _, db := range []*DB{admin, db} { // the owner too
		for _, sql := range []string{day(0), day(29), day(30), "select * from tap25_internal.expire_day(null, 'x')",
			"select * from tap25_internal.end_blockers(current_date, '0')",
			"select * from tap25_internal.expire_misdated(now(), 'x')",
			"select * from tap25_internal.expire_misdated('infinity', 'x')",
			"select * from tap25_internal.expire_misdated(null, 'x')"} {
			refused(t, db, sql)
		}
	}
	execute(t, admin, "set timezone = 'Pacific/Kiritimati'", "set datestyle = 'SQL, DMY'", day(31), day(31))
	refused(t, admin, day(30))
	cfg := impatient
	if r := expire(t, db, cfg); len(r.Dropped) != 1 || !r.Cutoff.Equal(today.AddDate(0, 0, -30)) {
		t.Errorf("%+v", r)
	}
	if n := count(t, db); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
	got := ask[string](t, db, "select string_agg(concat_ws(' ', current_date - day, version, dropped_by = $1, "+
		"dropped_by = session_user), ', ' order by day desc) from expired", sessionUser(t, admin))
	if want := "31 0.0.0-fake t f, 32 test f t"; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

func TestExpire_AShorterRetentionIsRefusedUntilItIsStored(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(time.Now()), at(time.Now().AddDate(0, 0, -10)), at(time.Now().AddDate(0, 0, -5)))
	with := func(r Retention) ExpireConfig { return ExpireConfig{Retention: r, Version: "test", DryRun: true} }
	expire(t, db, with(Retention{Days: 1})) // which only looks
	expire(t, db, ExpireConfig{Retention: Retention{Months: 24}, Version: "test"})
	expire(t, db, with(Retention{Years: 3}))
	for _, dry := range []bool{true, false} {
		cfg := with(Retention{Days: 7})
		cfg.DryRun = dry
		_, err := db.Expire(t.Context(), cfg)
		if !errors.Is(err, ErrShorterRetention) || !strings.Contains(err.Error(), "7d") ||
			!strings.Contains(err.Error(), "2 years") {
			t.Errorf("dry run %v: %v", dry, err)
		}
	}
	report, err := db.Upkeep(t.Context(), "tap", "0", ExpireConfig{Retention: Retention{Days: 7}, Version: "test"}, Retention{Days: 1})
	if err != nil || !report.Shorter || len(report.Dropped) != 0 {
		t.Errorf("upkeep: %+v, %v; want it to go on with the stored one", report, err)
	}
	cfg := with(Retention{Days: 7})
	cfg.DryRun, cfg.Change = false, true
	if r := expire(t, db, cfg); len(r.Dropped) != 1 {
		t.Errorf("%+v", r)
	}
	if got := ask[string](t, db, "select string_agg(kept || ' ' || (set_by = session_user), ', ' order by id) from "+
		"retentions"); got != "2 years true, 7 days true" {
		t.Errorf("stored %s", got)
	}
	if s, err := db.Status(t.Context()); err != nil || s.Retention != "7 days" {
		t.Errorf("status: %+v, %v", s, err)
	}
}

// A snapshot that is older than a hold does not show the hold.
func TestExpire_AnOldSnapshotDecidesNothing(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	loadRows(t, db, "tap", at(time.Unix(1, 0)))
	yearsGoBy(t, db)
	execute(t, db, "select set_retention('2 years')")
	admin := as(t, db, "tap25_admin", "admin")
	for _, sql := range []string{"select * from tap25_internal.expire_day('2020-02-29', 'x')",
		"select * from tap25_internal.expire_misdated('2025-01-01', 'x')",
		"select * from tap25_internal.release_holds('x')",
		"select tap25.add_hold('b@b.example', null, null, null, null, null, 'it misses what another has kept since')",
		"select tap25.set_retention('3 years')"} {
		for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
			tx, err := admin.Conn().BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select now()"); err != nil {
				t.Fatal(err)
			}
			hold(t, db, "b@b.example", nil)
			if _, err := tx.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s, %s: it goes by what was committed before", sql, level)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRetention_StringIsWhatIsRead(t *testing.T) {
	for _, s := range []string{"730d", "24mo", "2y"} {
		if r, err := ParseRetention(s); err != nil || r.String() != s {
			t.Errorf("%s becomes %s, %v", s, r, err)
		}
	}
}
