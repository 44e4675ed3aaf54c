package store

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/smtp"
)

// seen is a row of a connection that lost nothing, at a time of the day old.
func seen(sensor string, after time.Duration, change func(e *smtp.Envelope)) *smtp.Envelope {
	size := int64(700)
	e := &smtp.Envelope{SeenAt: old.Add(after), Sensor: sensor, SessionID: 7, MailNo: 1, Outcome: smtp.Accepted,
		Client: netip.MustParseAddrPort("192.0.2.1:40000"), Server: netip.MustParseAddrPort("198.51.100.25:25"),
		MailFrom: new("a@a.example"), RcptTo: new("b@b.example"), MailCode: 250, RcptCode: 250, DataCode: 250,
		MessageBytes: &size, QueueID: new("Q1")}
	if change != nil {
		change(e)
	}
	return e
}

// lost takes from a row what a tap missed that lost the reply to the end of data.
func lost(e *smtp.Envelope) {
	e.QueueID, e.MessageBytes, e.DataCode, e.Outcome, e.LostBytes, e.Flags = nil, nil, 0, smtp.Unknown, 90, smtp.Gap
}

// Each case has rows as taps load them, and what mail_once has: time of day in seconds, sensor, outcome, sensors.
func TestOnce_DecidesByNameNumberAndMoment(t *testing.T) {
	db := database(t, false)
	for name, c := range map[string]struct {
		rows []*smtp.Envelope
		want []string
	}{
		"one capture under two sensors": {
			[]*smtp.Envelope{seen("y", 0, nil), seen("x", 0, nil)}, []string{"0 x accepted {x,y}"}},
		"the complete row, whose clock is half an hour fast": {
			[]*smtp.Envelope{seen("x", time.Second, lost), seen("y", 30*time.Minute, nil), seen("z", 0, nil)},
			[]string{"0 z accepted {x,y,z}"}},
		"a clock beyond midnight": {
			[]*smtp.Envelope{seen("x", 12*time.Hour-time.Second/4, nil), seen("y", 12*time.Hour+time.Second/4, lost)},
			[]string{"43199.75 x accepted {x,y}"}},
		"a clock beyond midnight, the name at both": {
			[]*smtp.Envelope{seen("x", 12*time.Hour-time.Minute, nil), seen("y", 12*time.Hour, func(e *smtp.Envelope) {
				e.MailNo, e.LostBytes, e.Flags = 4, 80, smtp.Gap
			})}, []string{"43140 x accepted {x,y}"}},
		"no SYN at one tap, another number of the session": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("y", 0, func(e *smtp.Envelope) {
				e.SessionID, e.Flags = 8, smtp.Midstream
			})}, []string{"0 x accepted {x,y}"}},
		"a tag that one tap sees": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("y", 0, func(e *smtp.Envelope) {
				e.SessionID, e.Network = 8, "vlan 12"
			})}, []string{"0 y accepted {x,y}"}},
		"the same addresses and ports in two networks": {
			[]*smtp.Envelope{seen("x", 0, func(e *smtp.Envelope) { e.Network = "vlan 12"; lost(e) }),
				seen("y", 0, func(e *smtp.Envelope) { e.Network, e.SessionID = "vlan 13", 8; lost(e) })},
			[]string{"0 x unknown {x}", "0 y unknown {y}"}},
		"a resend after 450 in the session": {
			[]*smtp.Envelope{seen("x", 0, func(e *smtp.Envelope) {
				e.QueueID, e.DataCode, e.Outcome = nil, 450, smtp.Deferred
			}), seen("x", time.Second/2, func(e *smtp.Envelope) { e.MailNo = 2 }),
				seen("y", time.Second/2, func(e *smtp.Envelope) { e.LostBytes = 500 })},
			[]string{"0 x deferred {x}", "0.5 x accepted {x,y}"}},
		"two messages, of which each tap missed another, and nothing names the second": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("y", time.Second/2, func(e *smtp.Envelope) {
				lost(e)
				e.RcptCode = 450
			})}, []string{"0 x accepted {x}", "0.5 y unknown {y}"}},
		"two messages, the same moment and nothing against it, at one tap": {
			[]*smtp.Envelope{seen("x", 0, lost), seen("x", 0, lost), seen("y", 0, lost)},
			[]string{"0 x unknown {x}", "0 x unknown {x}", "0 y unknown {y}"}},
		"a recipient named twice": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("x", 0, nil), seen("y", 0, nil), seen("y", 0, nil)},
			[]string{"0 x accepted {x,y}", "0 x accepted {x,y}"}},
		"a server that names all mails alike": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("x", time.Second, func(e *smtp.Envelope) { e.MailNo = 2 }),
				seen("y", time.Second, func(e *smtp.Envelope) { e.MailNo = 2 })},
			[]string{"0 x accepted {x}", "1 x accepted {x,y}"}},
		"a server that names all mails alike, and losses at both taps": {
			[]*smtp.Envelope{seen("x", 0, gap), seen("x", 9*time.Second, func(e *smtp.Envelope) {
				gap(e)
				e.MailNo, e.MessageBytes = 2, new(int64(900))
			}), seen("y", 9*time.Second, func(e *smtp.Envelope) { gap(e); e.MessageBytes = new(int64(900)) })},
			[]string{"0 x accepted {x}", "9 x accepted {x,y}"}},
		"a name that comes again two hours later": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("y", 2*time.Hour, func(e *smtp.Envelope) { e.SessionID = 9 })},
			[]string{"0 x accepted {x}", "7200 y accepted {y}"}},
		"no name, and nothing lost": {
			[]*smtp.Envelope{seen("x", 0, func(e *smtp.Envelope) { e.QueueID = nil }),
				seen("y", 9*time.Second, func(e *smtp.Envelope) { e.QueueID = nil })},
			[]string{"0 x accepted {x,y}"}},
		"a sender that a scope left out": {
			[]*smtp.Envelope{seen("x", 0, func(e *smtp.Envelope) { e.MailFrom = nil }), seen("y", 0, nil)},
			[]string{"0 y accepted {x,y}"}},
		"a recipient that one tap missed": {
			[]*smtp.Envelope{seen("x", 0, nil), seen("y", 0, func(e *smtp.Envelope) { e.RcptTo = nil; lost(e) })},
			[]string{"0 x accepted {x}", "0 y unknown {y}"}},
		"an encrypted session": {
			[]*smtp.Envelope{seen("x", 0, dark), seen("y", 0, func(e *smtp.Envelope) { dark(e); e.LostBytes = 5 })},
			[]string{"0 x encrypted {x,y}"}},
	} {
		run(t, db, "truncate envelopes")
		loadRows(t, db, "taps", c.rows...)
		got := lines(t, db, `select concat_ws(' ', extract(epoch from seen_at - '2020-02-29 12:00Z')::float8, sensor,
			outcome, sensors) from mail_once order by seen_at, sensor`)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if n := ask[int](t, db, "select sum(copies) from mail_once"); n != len(c.rows) {
			t.Errorf("%s: %d copies of %d rows", name, n, len(c.rows))
		}
	}
}

// gap is a row of a session of which octets were lost before.
func gap(e *smtp.Envelope) { e.LostBytes, e.Flags = 90, smtp.Gap }

// dark is a row of an encrypted session.
func dark(e *smtp.Envelope) {
	*e = smtp.Envelope{SeenAt: e.SeenAt, Sensor: e.Sensor, SessionID: e.SessionID, Client: e.Client, Server: e.Server,
		Outcome: smtp.Encrypted}
}

// Rows that a hold keeps and rows without a day count too, and each is in one of two ranges that meet.
func TestOnce_CountsRowsBesideTheDays(t *testing.T) {
	db := database(t, false)
	ahead := time.Now().UTC().AddDate(0, 0, 40).Truncate(time.Hour)
	loadRows(t, db, "taps", seen("x", 0, nil), seen("y", 0, func(e *smtp.Envelope) { e.SeenAt, e.SessionID = ahead, 8 }))
	run(t, db, `insert into held select (jsonb_populate_record(null::held,
		to_jsonb(e) || '{"hold_ids": [1], "sensor": "z"}')).* from envelopes e`)
	if got := lines(t, db, "select concat(sensor, copies) from mail_once order by 1"); !slices.Equal(got,
		[]string{"x2", "y1"}) {
		t.Errorf("%q", got)
	}
	for second, want := range []int{1, 0} {
		from := old.Add(time.Duration(second) * time.Second)
		n := ask[int](t, db, "select count(*) from mail_once($1, $2)", from, from.Add(time.Second))
		if n != want {
			t.Errorf("second %d: %d rows, want %d", second, n, want)
		}
	}
}

func TestOnce_ReadsTheDaysOfItsTimeAlone(t *testing.T) {
	db := database(t, false)
	for day := range 6 {
		loadRows(t, db, "tap", seen("x", time.Duration(day)*24*time.Hour, nil))
	}
	n, touched := scans(t, db, "mail_once('2020-03-01 02:00Z', '2020-03-01 23:30Z')")
	if want := map[string]string{"envelopes_20200301": "whole", "envelopes_20200302": "whole"}; n != 1 ||
		cmp.Diff(want, touched) != "" {
		t.Errorf("%d rows, %v; want 1 of %v", n, touched, want)
	}
	plan := strings.Join(lines(t, db, "explain (costs off) select * from mail_once('2020-03-01', '2020-03-02')"), "\n")
	if !strings.Contains(plan, "envelopes_20200301") || strings.Contains(plan, "envelopes_20200303") {
		t.Error(plan)
	}
}

// Conditions on what all copies have in common are applied before copies are looked for.
func TestOnce_FindsAnAddressByIndex(t *testing.T) {
	db := manyHosts(t, func(i int, e *smtp.Envelope) { e.RcptTo = new(fmt.Sprintf("to%d@b.example", i)) })
	for _, question := range []string{"mail_once where rcpt_to = 'to77@b.example'",
		"mail_once where client_ip = '10.0.0.77'",
		"mail_once('2026-01-02', '2026-01-03') where rcpt_to = 'to77@b.example'"} {
		if n, touched := scans(t, db, question); n != 1 || touched["envelopes_20260102"] != "by index" {
			t.Errorf("%s: %d rows, %v; want 1 by index", question, n, touched)
		}
	}
}

func TestQuestions_AsPeopleTypeThemUseTheIndex(t *testing.T) {
	db := manyHosts(t, func(i int, e *smtp.Envelope) {
		e.MailFrom, e.RcptTo = new(fmt.Sprintf("from%d@a%d.example", i, i)), new(fmt.Sprintf("to%d@b%d.example", i, i))
	})
	for _, question := range []string{"mail where mail_from = 'from77@a77.example'",
		"mail where rcpt_to = 'to77@b77.example'",
		"mail where mail_from in ('from77@a77.example', 'nobody@a.example')",
		"mail where rcpt_to = any (array['to77@b77.example', 'nobody@a.example'])",
		"mail where mail_from = 'from77@a77.example' and seen_at >= '2026-01-01'",
		"mail where mail_from = (select 'from77@a77.example')",
		"mail m join (values ('from77@a77.example')) w (who) on m.mail_from = w.who"} {
		if n, touched := scans(t, db, question); n != 1 || touched["envelopes_20260102"] != "by index" {
			t.Errorf("%s: %d rows, %v; want 1 by index", question, n, touched)
		}
	}
}
