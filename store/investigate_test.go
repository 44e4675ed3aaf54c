package store

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/smtp"
)

// The questions of an investigator are held against conditions on the rows that know no index, no summary and no case.
// Days are with a summary and without one, and there is one sensor, so that each row is a recipient of its own.
func TestInvestigate_QuestionsAgreeWithTheirMeaning(t *testing.T) {
	db := database(t, false)
	r := rand.New(rand.NewPCG(25, 20))
	var rows []*smtp.Envelope
	for range 2000 {
		rows = append(rows, someone(r, 4))
	}
	loadRows(t, db, "tap", rows...)
	run(t, db, "select summarize_day('2020-02-29'), summarize_day('2020-03-01')")
	from := func(c string) string { return "coalesce(lower(mail_from) " + c + ", false)" }
	to := func(c string) string { return "coalesce(lower(rcpt_to) " + c + ", false)" }
	between := from("= 'ä1@d1.example'") + " and " + to("like '%@d2.example'") + " or " +
		to("= 'ä1@d1.example'") + " and " + from("like '%@d2.example'")
	const days = ", '2020-03-01', '2020-03-03')"
	for question, meaning := range map[string]string{
		"mail_of('ä1@D1.example')": from("= 'ä1@d1.example'") + " or " + to("= 'ä1@d1.example'"),
		"mail_of('D1.example')":    from("like '%@d1.example'") + " or " + to("like '%@d1.example'"),
		"mail_of('')":              from("= ''") + " or " + to("= ''"),
		"mail_of('.example'" + days: "seen_at >= '2020-03-01' and seen_at < '2020-03-03' and (" +
			from("like '%.example'") + " or " + to("like '%.example'") + ")",
		"mail_of('.d1.example'" + days: "seen_at >= '2020-03-01' and seen_at < '2020-03-03' and (" +
			from("like '%@d1.example'") + " or " + to("like '%@d1.example'") + ")",
		"mail_between('ä1@D1.example', 'd2.EXAMPLE')":  between,
		"mail_between('d2.example', 'Ä1@d1.example')":  between,
		"mail_between('.d2.example', 'ä1@d1.example')": between,
		"mail_between('ä1@d1.example', '.d2.example')": between,
		"mail_between('d2.example', 'd2.example')":     from("like '%@d2.example'") + " and " + to("like '%@d2.example'"),
		"mail_between('.example', 'd2.example'" + days: "seen_at >= '2020-03-01' and seen_at < '2020-03-03' and (" +
			from("like '%.example'") + " and " + to("like '%@d2.example'") + " or " +
			to("like '%.example'") + " and " + from("like '%@d2.example'") + ")",
		"mail_ip('10.0.0.7')": "'10.0.0.7' in (client_ip, server_ip, origin_ip)",
		"mail_ip('10.0.0.0/28', null, '2020-03-01')": "seen_at < '2020-03-01' and " +
			"(client_ip <<= '10.0.0.0/28' or coalesce(origin_ip <<= '10.0.0.0/28', false))",
		"mail_ip('2001:db8::7')": "server_ip = '2001:db8::7'",
		"mail_local_part('Ä1'" + days: "seen_at >= '2020-03-01' and seen_at < '2020-03-03' and (" +
			from("like 'ä1@%'") + " or " + to("like 'ä1@%'") + ")",
	} {
		const rows = "select row(seen_at, client_ip, server_ip, origin_ip, origin_by, network, mail_from, rcpt_to)::text " +
			"from "
		want := lines(t, db, rows+"mail where "+meaning+" order by 1")
		got := lines(t, db, rows+question+" order by 1")
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d, or others", question, len(got), len(want))
		}
	}
}

// Mails count as mails, at however many taps: a mail to two people of a domain is one mail to the domain.
func TestInvestigate_CorrespondentsCountMails(t *testing.T) {
	db := database(t, false)
	mail := func(sensor string, number int, from, to string, outcome smtp.Outcome) *smtp.Envelope {
		return seen(sensor, time.Duration(number)*time.Hour, func(e *smtp.Envelope) {
			e.SessionID, e.MailFrom, e.RcptTo, e.Outcome = int64(number), &from, &to, outcome
			e.QueueID = new(fmt.Sprint("Q", number))
		})
	}
	var rows []*smtp.Envelope
	for _, sensor := range []string{"x", "y"} {
		rows = append(rows, mail(sensor, 1, "a@a.example", "b@b.example", smtp.Accepted),
			mail(sensor, 1, "a@a.example", "c@b.example", smtp.Accepted),
			mail(sensor, 2, "A@a.example", "B@b.example", smtp.Refused),
			mail(sensor, 3, "b@b.example", "a@a.example", smtp.Accepted),
			mail(sensor, 4, "", "a@A.example", smtp.Accepted),
			mail(sensor, 5, "d@d.example", "e@d.example", smtp.Accepted))
	}
	loadRows(t, db, "taps", rows...)
	const counts = "select concat_ws(' ', correspondent, sent, received, accepted) from correspondents("
	for party, want := range map[string][]string{
		"'a@A.example'": {"b@b.example 2 1 2", " 0 1 1", "c@b.example 1 0 1"},
		"'b.example'":   {"a@a.example 1 2 2"},
		"'d.example'":   {"d@d.example 0 1 1", "e@d.example 1 0 1"},
		"'d@d.example'": {"e@d.example 1 0 1"},
	} {
		if diff := cmp.Diff(want, lines(t, db, counts+party+")")); diff != "" {
			t.Errorf("%s: %s", party, diff)
		}
	}
}

// What would read every day, or find nothing by mistake, is refused, with the right way.
func TestInvestigate_RefusesWhatNoIndexFinds(t *testing.T) {
	db := database(t, false)
	for question, want := range map[string]string{
		"mail_of('.example')":                              "31 at most",
		"mail_between('.a.example', '.example')":           "31 at most",
		"correspondents('.example', '2026-01-01', null)":   "31 at most",
		"mail_of('.example', '2026-01-01', '2026-03-01')":  "31 at most",
		"mail_local_part('info', '-infinity', 'infinity')": "31 at most",
		"mail_of('marta')":                                 "a domain with a dot before it",
		"mail_of(null)":                                    "a party is a mailbox or a domain",
		"mail_between('marta', 'orchard.example')":         "a party is a mailbox or a domain",
	} {
		_, err := db.Conn().Exec(t.Context(), "select * from "+question)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", question, err, want)
		}
	}
}

// hop is a mail on its way between two hosts.
func hop(after time.Duration, client, server string, size int64, change func(e *smtp.Envelope)) *smtp.Envelope {
	return seen("x", after, func(e *smtp.Envelope) {
		e.Client = netip.AddrPortFrom(netip.MustParseAddr(client), uint16(40000+after/time.Second))
		e.Server = netip.AddrPortFrom(netip.MustParseAddr(server), 25)
		e.SessionID, e.MessageBytes, e.QueueID = int64(after), &size, new(fmt.Sprint("Q", int64(after)))
		if change != nil {
			change(e)
		}
	})
}

// A mail passes two relays, 10.0.0.1 to .2 to .3 to .4. The rows beside it are decoys.
func TestHops_LinksWhatSpeaksForIt(t *testing.T) {
	db := database(t, false)
	for name, c := range map[string]struct {
		rows []*smtp.Envelope
		want []string
	}{
		"two relays": {[]*smtp.Envelope{
			hop(-time.Minute, "10.0.0.1", "10.0.0.2", 1000, nil), hop(0, "10.0.0.2", "10.0.0.3", 1200, nil),
			hop(time.Minute, "10.0.0.3", "10.0.0.4", 1400, nil)},
			[]string{"-1 10.0.0.1 {recipient,sender,size,address,time} 0", "0 10.0.0.2",
				"1 10.0.0.3 {recipient,sender,size,address,time} 0"}},
		"decoys": {[]*smtp.Envelope{hop(0, "10.0.0.2", "10.0.0.3", 1200, nil),
			hop(time.Second, "10.0.0.9", "10.0.0.4", 900, nil),     // smaller
			hop(2*time.Second, "10.0.0.9", "10.0.0.4", 90000, nil), // no more than the addresses
			hop(3*time.Second, "10.0.0.3", "10.0.0.4", 1300, func(e *smtp.Envelope) { e.RcptTo = new("c@b.example") }),
			hop(4*time.Second, "10.0.0.3", "10.0.0.4", 1300, func(e *smtp.Envelope) {
				e.MailFrom = new("d@a.example")
			}),
			hop(-5*time.Second, "10.0.0.3", "10.0.0.4", 1300, nil),  // before
			hop(6*24*time.Hour, "10.0.0.3", "10.0.0.4", 1300, nil)}, // too late
			[]string{"0 10.0.0.2"}},
		"another mail that would do as well": {[]*smtp.Envelope{hop(0, "10.0.0.2", "10.0.0.3", 1200, nil),
			hop(time.Second, "10.0.0.3", "10.0.0.4", 1300, nil), hop(2*time.Second, "10.0.0.3", "10.0.0.4", 1310, nil)},
			[]string{"0 10.0.0.2", "1 10.0.0.3 {recipient,sender,size,address,time} 1"}},
		"a name of RFC 3461 decides": {[]*smtp.Envelope{
			hop(0, "10.0.0.2", "10.0.0.3", 1200, func(e *smtp.Envelope) { e.EnvID = new("E1") }),
			hop(time.Second, "10.0.0.3", "10.0.0.4", 1300, func(e *smtp.Envelope) { e.EnvID = new("E2") }),
			hop(2*time.Second, "10.0.0.8", "10.0.0.4", 1100, func(e *smtp.Envelope) { e.EnvID = new("E1") })},
			[]string{"0 10.0.0.2", "1 10.0.0.8 {recipient,sender,envid,time} 0"}},
		"an alias, and the first try deferred": {[]*smtp.Envelope{hop(0, "10.0.0.2", "10.0.0.3", 1200, nil),
			hop(time.Second, "10.0.0.3", "10.0.0.4", 1300, func(e *smtp.Envelope) {
				e.RcptTo, e.ORcpt, e.Outcome = new("new@c.example"), new("b@b.example"), smtp.Deferred
			}),
			hop(time.Hour, "10.0.0.3", "10.0.0.4", 1300, func(e *smtp.Envelope) {
				e.RcptTo, e.ORcpt = new("new@c.example"), new("b@b.example")
			})},
			[]string{"0 10.0.0.2", "1 10.0.0.3 {orcpt,sender,size,address,time} 0"}},
		"what was refused goes no further": {[]*smtp.Envelope{
			hop(0, "10.0.0.2", "10.0.0.3", 1200, func(e *smtp.Envelope) { e.Outcome = smtp.Refused }),
			hop(time.Second, "10.0.0.3", "10.0.0.4", 1300, nil)}, []string{"0 10.0.0.2"}},
	} {
		run(t, db, "truncate envelopes, misdated")
		run(t, db, "delete from days") // the counts of what is gone
		loadRows(t, db, "tap", c.rows...)
		got := lines(t, db, `select concat_ws(' ', hop, host(client_ip), linked_by, others)
			from mail_hops(0, 1, 'B@b.example')`)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
