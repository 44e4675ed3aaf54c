package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// followed is a chain that another one names as the one before it.
type followed struct {
	sensor string
	place  evidence.Place
	by     linkLine
}

// loads finds loads that no link is of, and chains that others follow and that are gone.
func (v *verifier) loads(ctx context.Context) error {
	for _, f := range v.followed {
		var there bool
		err := v.db.conn.QueryRow(ctx, `select exists (select from tap25.links l join tap25.keys k on k.id = l.key
			where l.sensor = $1 and k.fingerprint = $2 and l.number = $3 and sha256(l.body) = $4)`, f.sensor,
			f.place.Key[:],
			int64(f.place.Number), f.place.Hash[:]).Scan(&there)
		if err != nil {
			return err
		}
		if !there {
			v.find(Finding{Sensor: f.sensor, What: fmt.Sprintf("a chain follows link %d of the key %s, which is gone "+
				"or was changed", f.place.Number, f.place.Key)})
		}
	}
	rows, err := v.db.conn.Query(ctx, `select d.sensor, d.segment, d.rows from tap25_internal.loads d
		where d.rows > 0 and d.loaded_at >= (select min(since) from tap25_internal.evidence)
		and not exists (select from tap25.links l where l.sensor = d.sensor and l.segment = d.segment) order by 1, 2`)
	if err != nil {
		return err
	}
	var sensor, segment string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&sensor, &segment, &n}, func() error {
		v.find(Finding{Sensor: sensor, Segment: segment, What: "the table loads has this segment with " +
			plural(uint64(n), "record") + ", and no link is of it"})
		return nil
	})
	return err
}

// lostSegments finds segments whose links the database has lost and that were not loaded again.
func (v *verifier) lostSegments(ctx context.Context) error {
	for _, l := range v.lost {
		var again bool
		err := v.db.conn.QueryRow(ctx, "select exists (select from tap25.links where sensor = $1 and segment = $2)",
			l.sensor,
			l.segment).Scan(&again)
		if err != nil {
			return err
		}
		if !again {
			v.find(Finding{Sensor: l.sensor, Segment: l.segment,
				What: "the database has lost its link, and it was not " +
					"loaded again: its rows are gone"})
		}
	}
	return nil
}

// readBefore reads how many rows there were before evidence of the sensors whose first links do not sign it.
func (v *verifier) readBefore(ctx context.Context) error {
	rows, err := v.db.conn.Query(ctx, "select sensor, kind, day, rows from tap25_internal.before_evidence")
	if err != nil {
		return err
	}
	var sensor string
	var kind int16
	var day time.Time
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&sensor, &kind, &day, &n}, func() error {
		b := rowsBefore{sensor, evidence.Table(kind), DayNumber(day)}
		if !v.signedBefore[sensor] {
			v.before[b] = uint64(n)
		} else if v.before[b] != uint64(n) {
			v.find(Finding{Sensor: sensor, Day: day.Format(time.DateOnly),
				What: "the table before_evidence was changed: it does not say what the sensor has signed"})
		}
		return nil
	})
	return err
}
