package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// readKeys reads the keys, and whether a dump was restored.
func (v *verifier) readKeys(ctx context.Context) error {
	var database string
	err := v.db.conn.QueryRow(ctx, `select xmin <> born, database,
		case tap25_internal.load_column() when 'xmin' then 'xmin' else 'coalesce(entered, ''0'')' end
		from tap25_internal.evidence`).Scan(&v.restored, &database, &v.byLoad)
	if errors.Is(err, pgx.ErrNoRows) {
		v.find(Finding{What: "the line of the table evidence is gone"})
		v.byLoad = "xmin"
	} else if err != nil {
		return err
	}
	if v.restored {
		v.note("the database was restored from a dump: segments are told apart by the order of their rows")
	}
	v.useWitnesses(database)
	rows, err := v.db.conn.Query(ctx, "select id, fingerprint, public_key from tap25.keys order by id")
	if err != nil {
		return err
	}
	var id int32
	var fingerprint, key []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &fingerprint, &key}, func() error {
		if len(key) != ed25519.PublicKeySize || !bytes.Equal(fingerprintOf(key), fingerprint) {
			v.find(Finding{What: fmt.Sprintf("the key %d in the table keys was changed: its fingerprint is another",
				id)})
			return nil
		}
		v.keys[id] = bytes.Clone(key)
		return nil
	})
	return err
}

// useWitnesses leaves the witnesses of this database.
func (v *verifier) useWitnesses(database string) {
	all := v.cfg.Witnesses
	v.cfg.Witnesses = slices.DeleteFunc(slices.Clone(all), func(w evidence.Checkpoint) bool {
		return w.Database != database
	})
	if others := len(all) - len(v.cfg.Witnesses); others == len(all) && others > 0 {
		v.find(Finding{What: "the witness knows nothing of this database: it is another one, or its identity was " +
			"changed"})
	} else if others > 0 {
		v.note("the witness has %s of other databases", plural(uint64(others), "line"))
	}
}

func fingerprintOf(key ed25519.PublicKey) []byte {
	f := evidence.Fingerprint(key)
	return f[:]
}

// chainHead is a line of the table chains; number 0 if a chain has links and no line there.
type chainHead struct {
	sensor string
	key    int32
	number int64
	hash   []byte
}

// chains verifies every chain.
func (v *verifier) chains(ctx context.Context) error {
	rows, err := v.db.conn.Query(ctx, `select sensor, key, coalesce(c.number, 0), coalesce(c.hash, '')
		from (select distinct sensor, key from tap25.links) l full join tap25_internal.chains c using (sensor, key)
		order by sensor, key`)
	if err != nil {
		return err
	}
	heads, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h chainHead, err error) {
		err = row.Scan(&h.sensor, &h.key, &h.number, &h.hash)
		return h, err
	})
	if err != nil {
		return err
	}
	for _, key := range v.cfg.Keys {
		if !slices.ContainsFunc(heads, func(h chainHead) bool { return bytes.Equal(v.keys[h.key], key) }) {
			v.find(Finding{What: fmt.Sprintf("no chain is by the given key %s: it has signed nothing here, or its "+
				"chains were removed", evidence.Fingerprint(key))})
		}
	}
	seen := map[[2]string]bool{}
	for _, h := range heads {
		if v.cfg.Sensor != "" && h.sensor != v.cfg.Sensor && h.sensor != "" {
			continue
		}
		key, ok := v.keys[h.key]
		if !ok {
			v.find(Finding{Sensor: h.sensor, What: fmt.Sprintf("the key %d of its chain is not in the table keys",
				h.key)})
			continue
		}
		seen[[2]string{h.sensor, evidence.Fingerprint(key).String()}] = true
		if err := v.chain(ctx, h, key); err != nil {
			return err
		}
	}
	for _, w := range v.cfg.Witnesses {
		if !seen[[2]string{w.Sensor, w.Key.String()}] && (v.cfg.Sensor == "" || v.cfg.Sensor == w.Sensor) {
			v.find(Finding{Sensor: w.Sensor, What: fmt.Sprintf("the chain of the key %s is gone: the witness has its "+
				"link %d", w.Key, w.Number)})
		}
	}
	return nil
}

// chainCheck is the verification of one chain.
type chainCheck struct {
	*verifier
	evidence.Checker
	as        VerifiedChain
	witnesses map[uint64][]evidence.Checkpoint
	lost      [][2]uint64 // ranges of numbers that links state as lost
	lastID    int64
}

// linkLine is a line of links, and the line of loads of its segment.
type linkLine struct {
	ID, Number      int64
	Segment         *string
	First, Last     *time.Time
	Added           time.Time
	Body, Signature []byte
	Rows            *int64
	Loaded          *time.Time
	SameXmin        *bool
	Pruned          bool // the line may have been forgotten since
	Dropped         bool // as Pruned; it is of a capture file of which a day was dropped, which may be loaded again
}

// chain verifies one chain, from its first link to its head.
func (v *verifier) chain(ctx context.Context, h chainHead, key ed25519.PublicKey) error {
	fingerprint := evidence.Fingerprint(key)
	c := &chainCheck{verifier: v, Checker: evidence.Checker{Sensor: h.sensor, Key: key},
		as:        VerifiedChain{Sensor: h.sensor, Key: fingerprint.String(), Trusted: v.trusts(key)},
		witnesses: map[uint64][]evidence.Checkpoint{}}
	for _, w := range v.cfg.Witnesses {
		if w.Sensor == h.sensor && w.Key == fingerprint {
			c.witnesses[w.Number] = append(c.witnesses[w.Number], w)
		}
	}
	if len(v.cfg.Keys) > 0 && !c.as.Trusted {
		v.find(Finding{Sensor: h.sensor, What: fmt.Sprintf("it has a chain by the key %s, which is none of the given "+
			"ones",
			fingerprint)})
	}
	rows, err := v.db.conn.Query(ctx, `select l.id, l.number, l.segment, l.first_day, l.last_day, l.added_at, l.body,
			l.signature, d.rows, d.loaded_at, d.xmin = l.xid,
			coalesce(l.segment, '') ~ '^[0-9a-f]{16}-[0-9a-f]{16}$' and l.added_at < now() - interval '29 days',
			coalesce(d.xmin <> l.xid, true) and coalesce(l.segment, '') ~ '^(replay|follow|import)-' and exists (
				select from tap25.expired e where e.day between l.first_day and l.last_day)
		from tap25.links l left join tap25_internal.loads d on d.sensor = l.sensor and d.segment = l.segment
		where l.sensor = $1 and l.key = $2 order by l.number`, h.sensor, h.key)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var l linkLine
		if err := rows.Scan(&l.ID, &l.Number, &l.Segment, &l.First, &l.Last, &l.Added, &l.Body, &l.Signature,
			&l.Rows, &l.Loaded, &l.SameXmin, &l.Pruned, &l.Dropped); err != nil {
			return err
		}
		c.line(&l)
	}
	if rows.Err() != nil {
		return rows.Err()
	}
	c.end(h)
	return nil
}

func (v *verifier) trusts(key ed25519.PublicKey) bool {
	return slices.ContainsFunc(v.cfg.Keys, func(k ed25519.PublicKey) bool { return bytes.Equal(k, key) })
}

// finds adds a finding about a link.
func (c *chainCheck) finds(l *linkLine, what string) {
	segment := ""
	if l.Segment != nil {
		segment = *l.Segment
	}
	f := Finding{Sensor: c.Sensor, Segment: segment, What: fmt.Sprintf("link %d: %s", l.Number, what)}
	if l.First != nil {
		f.Day = l.First.Format(time.DateOnly)
	}
	c.find(f)
}

// line verifies a link.
func (c *chainCheck) line(line *linkLine) {
	first, last := c.Number == 0, c.as.Last
	l, err := c.Next(line.Body, line.Signature)
	if err != nil {
		c.finds(line, "it was changed, or a link before it was changed or removed: "+flat(err))
	}
	c.as.Links++
	if l == nil {
		return
	}
	c.as.Last = l.Time
	if l.Time.Before(last.Add(-time.Minute)) {
		c.note("the clock of %s went back by %s before its link %d", c.name(), last.Sub(l.Time).Round(time.Second),
			l.Number)
	}
	from, to := daysBetween(l.Days)
	if l.Number != uint64(line.Number) || l.Segment != deref(line.Segment) || !sameDay(from, line.First) ||
		!sameDay(to, line.Last) || line.ID <= c.lastID {
		c.finds(line, "its columns were changed: they are not what it has signed")
	}
	c.lastID = line.ID
	if !belongs(l) {
		c.finds(line, "it is of a kind that this chain does not have")
	}
	c.load(line, l)
	c.days(l, first)
	c.witness(line, l)
	if first {
		c.begins(line, l)
	}
	if l.LostCount > 0 {
		c.lost = append(c.lost, [2]uint64{l.Number - l.LostCount, l.Number - 1})
		c.note("%s states in its link %d that the database had lost %s, as after a failover", c.name(), l.Number,
			plural(l.LostCount, "link"))
		for _, x := range l.Lost {
			if c.Sensor != "" && x.Segment != c.Sensor { // else what it had destroyed or packed is there again
				c.verifier.lost = append(c.verifier.lost, lostSegment{c.Sensor, x.Segment})
			}
		}
		if unnamed := l.LostCount - uint64(len(l.Lost)); unnamed > 0 {
			c.finds(line, plural(unnamed, "link")+
				" before it were lost by the database, and nothing says of which segments")
		}
	}
}

// belongs reports whether a link is of a kind that its chain has. Coverage is packed by its sensor, or by who may drop
// days.
func belongs(l *evidence.Link) bool {
	if l.Kind == evidence.Coverage {
		return l.Sensor == "" || l.Sensor == l.Segment
	}
	return (l.Kind == evidence.Segment) == (l.Sensor != "")
}

func (c *chainCheck) name() string {
	if c.Sensor == "" {
		return "the signer of destructions"
	}
	return "the sensor " + c.Sensor
}

func flat(err error) string {
	return string(bytes.ReplaceAll([]byte(err.Error()), []byte("\n"), []byte("; ")))
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func sameDay(a, b *time.Time) bool { return (a == nil) == (b == nil) && (a == nil || a.Equal(*b)) }

// load compares a link with the line of loads of its segment.
func (c *chainCheck) load(line *linkLine, l *evidence.Link) {
	var rows int64
	for _, d := range l.Days {
		if d.Table == evidence.Envelopes || d.Table == evidence.Misdated || d.Table == evidence.Minutes {
			rows += int64(d.Rows)
		}
	}
	switch {
	case l.Kind != evidence.Segment:
	case line.Rows == nil && !line.Pruned && !line.Dropped:
		c.finds(line, "the segment's line in the table loads was removed")
	case line.Rows == nil:
	case *line.Rows != rows:
		c.finds(line, fmt.Sprintf("the table loads says %s, and %d were signed", plural(uint64(*line.Rows), "record"),
			rows))
	case line.Dropped:
	case line.Loaded.After(line.Added) || line.Added.Sub(*line.Loaded) > time.Hour:
		c.finds(line, "the time of its load was changed")
	case !c.restored && (line.SameXmin == nil || !*line.SameXmin):
		c.finds(line, "the segment's line in the table loads was written again, or the link's xid was changed")
	}
}

// days notes the days that a link names, and the rows of before the chain.
func (c *chainCheck) days(l *evidence.Link, first bool) {
	for _, d := range l.Days {
		switch d.Table {
		case evidence.Envelopes, evidence.Misdated, evidence.Held, evidence.Minutes:
			c.verifier.days[d.Table][d.Day] = true
		case evidence.LongerCoverage:
			c.verifier.days[evidence.Minutes][d.Day] = true
		case evidence.RootsOfTheDay:
			c.verifier.days[evidence.Envelopes][d.Day] = true
		case evidence.BeforeEvidence, evidence.MisdatedBefore, evidence.HeldBefore:
			if first {
				c.before[rowsBefore{l.Sensor, d.Table, d.Day}] = d.Rows
			}
		}
	}
	if first && l.Before.Number == 0 {
		c.signedBefore[l.Sensor] = true
	}
}

// witness compares a link with what a witness has.
func (c *chainCheck) witness(line *linkLine, l *evidence.Link) {
	all, ok := c.witnesses[l.Number]
	if !ok {
		return
	}
	delete(c.witnesses, l.Number)
	agrees, stamped := false, time.Time{}
	for _, w := range all {
		if w.Hash != c.Hash {
			continue
		}
		if agrees = true; stamped.IsZero() || !w.Stamped.IsZero() && w.Stamped.Before(stamped) {
			stamped = w.Stamped
		}
	}
	if !agrees {
		c.finds(line, "it is not the link that the witness has: the chain was written again")
		return
	}
	c.report.Witnessed++
	if stamped.IsZero() {
		return
	}
	c.report.Stamped++
	if ahead := l.Time.Sub(stamped); ahead > time.Minute {
		c.note("the clock of %s was ahead by %s at its link %d, by the time-stamping authority's", c.name(),
			ahead.Round(time.Second), l.Number)
	}
}

// begins verifies the first link of a chain that follows one by another key.
func (c *chainCheck) begins(line *linkLine, l *evidence.Link) {
	if l.Before.Number > 0 {
		c.note("%s has a new chain since %s, by the key %s: its key was lost or replaced, or another machine has its "+
			"name. The chain before it is that of the key %s, whose last link was %d then", c.name(),
			l.Time.UTC().Format(time.RFC3339), l.Key, l.Before.Key, l.Before.Number)
		c.verifier.followed = append(c.verifier.followed, followed{c.Sensor, l.Before, *line})
	}
}

// end compares the end of a chain with its head, and with witnesses of links that are not there.
func (c *chainCheck) end(h chainHead) {
	if c.Number != uint64(h.number) || c.Number > 0 && !bytes.Equal(h.hash, c.Hash[:]) {
		c.find(Finding{Sensor: c.Sensor, What: fmt.Sprintf("its chain by the key %s ends with link %d, and its head "+
			"is link %d: links were removed or added", c.as.Key, c.Number, h.number)})
	}
	for number := range c.witnesses {
		if slices.ContainsFunc(c.lost, func(r [2]uint64) bool { return number >= r[0] && number <= r[1] }) {
			continue // it was stated
		}
		c.find(Finding{Sensor: c.Sensor, What: fmt.Sprintf("its chain by the key %s has no link %d, which the "+
			"witness has: links were removed", c.as.Key, number)})
	}
	c.as.Number, c.as.Hash = c.Number, c.Hash.String()
	c.report.Chains = append(c.report.Chains, c.as)
}
