package store

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
	"tap25/store/numeral"
)

// VerifyConfig configures [DB.Verify]; its zero value verifies all.
type VerifyConfig struct {
	From, Before time.Time // the UTC days to verify; zero: all. The chains are verified whole
	Sensor       string    // "": all

	Keys      []ed25519.PublicKey   // that may sign; none: all in the database, which proves less
	Witnesses []evidence.Checkpoint // heads of chains as they were written elsewhere
}

// Finding is something that is not as it was signed.
type Finding struct {
	Sensor  string `json:"sensor,omitempty"`
	Segment string `json:"segment,omitempty"`
	Day     string `json:"day,omitempty"` // YYYY-MM-DD
	What    string `json:"what"`
}

// String returns a line for people.
func (f Finding) String() string {
	var where []string
	for _, w := range [][2]string{{"sensor ", f.Sensor}, {"segment ", f.Segment}, {"day ", f.Day}} {
		if w[1] != "" {
			where = append(where, w[0]+w[1])
		}
	}
	return strings.Join(append(where, f.What), ", ")
}

// VerifiedChain is a chain and its last link.
type VerifiedChain struct {
	Sensor  string    `json:"sensor"`
	Key     string    `json:"key"`     // fingerprint
	Trusted bool      `json:"trusted"` // the key is one of VerifyConfig.Keys
	Links   int64     `json:"links"`
	Number  uint64    `json:"number"`
	Hash    string    `json:"hash"`
	Last    time.Time `json:"last"` // by the clock of who has signed it
}

// Uncovered is rows that no link is of, since they were loaded before there was evidence.
type Uncovered struct {
	Sensor string `json:"sensor"`
	Day    string `json:"day"` // YYYY-MM-DD; "misdated" or "held" for all of these
	Rows   uint64 `json:"rows"`
	Signed bool   `json:"signed"` // their number is
}

// VerifyReport is the result of [DB.Verify]. All is well if there are no Findings.
type VerifyReport struct {
	Chains    []VerifiedChain `json:"chains"`
	Days      int             `json:"days"`      // that were looked at
	Segments  int64           `json:"segments"`  // whose rows are as they were signed, counted once for each day
	Rows      int64           `json:"rows"`      // of these
	Coverage  int64           `json:"coverage"`  // records of it that are as they were signed
	Held      int64           `json:"held"`      // rows that legal holds keep, as they were signed
	Destroyed int             `json:"destroyed"` // days with a valid destruction certificate
	Witnessed int             `json:"witnessed"` // witnesses that agree with the database
	Stamped   int             `json:"stamped"`   // links of these that an authority has time-stamped
	Uncovered []Uncovered     `json:"uncovered"`
	Notes     []string        `json:"notes"`
	Findings  []Finding       `json:"findings"`
	More      int             `json:"more_findings"` // beyond the first mostFindings
}

// verified are the tables that are read, day by day; Minutes with LongerCoverage.
var verified = []evidence.Table{evidence.Envelopes, evidence.Misdated, evidence.Held, evidence.Minutes}

// mostFindings bounds VerifyReport.Findings and Notes.
const mostFindings = 10_000

// verifier is a verification that runs.
type verifier struct {
	db       *DB
	cfg      VerifyConfig
	snapshot func(context.Context) (pgx.Tx, error)
	report   *VerifyReport
	byLoad   string // SQL expression that names a row's load: what links.xid has
	restored bool   // a dump was restored: rows do not have the xmin of their load

	keys map[int32]ed25519.PublicKey
	// rows of before there was evidence, as first links sign them, or the database says
	before       map[rowsBefore]uint64
	signedBefore map[string]bool   // the sensors whose numbers are signed
	held         map[string]uint64 // rows of held that no certificate is of, by sensor
	misdated     map[string]uint64 // rows of misdated that no link is of, by sensor
	days         map[evidence.Table]map[int32]bool
	lost         []lostSegment
	followed     []followed
}

// rowsBefore names rows of before there was evidence.
type rowsBefore struct {
	sensor string
	table  evidence.Table
	day    int32
}

// lostSegment is a segment whose link the database has lost.
type lostSegment struct{ sensor, segment string }

// Verify computes the evidence anew from the tables. It takes a user who may read all rows. Memory does not grow with
// the number of rows, but with that of the segments of one day. Loads and expiry may run beside it. The error is of the
// connection, not of what it finds.
func (db *DB) Verify(ctx context.Context, cfg VerifyConfig) (*VerifyReport, error) {
	return db.verify(ctx, cfg, func(ctx context.Context) (pgx.Tx, error) {
		return db.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	})
}

// verify is Verify; snapshot begins a transaction for the links and the rows of a day, which are committed together.
func (db *DB) verify(ctx context.Context, cfg VerifyConfig, snapshot func(context.Context) (pgx.Tx, error)) (
	*VerifyReport, error) {
	v := &verifier{db: db, cfg: cfg, snapshot: snapshot, report: &VerifyReport{}, keys: map[int32]ed25519.PublicKey{},
		before: map[rowsBefore]uint64{}, signedBefore: map[string]bool{}, held: map[string]uint64{},
		misdated: map[string]uint64{}, days: map[evidence.Table]map[int32]bool{}}
	for _, table := range verified {
		v.days[table] = map[int32]bool{}
	}
	for _, step := range []func(context.Context) error{v.tables, v.readKeys, v.chains, v.loads, v.lostSegments,
		v.readBefore, v.findDays, v.allDays, v.asideBefore, v.known} {
		if err := step(ctx); err != nil {
			return v.report, fmt.Errorf("verify: %w", err)
		}
	}
	return v.report, nil
}

// find adds a finding.
func (v *verifier) find(f Finding) {
	if v.cfg.Sensor != "" && f.Sensor != "" && f.Sensor != v.cfg.Sensor {
		return
	}
	if len(v.report.Findings) == mostFindings {
		v.report.More++
		return
	}
	v.report.Findings = append(v.report.Findings, f)
}

func (v *verifier) note(format string, args ...any) {
	if len(v.report.Notes) < mostFindings {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf(format, args...))
	}
}

// findDays adds the days of rows aside to those that links and partitions name.
func (v *verifier) findDays(ctx context.Context) error {
	for table, query := range map[evidence.Table]string{
		evidence.Misdated: "select distinct (seen_at at time zone 'UTC')::date from tap25_internal.misdated",
		evidence.Held:     "select distinct (seen_at at time zone 'UTC')::date from tap25_internal.held",
		evidence.Minutes:  "select distinct (since at time zone 'UTC')::date from tap25.coverage",
	} {
		rows, err := v.db.conn.Query(ctx, query)
		if err != nil {
			return err
		}
		var day time.Time
		if _, err := pgx.ForEachRow(rows, []any{&day}, func() error {
			v.days[table][DayNumber(day)] = true
			return nil
		}); err != nil {
			return err
		}
	}
	for b := range v.before {
		if b.table == evidence.BeforeEvidence {
			v.days[evidence.Envelopes][b.day] = true
		}
	}
	return nil
}

// allDays verifies the rows, day by day.
func (v *verifier) allDays(ctx context.Context) error {
	looked := map[int32]bool{}
	for _, table := range verified {
		for _, day := range slices.Sorted(maps.Keys(v.days[table])) {
			at := DayOf(day)
			if at.Before(v.cfg.From) || !v.cfg.Before.IsZero() && !at.Before(v.cfg.Before) {
				continue
			}
			looked[day] = true
			tx, err := v.snapshot(ctx)
			if err != nil {
				return err
			}
			err = v.day(ctx, tx, table, day)
			if end := tx.Rollback(ctx); err == nil {
				err = end
			}
			if err != nil {
				return fmt.Errorf("the day %s: %w", at.Format(time.DateOnly), err)
			}
		}
	}
	v.report.Days = len(looked)
	return nil
}

// asideBefore judges the rows aside that no link is of, of which the numbers of before are not by day.
func (v *verifier) asideBefore(context.Context) error {
	if !v.cfg.From.IsZero() || !v.cfg.Before.IsZero() {
		return nil // only some were counted
	}
	for _, aside := range []struct {
		table evidence.Table
		name  string
		found map[string]uint64
	}{{evidence.MisdatedBefore, "misdated", v.misdated}, {evidence.HeldBefore, "held", v.held}} {
		for _, sensor := range slices.Sorted(maps.Keys(aside.found)) {
			n, before := aside.found[sensor], v.before[rowsBefore{sensor, aside.table, 0}]
			if n > before {
				v.find(Finding{Sensor: sensor, What: fmt.Sprintf("%s rows of the table %s are of no segment: they "+
					"were inserted, changed or moved", numeral.Grouped(int64(n-before)), aside.name)})
			}
			v.uncovered(sensor, aside.name, min(n, before))
		}
	}
	return nil
}

// known finds that the sensor that was asked for is none of this database.
func (v *verifier) known(context.Context) error {
	has := func(c VerifiedChain) bool { return c.Sensor == v.cfg.Sensor }
	if v.cfg.Sensor != "" && len(v.report.Uncovered) == 0 && !slices.ContainsFunc(v.report.Chains, has) {
		v.find(Finding{Sensor: v.cfg.Sensor, What: "it has no chain: its name is another, or all of it was removed"})
	}
	return nil
}

func (v *verifier) uncovered(sensor, day string, rows uint64) {
	if rows > 0 && (v.cfg.Sensor == "" || v.cfg.Sensor == sensor) {
		v.report.Uncovered = append(v.report.Uncovered, Uncovered{sensor, day, rows, v.signedBefore[sensor]})
	}
}

// dateOf formats the number of a day.
func dateOf(day int32) string { return DayOf(day).Format(time.DateOnly) }

// plural returns a number with its noun.
func plural(n uint64, noun string) string {
	return fmt.Sprintf("%d %s%s", n, noun, map[bool]string{false: "s"}[n == 1])
}
