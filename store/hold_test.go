package store

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

func hold(t testing.TB, db *DB, subject string, change func(*Hold)) int64 {
	t.Helper()
	h := Hold{Reason: "a court's order"}
	if err := h.Subject(subject); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&h)
	}
	id, err := db.AddHold(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestHoldSubject(t *testing.T) {
	for s, want := range map[string]string{"a@b.example": "mailbox", "b.example": "domain", "192.0.2.7": "network",
		"192.0.2.0/24":  "network",
		"2001:db8::/32": "network", "": "", "192.0.2.1/24": "", "fe80::1%eth0": "", "a b": ""} {
		var h Hold
		err := h.Subject(s)
		got := ""
		switch {
		case h.Mailbox != nil:
			got = "mailbox"
		case h.Domain != nil:
			got = "domain"
		case h.Network != nil:
			got = "network"
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("subject is a %q, %v; want %q", got, err, want)
		}
	}
}

// Three rows of an old day: of full(), of another recipient, of another client.
func heldDay(t testing.TB, db *DB) {
	t.Helper()
	other, client := at(old.Add(time.Hour)), at(old.Add(2*time.Hour))
	other.RcptTo, other.MailFrom = new("c@c.example"), new("d@d.example")
	client.RcptTo, client.MailFrom, client.Client = nil, new(""), netip.MustParseAddrPort("198.51.100.9:1")
	loadRows(t, db, "tap", at(old), other, client)
}

func TestExpire_HeldRowsStay(t *testing.T) {
	for _, c := range []struct {
		name, subject string
		change        func(*Hold)
		want          int
	}{
		{"sender in another case", "äPFEL@A.example", nil, 1},
		{"recipient", "C@C.EXAMPLE", nil, 1},
		{"sender's domain", "D.example", nil, 1},
		{"recipient's domain", "b.example", nil, 1},
		{"client", "198.51.100.9", nil, 1},
		{"subnet", "192.0.2.0/24", nil, 2},
		{"server's subnet", "2001:db8::/64", nil, 3},
		{"nobody", "nobody@b.example", nil, 0},
		{"from its first time on", "2001:db8::/64", func(h *Hold) { h.Since = new(old.Add(time.Hour)) }, 2},
		{"up to its last time, excluded", "2001:db8::/64", func(h *Hold) { h.Before = new(old.Add(time.Hour)) }, 1},
		{"another day", "2001:db8::/64", func(h *Hold) { h.Since = new(old.Add(24 * time.Hour)) }, 0},
		{"over", "2001:db8::/64", func(h *Hold) { h.Until = new(time.Now().Add(-time.Hour)) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := database(t, false)
			hold(t, db, c.subject, c.change)
			heldDay(t, db)
			r := expire(t, db, impatient)
			if len(r.Dropped) != 1 || r.Dropped[0].Rows != 3 || r.Dropped[0].Kept != int64(c.want) {
				t.Errorf("dropped %+v, want 3 rows of which %d kept", r.Dropped, c.want)
			}
			if n := count(t, db); n != c.want {
				t.Errorf("the view mail shows %d rows, want %d", n, c.want)
			}
		})
	}
}

func TestExpire_HeldRowKeepsEveryColumn(t *testing.T) {
	db := database(t, false)
	loadRows(t, db, "tap", at(old))
	const whole = "select row_to_json(mail)::text from mail"
	before := ask[string](t, db, whole)
	hold(t, db, "b@b.example", nil)
	expire(t, db, impatient)
	if after := ask[string](t, db, whole); after != before {
		t.Error("the held row differs from the row that was loaded")
	}
	if n := ask[int](t, db, "select count(*) from mail_to('B@b.example')"); n != 1 {
		t.Errorf("mail_to finds %d rows, want 1", n)
	}
}

func TestExpire_RowOfTwoHoldsStaysOnceUntilBothEnd(t *testing.T) {
	db := database(t, false)
	first := hold(t, db, "b@b.example", nil)
	hold(t, db, "192.0.2.0/24", nil)
	heldDay(t, db)
	expire(t, db, impatient)
	third := hold(t, db, "a.example", nil) // what is kept already is kept for it too
	if n := count(t, db); n != 2 {
		t.Fatalf("%d rows are kept, want 2", n)
	}
	holds, err := db.Holds(t.Context(), false)
	if err != nil || len(holds) != 3 || *holds[0].Rows != 1 || *holds[1].Rows != 2 || *holds[2].Rows != 1 {
		t.Errorf("holds %+v, %v", holds, err)
	}
	for _, step := range []struct {
		drop int64
		want int
	}{{first, 2}, {first + 1, 1}, {third, 0}} {
		if err := db.DropHold(t.Context(), step.drop); err != nil {
			t.Fatal(err)
		}
		r := expire(t, db, impatient)
		if n := count(t, db); n != step.want {
			t.Errorf("%d rows behind hold %d, want %d; %+v", n, step.drop, step.want, r)
		}
	}
	if n := ask[int](t, db, "select sum(rows) from expired where kind = 'held' and day = '2020-02-29' and bytes > 0"); n != 2 {
		t.Errorf("%d rows recorded as no longer held, want 2", n)
	}
	if err := db.DropHold(t.Context(), first); err == nil {
		t.Error("a hold was dropped twice")
	}
	if n := ask[int](t, db, "select count(*) from holds where released_at is not null and dropped_by is not null"); n != 3 {
		t.Errorf("%d holds are recorded as released, want 3", n)
	}
}

func TestExpire_MisdatedRowsAreHeldToo(t *testing.T) {
	db := database(t, false)
	hold(t, db, "b@b.example", nil)
	loadRows(t, db, "tap", at(time.Unix(1, 0)))
	yearsGoBy(t, db)
	if r := expire(t, db, impatient); len(r.Dropped) != 1 || r.Dropped[0].Kept != 1 {
		t.Errorf("%+v", r)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestExpire_WaitsForAHoldThatIsBeingAdded(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	clerk := another(t, db.Conn().Config().Database)
	tx, err := clerk.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "select add_hold('b@b.example', null, null, null, null, null, 'order')"); err != nil {
		t.Fatal(err)
	}
	if r := expire(t, db, impatient); len(r.Busy) != 1 {
		t.Errorf("beside the clerk: %+v", r)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := expire(t, db, impatient); len(r.Dropped) != 1 || r.Dropped[0].Kept != 1 {
		t.Errorf("behind the clerk: %+v", r)
	}
}

func TestAddHold_NeedsAReasonAndOneSubject(t *testing.T) {
	db := database(t, false)
	if _, err := db.AddHold(t.Context(), Hold{Mailbox: new("a@b.example")}); err == nil {
		t.Error("a hold without a reason was added")
	}
	if _, err := db.AddHold(t.Context(), Hold{Mailbox: new("a@b.example"), Domain: new("b.example"),
		Reason: "x"}); err == nil {
		t.Error("a hold of two subjects was added")
	}
}
