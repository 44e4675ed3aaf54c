package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/store/evidence"
)

// loadMinutes loads coverage of some minutes as a segment.
func loadMinutes(t *testing.T, db *DB, sensor, key string, minutes ...int) {
	t.Helper()
	var records [][]byte
	for _, n := range minutes {
		records = append(records, AppendCoverage(nil, minute(sensor, n)))
	}
	if _, err := db.Load(t.Context(), sensor, key, records); err != nil {
		t.Fatal(err)
	}
}

func packNow(t *testing.T, db *DB, s *Signer) {
	t.Helper()
	if err := db.packCoverage(t.Context(), 0, s); err != nil {
		t.Fatal(err)
	}
}

// covers checks that verify finds nothing, that many records of coverage as they were signed, and as many in the table.
func covers(t *testing.T, db *DB, s *Signer, want int64) {
	t.Helper()
	r := verify(t, db, trusting(s))
	if n := ask[int64](t, db, "select count(*) from coverage"); len(r.Findings) > 0 || r.Coverage != want || n != want {
		t.Errorf("%d coverage records, want %d: %+v", n, want, r)
	}
}

// A sensor signs in its own chain what it packs, an administrator in that of destructions. Coverage that comes late for
// a packed day is packed, and signed, again.
func TestPack_IsSignedByWhoPacks(t *testing.T) {
	db := database(t, false)
	s := signer(t)
	sensor, admin := login(t, db, "tap25_sensor", "fra"), login(t, db, "tap25_admin", "adam")
	sensor.signer = s
	loadMinutes(t, sensor, "fra", "1", 0, 1, 2)
	loadMinutes(t, sensor, "fra", "2", 3, 1440)
	packNow(t, sensor, s)
	covers(t, db, s, 2)
	own := chainOf(t, db, "fra", s.Key.Public())
	if l := own[len(own)-1]; len(own) != 4 || l.Kind != evidence.Coverage || l.Segment != "fra" || len(l.Days) != 2 ||
		l.Days[0].Table != evidence.LongerCoverage || l.Days[0].Rows != 1 || l.Days[1] != own[1].Days[1] {
		t.Errorf("the links of the sensor: %+v", own)
	}
	loadMinutes(t, sensor, "fra", "3", 5)
	covers(t, db, s, 3)
	packNow(t, admin, s)
	covers(t, db, s, 3) // a minute is missing between
	loadMinutes(t, sensor, "fra", "4", 4)
	packNow(t, admin, s)
	covers(t, db, s, 2)
	if all := chainOf(t, db, "", s.Key.Public()); len(all) != 2 || all[1].Kind != evidence.Coverage ||
		all[1].Segment != "fra" {
		t.Errorf("the links of the administrator: %+v", all)
	}
}

// A load that commits while its day is packed stays as it is, with its link.
func TestPack_LoadThatCommitsMeanwhile(t *testing.T) {
	db := database(t, false)
	s := signer(t)
	other := signedBy(t, db, s)
	loadMinutes(t, other, "tap", "1", 0, 1)
	d := coverageDay{Day: old.Truncate(24 * time.Hour), Sensor: "tap"}
	err := pgx.BeginFunc(t.Context(), db.Conn(), func(tx pgx.Tx) error {
		p, err := pack(t.Context(), tx, d)
		if err != nil {
			return err
		}
		loadMinutes(t, other, "tap", "2", 2, 3)
		roots, err := p.roots()
		if err != nil {
			return err
		}
		links := certificates(evidence.Coverage, "", roots)
		links[0].Segment = "tap"
		_, err = db.sign(t.Context(), tx, s, "", links)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	covers(t, db, &Signer{Key: s.Key, Dir: s.Dir}, 3)
	packNow(t, db, s)
	covers(t, db, s, 1)
}

// What was edited before it could be packed is not signed.
func TestPack_SignsNothingThatWasEdited(t *testing.T) {
	for name, edit := range map[string]string{
		"a minute":             "update coverage set ring_full = 7 where since::date = '2020-03-01'",
		"a minute less":        "delete from coverage where since = '2020-03-01 00:02Z'",
		"a minute more":        "insert into coverage select * from coverage where since = '2020-03-01 00:02Z'",
		"all of a segment":     "delete from coverage where since in ('2020-03-01 00:02Z', '2020-03-01 00:03Z')",
		"a longer row":         "update coverage set rows_lost = 0, frames_seen = 1 where packed",
		"a longer row more":    "insert into coverage select * from coverage where packed",
		"a longer row is gone": "delete from coverage where packed",
		"a link":               "update links set body = set_byte(body, 0, 0) where segment = '2'",
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t, false)
			s := signer(t)
			other := signedBy(t, db, s)
			loadMinutes(t, other, "tap", "1", 1440, 1441)
			packNow(t, db, s)
			loadMinutes(t, other, "tap", "2", 1442, 1443)
			loadMinutes(t, other, "tap", "3", 1444)
			(&editor{DB: db, t: t}).disarm()
			run(t, db, edit)
			before := lines(t, db, "select ctid::text from coverage order by 1")
			packNow(t, db, s)
			if after := lines(t, db, "select ctid::text from coverage order by 1"); !slices.Equal(after, before) {
				t.Errorf("%q was packed: %q", before, after)
			}
			if r := verify(t, db, trusting(s)); len(r.Findings) == 0 {
				t.Error("nothing is found")
			}
		})
	}
}

// Without a key it is packed, as expiry drops days, and verify says so.
func TestPack_WithoutAKeyIsFound(t *testing.T) {
	db := database(t, false)
	s := signer(t)
	loadMinutes(t, signedBy(t, db, s), "tap", "1", 0, 1)
	packNow(t, db, nil)
	r := verify(t, db, trusting(s))
	for _, w := range []Finding{{Sensor: "tap", Segment: "1", Day: "2020-02-29", What: "2 of 2 coverage records"},
		{Sensor: "tap", Day: "2020-02-29", What: "1 longer coverage record more than the 0"}} {
		if !hasFinding(r.Findings, w) {
			t.Errorf("%+v is not among the findings %+v", w, r.Findings)
		}
	}
}

// A failover that loses a packing loses its link with it: the minutes are there again, and are packed again.
func TestPack_FailoverThatLosesIt(t *testing.T) {
	name, s := provenDatabase(t)
	primary, standby := copied(t, name), copied(t, name)
	packNow(t, primary, s)
	packNow(t, standby, &Signer{Key: s.Key, Version: "test", Dir: s.Dir})
	r := verify(t, standby, VerifyConfig{Witnesses: s.Heads()})
	if n := ask[int](t, standby, "select count(*) from coverage where not packed"); len(r.Findings) > 0 ||
		!slices.ContainsFunc(r.Notes, func(n string) bool { return n != "" }) || n > 0 {
		t.Errorf("%d minutes: %+v", n, r)
	}
}

// A day of more segments than one link can name is signed by several links.
func TestPack_MoreSegmentsThanALinkNames(t *testing.T) {
	p := &packing{packedDay: newPackedDay(3), sensor: "tap", minutes: map[uint32][]evidence.Hash{}}
	for n := range uint32(daysOfLink + 5) {
		leaf := evidence.Leaf(fmt.Append(nil, n))
		p.minutes[n] = []evidence.Hash{leaf}
		p.links = append(p.links, &dayLink{sensor: "tap", xmin: n,
			signed: rootOf(evidence.Minutes, 3, []evidence.Hash{leaf})})
		p.longer = append(p.longer, leaf)
	}
	roots, err := p.roots()
	if err != nil {
		t.Fatal(err)
	}
	links := certificates(evidence.Coverage, "", roots)
	for _, l := range links {
		l.Segment = "tap"
		if n := len(l.Append(nil)); n > evidence.MaxLink {
			t.Errorf("a link of %d octets", n)
		}
		p.pack(l)
	}
	if len(links) != 2 || len(p.links) > 0 || p.longerRows["tap"].Rows != daysOfLink+5 {
		t.Errorf("%d links, %d minutes are left, and %d longer rows", len(links), len(p.links), p.longerRows["tap"].Rows)
	}
}
