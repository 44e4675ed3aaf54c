package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tap25/store/evidence"
	"tap25/store/spool"
	"tap25/store/storetest"
)

// signedBy returns a connection that signs.
func signedBy(t testing.TB, db *DB, s *Signer) *DB {
	t.Helper()
	other := another(t, db.Conn().Config().Database)
	other.signer = s
	return other
}

// loadOne loads a segment of a row.
func loadOne(t testing.TB, db *DB, sensor, key string) {
	t.Helper()
	if err := load(t.(*testing.T), db, sensor, key); err != nil {
		t.Fatal(err)
	}
}

// A failover loses the last links; their segments are entered again, and the next link states what was lost. If a
// segment is not entered again, that is found.
func TestSigner_StatesTheLinksThatTheDatabaseHasLost(t *testing.T) {
	for _, again := range []bool{true, false} {
		db := database(t, false)
		s := signer(t)
		for i := range 5 {
			loadOne(t, signedBy(t, db, s), "tap", fmt.Sprint("segment ", i))
		}
		heads := s.Heads()
		e := &editor{DB: db, t: t} // what a standby lacks that becomes the primary
		e.disarm()
		run(t, db, `create temp table gone as select * from links where number > 3;
			delete from envelopes e using gone where e.xmin = gone.xid; delete from loads l using gone where l.segment = gone.segment;
			delete from links l using gone where l.id = gone.id;
			update chains set number = 3, hash = (select sha256(body) from links where number = 3)`)
		s = &Signer{Key: s.Key, Version: "test", Dir: s.Dir} // another process
		if again {
			loadOne(t, signedBy(t, db, s), "tap", "segment 3")
			loadOne(t, signedBy(t, db, s), "tap", "segment 4")
		} else {
			loadOne(t, signedBy(t, db, s), "tap", "segment 3")
		}
		links := chainOf(t, db, "tap", s.Key.Public())
		l := links[3]
		if l.Number != 6 || l.LostCount != 2 || len(l.Lost) != 2 || l.Lost[0].Segment != "segment 3" ||
			l.Lost[1].Hash != heads[0].Hash {
			t.Errorf("the next link is %+v", l.Link)
		}
		if again && links[4].LostCount != 0 {
			t.Error("it is stated twice")
		}
		r := verify(t, db, VerifyConfig{Witnesses: append(heads, s.Heads()...)})
		if lost := hasFinding(r.Findings, Finding{Segment: "segment 4", What: "gone"}); lost == again ||
			again && len(r.Findings) > 0 {
			t.Errorf("entered again %v: %+v", again, r.Findings)
		}
		if !strings.Contains(strings.Join(r.Notes, "\n"), "had lost 2 links") {
			t.Errorf("notes %q", r.Notes)
		}
	}
}

// A sensor whose key is lost or replaced begins a new chain, which names the one before.
func TestSigner_AReplacedKeyBeginsANewChain(t *testing.T) {
	db := database(t, false)
	a, b := signer(t), signer(t)
	loadOne(t, signedBy(t, db, a), "tap", "1")
	loadOne(t, signedBy(t, db, b), "tap", "2")
	loadOne(t, signedBy(t, db, a), "tap", "3") // the old machine has not ended yet
	links := chainOf(t, db, "tap", b.Key.Public())
	first := chainOf(t, db, "tap", a.Key.Public())[0]
	if want := (evidence.Place{Key: a.Key.Fingerprint(), Number: 1, Hash: first.hash}); links[0].Before != want {
		t.Errorf("before it is %+v, want %+v", links[0].Before, want)
	}
	r := verify(t, db, VerifyConfig{})
	if len(r.Findings) > 0 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "a new chain") ||
		!strings.Contains(r.Notes[0], b.Key.Fingerprint().String()) {
		t.Errorf("%+v", r)
	}
	r = verify(t, db, trusting(a))
	if !hasFinding(r.Findings, Finding{Sensor: "tap", What: "none of the given ones"}) {
		t.Errorf("the new key is not known: %+v", r.Findings)
	}
	e := &editor{DB: db, t: t}
	e.disarm()
	run(t, db, "delete from links where key = 1; delete from chains where key = 1")
	if r := verify(t, db, VerifyConfig{}); !hasFinding(r.Findings,
		Finding{Sensor: "tap", What: "a chain follows link 1"}) {
		t.Errorf("the chain before it is gone: %+v", r.Findings)
	}
}

// Loaders of one sensor at once, with one key and with another, break no chain and do not wait for each other for ever.
func TestSigner_SeveralLoadersOfOneSensor(t *testing.T) {
	db := database(t, false)
	signers := []*Signer{signer(t), nil, signer(t)}
	signers[1] = &Signer{Key: signers[0].Key, Version: "test", Dir: t.TempDir()}
	var all sync.WaitGroup
	for i, s := range signers {
		queue := openSpool(t, spool.Config{SegmentRecords: -1})
		for k := range 60 {
			sealRows(t, queue, fmt.Sprint(i, "-", k), numbered("tap", 100*i+k), numbered("tap", 1000+100*i+k))
		}
		all.Go(func() { drain(t, queue, NewLoader(LoaderConfig{Spool: queue, Connect: to(db, ""), Signer: s})) })
	}
	all.Wait()
	n := len(chainOf(t, db, "tap", signers[0].Key.Public())) + len(chainOf(t, db, "tap", signers[2].Key.Public()))
	if r := verify(t, db, VerifyConfig{}); n != 180 || len(r.Findings) > 0 || r.Rows != 360 {
		t.Errorf("%d links, %+v", n, r)
	}
}

// A sensor adds to its own chain, and reads no link.
func TestSigner_ASensorIsHeldToItsOwnChain(t *testing.T) {
	db := database(t, false)
	s := signer(t)
	one, two := login(t, db, "tap25_sensor", "one"), login(t, db, "tap25_sensor", "two")
	one.signer, two.signer = s, s
	loadOne(t, one, "one", "1")
	loadOne(t, two, "two", "1")
	fingerprint := s.Key.Fingerprint()
	for sql, code := range map[string]string{
		"select * from tap25_internal.lock_chain('two', $1)":                                 "42501",
		"select * from tap25_internal.lock_chain('', $1)":                                    "42501",
		"select tap25_internal.has_links('two', $1, array[1]::bigint[], array['']::bytea[])": "42501",
		"select tap25_internal.add_links('two', $1, array[9]::bigint[], array[''], null, null, array['x']::bytea[], " +
			"array['x']::bytea[])": "42501",
		"select tap25_internal.stamp_load('two', '1') where $1::bytea is not null": "42501",
		"select from tap25.links where body = $1":                                  "42501",
		"select from tap25.keys where public_key = $1":                             "42501",
		"delete from tap25.links where body = $1":                                  "42501",
		"insert into tap25.keys (public_key) values ($1)":                          "42501",
	} {
		_, err := one.Conn().Exec(t.Context(), sql, fingerprint[:])
		fails(t, sql, err, code)
	}
	// its own chain only grows
	_, err := one.Conn().Exec(t.Context(),
		"select tap25_internal.add_links('one', $1, array[1]::bigint[], array['x'], null, null, array['x']::bytea[], "+
			"array['x']::bytea[])",
		fingerprint[:])
	fails(t, "a link again", err, "P0001")
	for _, sql := range []string{"update links set number = 7", "delete from links", "truncate links",
		"delete from keys",
		"update before_evidence set rows = 0", "update evidence set since = now()"} {
		_, err := db.Conn().Exec(t.Context(), sql)
		if err == nil {
			t.Errorf("%s is let through", sql)
		}
	}
	if r := verify(t, db, trusting(s)); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// A row takes as much room with evidence as without.
func TestSigner_TakesNoOctetOfARow(t *testing.T) {
	var sizes []int64
	for _, s := range []*Signer{nil, signer(t)} {
		db := database(t, false)
		queue := openSpool(t, spool.Config{SegmentRecords: 100})
		for n := range 3000 {
			e := full()
			e.SessionID, e.SeenAt = int64(n), old
			sealOne(t, queue, AppendRow(nil, e))
		}
		if err := queue.Seal(""); err != nil {
			t.Fatal(err)
		}
		drain(t, queue, NewLoader(LoaderConfig{Spool: queue, Connect: to(db, ""), Signer: s}))
		// Not the size of the table: PostgreSQL 16 and newer extend it by several pages at once.
		sizes = append(sizes, ask[int64](t, db,
			"select 8192 * count(distinct (ctid::text::point)[0]) from envelopes_20200229"))
	}
	if sizes[0] != sizes[1] || sizes[0] < 3000*100 {
		t.Errorf("%d octets without evidence, %d with", sizes[0], sizes[1])
	}
}

// VACUUM FREEZE leaves the xmin that rows were loaded with; so does CLUSTER, which changes their order.
func TestVerify_SurvivesFreezeAndAnotherOrder(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	for _, sql := range []string{"vacuum (freeze) tap25_internal.envelopes",
		"vacuum full tap25_internal.envelopes_20200301",
		"create index x on tap25_internal.envelopes_20200301 (session_id desc)",
		"cluster tap25_internal.envelopes_20200301 using x"} {
		execute(t, db, sql)
		if r := verify(t, db, trusting(s)); len(r.Findings) > 0 || r.Rows != 72 {
			t.Errorf("after %s: %+v", sql, r)
		}
	}
}

// restored dumps a database, and connects to a new one that the dump was restored into.
func restored(t *testing.T, name string) *DB {
	t.Helper()
	dump, restore := program(t, "pg_dump"), program(t, "pg_restore")
	restored := storetest.Database(t)
	file := filepath.Join(t.TempDir(), "dump")
	host, user := storetest.Address(t, storetest.Cluster(t))
	for _, cmd := range [][]string{{dump, "-Fc", "-f", file, name}, {restore, "-d", restored, file}} {
		c := exec.Command(cmd[0], append([]string{"-h", host, "-U", user}, cmd[1:]...)...)
		c.Env = append(os.Environ(), "PGOPTIONS=")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", cmd[0], err, out)
		}
	}
	return another(t, restored)
}

// A restored dump gives all rows another xmin: the order of the rows takes its place, and an edit is found still.
func TestVerify_ADumpThatWasRestored(t *testing.T) {
	name, s := provenDatabase(t)
	db := restored(t, name)
	loadOne(t, signedBy(t, db, s), "tap", "after the restore")
	r := verify(t, db, trusting(s))
	if len(r.Findings) > 0 || r.Rows != 73 || !strings.Contains(strings.Join(r.Notes, "\n"), "restored from a dump") {
		t.Errorf("%+v", r)
	}
	e := &editor{DB: db, t: t}
	e.disarm()
	run(t, db, "update envelopes_20200301 set rcpt_to = 'x' where ctid = (select min(ctid) from envelopes_20200301)")
	if r := verify(t, db, trusting(s)); !hasFinding(r.Findings,
		Finding{Sensor: "tap", Day: "2020-03-01", Segment: "tap segment 0"}) {
		t.Errorf("an edit after the restore: %+v", r.Findings)
	}
}

// program finds a program of PostgreSQL's.
func program(t *testing.T, name string) string {
	t.Helper()
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	storetest.Need(t, err)
	return path
}

// The clock of a sensor may go back: it is said, and is no finding.
func TestVerify_AClockThatGoesBack(t *testing.T) {
	db := database(t, false)
	s := signer(t)
	loadOne(t, signedBy(t, db, s), "tap", "1")
	e := &editor{DB: db, t: t}
	e.disarm()
	var body []byte
	l, err := evidence.ParseLink(ask[[]byte](t, db, "select body from links"))
	if err != nil {
		t.Fatal(err)
	}
	l.Time = l.Time.Add(24 * time.Hour)
	body = l.Append(nil)
	run(t, db, fmt.Sprintf(`update links set body = '\x%x', signature = '\x%x'; update chains set hash = sha256('\x%[1]x')`, body,
		s.Key.Sign(body)))
	loadOne(t, signedBy(t, db, &Signer{Key: s.Key}), "tap", "2")
	if r := verify(t, db, VerifyConfig{}); len(r.Findings) > 0 || len(r.Notes) != 1 ||
		!strings.Contains(r.Notes[0], "clock of the sensor tap went back") {
		t.Errorf("%+v", r)
	}
}

// An administrator who expires signs too, without a look at a row. If signing fails, nothing is dropped, and the error
// says so.
func TestExpire_SignsOrDropsNothing(t *testing.T) {
	name, s := provenDatabase(t)
	db := copied(t, name)
	admin := as(t, db, "tap25_admin", "admin")
	e := at(time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC))
	e.RcptTo = new("r6@c.example") // held
	if _, err := signedBy(t, db, s).Load(t.Context(), "tap", "held", encode(e)); err != nil {
		t.Fatal(err)
	}
	run(t, db, "update misdated set loaded_at = loaded_at - interval '10 days'")
	cfg := ExpireConfig{Version: "test", Signer: s, Patience: time.Millisecond}
	run(t, db, "revoke execute on function add_links from tap25_admin")
	report, err := admin.Expire(t.Context(), cfg)
	fails(t, "an administrator who may not sign", err, "42501")
	if n := ask[int](t, db, "select count(*) from envelopes"); len(report.Dropped) > 0 || n != 60 {
		t.Errorf("%d rows are left: %+v", n, report)
	}
	run(t, db, "grant execute on function add_links to tap25_admin")
	expire(t, admin, cfg)
	r := verify(t, db, trusting(s))
	if len(r.Findings) > 0 || r.Segments != 0 || r.Destroyed != 4 || r.Held != 24+1 {
		t.Errorf("%+v", r)
	}
}

// A link costs a line of the file, which neither grows without end nor is spoilt by a crash within a line.
func TestSigner_RemembersTheLastLinks(t *testing.T) {
	s, name := signer(t), chainName{"database", "tap"}
	remember := func(s *Signer, n int) {
		s.remember(name, []*evidence.Link{{Number: uint64(n), Segment: fmt.Sprint(n)}}, []evidence.Hash{{byte(n)}})
	}
	stat := func() os.FileInfo {
		info, err := os.Stat(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	n, rewritten := 1, 0
	remember(s, n)
	before := stat()
	line := before.Size()
	for n++; n <= 5*mostRemembered; n++ {
		remember(s, n)
		after := stat()
		if !os.SameFile(before, after) {
			rewritten++
		}
		if before = after; after.Size() > 2*mostRemembered*line {
			t.Fatalf("%d octets after %d links", after.Size(), n)
		}
	}
	if rewritten > 4 {
		t.Errorf("the whole file was written %d times", rewritten)
	}
	f, err := os.OpenFile(s.path(name), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(`{"Number":1,"Has`)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = &Signer{Key: s.Key, Dir: s.Dir} // another process
		links := s.recall(name)
		if len(links) != mostRemembered || links[len(links)-1].Number != uint64(n-1) ||
			links[0].Number != uint64(n-mostRemembered) {
			t.Fatalf("%d links until %d are remembered", len(links), n-1)
		}
		remember(s, n)
		n++
	}
}
