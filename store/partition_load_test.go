package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tap25/reassembly/smtp"
)

// However many days a load has, each is counted, and each row is where its time belongs.
func TestLoad_CountsEachDayOfFewAndOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 17))
	for _, days := range []int{1, daysApart, daysApart + 1, 3 * daysApart} {
		db := database(t, false)
		want := map[string]int{}
		for load := range 2 {
			var rows []*smtp.Envelope
			for i := range 20 * days {
				e := at(old.Truncate(24*time.Hour).AddDate(0, 0,
					i%days).Add(time.Duration(r.Int64N(int64(24 * time.Hour)))))
				if i%2 == 0 {
					e.OriginBy, e.Network = smtp.ByNobody, ""
				}
				want[e.SeenAt.Format(time.DateOnly)]++
				rows = append(rows, e)
			}
			rows = append(rows, at(time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC))) // misdated
			r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			if _, err := db.Load(t.Context(), "tap", fmt.Sprint(load), encode(rows...)); err != nil {
				t.Fatal(err)
			}
		}
		for day, n := range want {
			counted := ask[int](t, db, "select rows from days where day = $1::date", day)
			there := ask[int](t, db, "select count(*) from mail_days where seen_at::date = $1::date", day)
			if counted != n || there != n {
				t.Errorf("%d days: %d rows of a day are counted, %d are there, want %d", days, counted, there, n)
			}
		}
		if n := ask[int](t, db, "select sum(rows) from days where day > '1990-01-01'"); n != 40*days {
			t.Errorf("%d days: %d rows counted, want %d", days, n, 40*days)
		}
		if n := ask[int](t, db, "select count(*) from misdated"); n != 2 {
			t.Errorf("%d days: %d rows are misdated, want 2", days, n)
		}
	}
}

// What a sensor may do to a day's partition is what it may do to all: add rows of its own to that day, which are
// counted.
func TestSensor_AddsToAPartitionWhatItMayAddToAll(t *testing.T) {
	for _, before := range []bool{false, true} { // the day is older than the right
		db := migratedTo(t, beforeOrigins)
		if before {
			execute(t, db, "select make_partition('2020-02-29')")
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		sensor := login(t, db, "tap25_sensor", "sensor")
		const insert = "insert into tap25_internal.envelopes_20200229 " +
			"(seen_at, session_id, mail_no, client_port, server_port, outcome, flags, auth, client_ip, server_ip, " +
			"sensor) values ('%s', 1, 1, 0, 0, %d, 0, false, '192.0.2.1', '192.0.2.2', '%s')"
		if !before {
			execute(t, db, "select make_partition('2020-02-29')")
		}
		_, err := sensor.Conn().Exec(t.Context(), fmt.Sprintf(insert, "2020-02-29 12:00Z", 1, "tap"))
		fails(t, "without a name", err, "42501")
		if _, err := sensor.Load(t.Context(), "tap", "1", encode(at(old))); err != nil {
			t.Fatal(err)
		}
		for sql, code := range map[string]string{
			fmt.Sprintf(insert, "2020-02-29 12:00Z", 1, "another"):                    "42501",
			fmt.Sprintf(insert, "2020-03-01 12:00Z", 1, "tap"):                        "23514",
			fmt.Sprintf(insert, "2020-02-29 12:00Z", 9, "tap"):                        "23514",
			"table tap25_internal.envelopes_20200229":                                 "42501",
			"delete from tap25_internal.envelopes_20200229":                           "42501",
			"truncate tap25_internal.envelopes_20200229":                              "42501",
			"update tap25_internal.envelopes_20200229 set outcome = 1":                "42501",
			"alter table tap25_internal.envelopes_20200229 disable trigger count_day": "42501",
			"drop table tap25_internal.envelopes_20200229":                            "42501",
			"begin; lock table tap25_internal.envelopes_20200229 in share mode":       "42501",
		} {
			_, err := sensor.Conn().Exec(t.Context(), sql)
			fails(t, sql, err, code)
			sensor.Conn().Exec(t.Context(), "rollback")
		}
		execute(t, sensor, fmt.Sprintf(insert, "2020-02-29 12:00Z", 1, "tap"))
		if n := ask[int](t, db, "select rows from days where day = '2020-02-29' and sensor = 'tap'"); n != 2 ||
			count(t, db) != 2 {
			t.Errorf("%d rows counted of %d, want 2", n, count(t, db))
		}
	}
}
