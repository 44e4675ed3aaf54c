package store

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store/evidence"
	"tap25/store/spool"
)

// signer makes a signer with a key of its own that remembers in a directory of the test.
func signer(t testing.TB) *Signer {
	t.Helper()
	dir := t.TempDir()
	key, _, err := evidence.OpenKey(filepath.Join(dir, evidence.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{Key: key, Version: "test", Dir: dir}
}

// storedLink is a line of links.
type storedLink struct {
	*evidence.Link
	hash evidence.Hash
	xmin uint32 // of its rows
}

// chainOf reads a chain, and checks that each link follows the one before it.
func chainOf(t testing.TB, db *DB, sensor string, key ed25519.PublicKey) (links []storedLink) {
	t.Helper()
	fingerprint := evidence.Fingerprint(key)
	rows, err := db.Conn().Query(t.Context(), `select body, signature, coalesce(xid, '0')::text::bigint from tap25.links l
		join tap25.keys k on k.id = l.key where sensor = $1 and fingerprint = $2 order by number`, sensor, fingerprint[:])
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	c := evidence.Checker{Sensor: sensor, Key: key}
	for rows.Next() {
		var body, signature []byte
		var xmin int64
		if err := rows.Scan(&body, &signature, &xmin); err != nil {
			t.Fatal(err)
		}
		l, err := c.Next(body, signature)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, storedLink{l, c.Hash, uint32(xmin)})
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return links
}

// Each segment has a link, whose root is that of its rows, and whose xid is theirs.
func TestLoader_SignsEachSegment(t *testing.T) {
	db := database(t, false)
	s := openSpool(t, spool.Config{SegmentRecords: -1})
	sign := signer(t)
	n := 0
	rows := nextRows(&n)
	want := map[string][]evidence.DayRows{}
	for i := range 120 { // more than one transaction takes
		segment := rows(5)
		if i%10 == 3 {
			segment = append(segment, AppendRow(nil, at(time.Date(1969, 12, 31, 23, 0, i, 0, time.UTC))))
		}
		key := fmt.Sprint("segment ", i)
		sealRows(t, s, key, segment...)
		for _, d := range rootsOf(segment) {
			if d.Day < 0 {
				d.Table = evidence.Misdated
			}
			want[key] = append(want[key], d)
		}
	}
	sealRows(t, s, "refused", append(rows(4), spoilt(1))...)
	drain(t, s, NewLoader(LoaderConfig{Spool: s, Connect: to(db, ""), Signer: sign}))
	links := chainOf(t, db, "tap", sign.Key.Public())
	if len(links) != 121 {
		t.Fatalf("%d links, want 121", len(links))
	}
	for _, l := range links[:120] {
		if fmt.Sprint(l.Days) != fmt.Sprint(want[l.Segment]) {
			t.Errorf("%s: roots %v, want %v", l.Segment, l.Days, want[l.Segment])
		}
	}
	if last := links[120]; last.Segment != "refused" || last.Days[0].Rows+last.Days[1].Rows+last.Days[2].Rows != 4 {
		t.Errorf("of a segment with a row that was set aside: %v", last.Days)
	}
	byLoad := ask[string](t, db, "select load_column()")
	for _, l := range links {
		n := ask[int](t, db, fmt.Sprintf(`select count(*) from (select %[1]s as load from envelopes
			union all select %[1]s from misdated) x where load::text::bigint = $1`, byLoad), l.xmin)
		var signed uint64
		for _, d := range l.Days {
			signed += d.Rows
		}
		if uint64(n) != signed {
			t.Errorf("%s: %d rows have its xmin, want %d", l.Segment, n, signed)
		}
	}
	if heads := sign.Heads(); len(heads) != 1 || heads[0].Hash != links[120].hash || heads[0].Number != 121 {
		t.Errorf("heads %v", heads)
	}
}

// The server computes the same leaf for a row, also for one without the later columns.
func TestLeaf_IsTheSameOnTheServer(t *testing.T) {
	db := database(t, false)
	a, b := full(), bare()
	b.SeenAt, b.OriginBy = a.SeenAt, smtp.ByNobody
	loadRows(t, db, "tap", a, b)
	var want []evidence.Hash
	for _, r := range encode(a, b) {
		want = append(want, evidence.Leaf(widen(nil, r)))
	}
	evidence.Sort(want)
	got := lines(t, db, "select encode(leaf(e), 'hex') from envelopes e order by 1")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
