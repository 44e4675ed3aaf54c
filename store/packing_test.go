package store

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
)

// strangeAddresses are what people, programs and attackers send as mailboxes.
var strangeAddresses = []*string{nil, new(""), new("@"), new("a@"), new("@b"), new("a@b"), new("A@b"), new("a@B"),
	new("a@b@c"),
	new("tab\there@b.example"), new("line\nhere@b.example"), new("\n"), new("\t"), new("ünï@côde.example"),
	new("Ünï@Côde.example"),
	new("x\\N@b.example"), new("{a,\"b\"}@c.example"), new("no-domain"), new("İ@i.example"), new("a @ b.example")}

var strangeQueueIDs = []*string{nil, new(""), new("0"), new("ABCDEF"), new("ABCDE0"), new("ABCDE"), new("1234567890"),
	new("4ZbKcY3xYzz2F3D"),
	new("4ZbKcY4AAzz2F3D"), new("4ZbK"), new("0b2c3d4e-0000-4abc-8def-0123456789ab"),
	new("0B2C3D4E-0000-4ABC-8DEF-0123456789AB"),
	new("1tABCD-000000012Ab-0001"), new("a/b+c="), new("ü"), new(strings.Repeat("A", 37)),
	new(strings.Repeat("Ab", 18))}

var strangeSizes = []*int64{nil, nil, new(int64(0)), new(int64(1)), new(int64(1 << 20)), new(int64(math.MaxInt32)),
	new(int64(1 << 31)),
	new(int64(1<<31 + 1)), new(int64(math.MaxInt64))}

var strangeIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("0.0.0.0"),
	netip.MustParseAddr("255.255.255.255"),
	netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("::"),
	netip.MustParseAddr("10.0.0.7")}

// pick returns one of some values.
func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// strangeRows returns rows of a day in the order of time: some mails have several, many have the same time. Only huge
// ones have sizes and times that are far apart.
func strangeRows(r *rand.Rand, day time.Time, n int, huge bool) (rows []*smtp.Envelope) {
	sizes := strangeSizes[:6]
	if huge {
		sizes = strangeSizes
	}
	when := day
	for len(rows) < n {
		when = when.Add(time.Duration(r.IntN(3)*r.IntN(1000)) * time.Microsecond)
		if huge && r.IntN(n) == 0 {
			when = when.Add(time.Hour)
		}
		e := &smtp.Envelope{SeenAt: when, Sensor: "tap",
			SessionID: pick(r, []int64{0, -1, math.MinInt64, math.MaxInt64, r.Int64(), r.Int64()}),
			MailNo:    pick(r, []int{0, 1, 2, math.MaxInt32}),
			Client: netip.AddrPortFrom(pick(r, strangeIPs),
				pick(r, []uint16{1, 65535, uint16(1024 + r.IntN(50000))})),
			Server: netip.AddrPortFrom(pick(r, strangeIPs), 25), HELO: pick(r, strangeAddresses),
			MailFrom: pick(r, strangeAddresses),
			MailCode: pick(r, []uint16{0, 250, 550}), MessageBytes: pick(r, sizes), DeclaredSize: pick(r, sizes),
			QueueID: pick(r, strangeQueueIDs),
			Auth:    r.IntN(9) == 0, LostBytes: pick(r, []int64{0, 0, 0, 7, math.MaxInt64}),
			Flags: smtp.Flags(r.IntN(3) * r.IntN(128) / 2)}
		if r.IntN(3) == 0 {
			e.MailFrom = new(fmt.Sprintf("bounce-%d@d%d.example", r.IntN(n), r.IntN(50)))
			e.QueueID = new(fmt.Sprintf("%010X", r.IntN(1<<40)))
		}
		if r.IntN(20) == 0 {
			e.MailFromRaw, e.EnvID, e.TLSServerName = []byte{0xff, 0}, pick(r, strangeAddresses),
				pick(r, strangeAddresses)
			e.OriginBy, e.OriginIP, e.OriginPort, e.Network = smtp.ByProxy, pick(r, strangeIPs),
				uint16(1+r.IntN(65535)), "vlan 12"
		}
		if r.IntN(max(n/2, 500)) == 0 {
			e.HELO = new(strings.Repeat("ä", 32<<10))
		}
		for range 1 + r.IntN(3)*r.IntN(3) {
			row := *e
			row.RcptTo, row.RcptCode, row.DataCode, row.Outcome = pick(r, strangeAddresses),
				pick(r, []uint16{0, 250, 550}), 250, smtp.Outcome(r.IntN(6))
			if r.IntN(3) > 0 {
				row.RcptTo = new(fmt.Sprintf("r%d@d%d.example", r.IntN(n), r.IntN(50)))
			}
			if r.IntN(50) == 0 {
				row.ORcpt, row.RcptToRaw = pick(r, strangeAddresses), []byte("@x:b@b.example")
			}
			rows = append(rows, &row)
		}
	}
	return rows[:n]
}

// tuples returns what COPY gives of a query in the binary format.
func tuples(t testing.TB, db *DB, query string) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := db.Conn().PgConn().CopyTo(t.Context(), &b, "copy ("+query+") to stdout (format binary)"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rowsOf is the query of the rows of a day as they were loaded, packedRows of those in its blocks, and mailOn of its
// mail.
func rowsOf(day time.Time) string {
	return fmt.Sprintf("select e.* from %s e order by seen_at, ctid", day.Format("envelopes_20060102"))
}

func packedRows(day time.Time) string {
	return fmt.Sprintf("select (p.e).* from blocks b cross join lateral unpack(b) p where b.day = '%s' order by "+
		"b.number",
		day.Format(time.DateOnly))
}

func mailOn(day time.Time) string {
	return fmt.Sprintf("select * from mail where seen_at >= '%s' and seen_at < '%s' order by seen_at, mail::text",
		day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339))
}

func TestPack_RowsComeBackAsTheyWere(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 28))
	const octets = 4 << 20
	for i, c := range []struct {
		rows, most, octets int
		huge               bool
	}{{1, 8000, octets, false}, {1, 8000, octets, true}, {2, 1, octets, false}, {100, 7, octets, true},
		{500, 100, 1000, false}, {1000, 8000, octets, false}, {8000, 8000, octets, false}, {8001, 8000, octets, true}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			day := old.Truncate(24*time.Hour).AddDate(0, 0, i)
			loadRows(t, db, "tap", strangeRows(r, day, c.rows, c.huge)...)
			want, mail := tuples(t, db, rowsOf(day)), tuples(t, db, mailOn(day))
			if n := ask[int](t, db, "select pack_rows($1, $2, $3)", day, c.most, c.octets); n != c.rows {
				t.Fatalf("%d rows were packed, want %d", n, c.rows)
			}
			if !bytes.Equal(tuples(t, db, packedRows(day)), want) {
				t.Error("the rows are not what they were")
			}
			if !bytes.Equal(tuples(t, db, mailOn(day)), mail) {
				t.Error("the view shows other mail")
			}
			if n := ask[int](t, db, "select count(*) from envelopes"); n != 0 {
				t.Errorf("%d rows are there twice", n)
			}
			if most := ask[int](t, db, "select max(rows) from blocks where day = $1", day); most > c.most {
				t.Errorf("a block of %d rows", most)
			}
		})
	}
}

// What is unpacked for a question has all rows that it is about, be they few or most of a block, and no others but rows
// of the block.
func TestUnpack_HasTheRowsOfAQuestion(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(17, 31))
	day := old.Truncate(24 * time.Hour)
	rows := append(strangeRows(r, day, 1500, false), strangeRows(r, day.AddDate(0, 0, 1), 100, true)...)
	for i, e := range rows[1:] {
		if of := rows[i-r.IntN(min(i+1, 50))]; r.IntN(2) == 0 { // another mail of a session before
			e.SessionID, e.Client, e.Server, e.HELO, e.Auth, e.TLSServerName = of.SessionID, of.Client, of.Server, of.HELO,
				of.Auth, of.TLSServerName
			e.OriginBy, e.OriginIP, e.OriginPort, e.Network = of.OriginBy, of.OriginIP, of.OriginPort, of.Network
		}
	}
	loadRows(t, db, "tap", rows...)
	packAll(t, db, 8000)
	execute(t, db, "create table was as select u.e, (u.e).* from blocks b cross join lateral unpack(b) u")
	const addresses = "(select %[1]s as v from was where length(%[2]s) > 0 group by 1 order by count(*) desc, 1 limit 8)"
	const networks = "unnest('{0.0.0.0/0, ::/0, 0.0.0.0/1, 128.0.0.0/1, ::/1, 192.0.2.1, 192.0.2.1/31, 10.0.0.0/8, " +
		"192.0.2.7/24, 192.0.2.2, 0.0.0.0, 255.255.255.255, 2001:db8::/32, ::, ::ffff:192.0.2.1, ff00::/8}'::text[])"
	for kind, c := range map[string]struct{ values, is string }{
		"rcpt_to":     {fmt.Sprintf(addresses, "lower(rcpt_to)", "rcpt_to"), "lower(rcpt_to) = v"},
		"to_domain":   {fmt.Sprintf(addresses, "domain_of(rcpt_to)", "rcpt_to"), "domain_of(rcpt_to) = v"},
		"to_local":    {fmt.Sprintf(addresses, "local_part(rcpt_to)", "rcpt_to"), "local_part(rcpt_to) = v"},
		"to_below":    {fmt.Sprintf(addresses, "'.' || domain_of(rcpt_to)", "rcpt_to"), "is_of(rcpt_to, v)"},
		"mail_from":   {fmt.Sprintf(addresses, "lower(mail_from)", "mail_from"), "lower(mail_from) = v"},
		"from_domain": {fmt.Sprintf(addresses, "domain_of(mail_from)", "mail_from"), "domain_of(mail_from) = v"},
		"from_local":  {fmt.Sprintf(addresses, "local_part(mail_from)", "mail_from"), "local_part(mail_from) = v"},
		"from_below":  {fmt.Sprintf(addresses, "'.' || domain_of(mail_from)", "mail_from"), "is_of(mail_from, v)"},
		"client":      {networks, "(client_ip <<= v::inet or origin_ip <<= v::inet)"},
		"server":      {networks, "server_ip <<= v::inet"},
	} {
		network := "null"
		if c.values == networks {
			network = "v::inet"
		}
		unpacked := fmt.Sprintf("select u.e from blocks b cross join lateral unpack(b, '%s', v, %s) u", kind, network)
		about := "select e from was where " + c.is
		wrong := lines(t, db, fmt.Sprintf(`select v::text from %s v (v) where v is not null
			and (exists (%[2]s except all %[3]s) or exists (%[3]s except all select e from was)
			or (select count(*) from (%[3]s) u) > greatest(2 * (select count(*) from (%[2]s) e), 9))`,
			c.values, about, unpacked))
		if len(wrong) > 0 {
			t.Errorf("%s: rows of %q are missing, or others are there", kind, wrong)
		}
		if n := ask[int](t, db, fmt.Sprintf("select count(*) from %s v (v) where exists (%s)", c.values, about)); n < 5 {
			t.Errorf("%s: only %d values have rows", kind, n)
		}
	}
	none := "select count(*) from blocks b cross join lateral unpack(b, 'mail_from', (" +
		"select min(lower(rcpt_to)) from was w " +
		"where not exists (select from was where lower(mail_from) = lower(w.rcpt_to)))) u"
	if n := ask[int](t, db, none); n != 0 {
		t.Errorf("%d rows of a sender who is a recipient alone", n)
	}
}
