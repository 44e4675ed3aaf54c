package scope

import (
	"net/netip"
	"strings"
	"testing"

	"tap25/reassembly/smtp"
)

func parsed(t testing.TB, text string) *Scope {
	t.Helper()
	s, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const rules = `domains: [.be, in.example, .deep.example, bücher.example, .xn--p1ai, ÄPFEL.test]
clients: [192.0.2.0/24, 2001:db8:1::/48]
servers: [198.51.100.25]
origins: [203.0.113.0/24]
leave_out: [192.0.2.128/25, 2001:db8:1:9::/64]
`

func TestDomains_AreThoseOfTheTable(t *testing.T) {
	s := parsed(t, rules)
	for address, entry := range map[string]string{
		"a@b.be": ".be", "a@B.Be": ".be", "a@x.y.be": ".be", "a@b.be.": ".be", "a@be": "", "a@.be": "", "a@b.be..": "",
		"a@..be": ".be", "a@bbe": "", "a@b.be.example": "", "a@\xff.be": ".be", "a@b\xff.b\xffe": "",
		"a@b\u0000.be": ".be",
		"a@in.example": "in.example", "a@IN.EXAMPLE.": "in.example", "a@x.in.example": "", "a@xin.example": "",
		"a@deep.example": "", "a@x.deep.example": ".deep.example", "a@bücher.example": "bücher.example",
		"a@BÜCHER.Example": "bücher.example", "a@bu\u0308cher.example": "bücher.example",
		"a@xn--bcher-kva.example": "bücher.example", "a@XN--BCHER-KVA.EXAMPLE": "bücher.example",
		"a@x.bücher.example": "", "a@почта.рф": ".xn--p1ai", "a@mail.xn--p1ai": ".xn--p1ai", "a@рф": "",
		"a@äpfel.test": "ÄPFEL.test", "a@xn--pfel-koa.test": "ÄPFEL.test", "a@b\u3002be": ".be", "a@b\uff0ebe": ".be",
		"a@b.\u212ae": "", "a@b.\uff42\uff45": ".be", "": "", "Postmaster": "", "postmaster@": "", "@": "",
		"@b.be":    ".be",
		`"x@b.be"`: "", `"x@y.test"@b.be`: ".be", `"x@b.be"@y.test`: "", "a@b.be@y.test": "", "a@y.test@b.be": ".be",
		"a@[192.0.2.1]": "", "a@[IPv6:2001:db8::1]": "", "a@192.0.2.1": "", "be": "", ".be": "", "a@b.be ": "",
		"a@b.b e":                              "",
		"a@" + strings.Repeat("x", 64) + ".be": ".be", "a@" + strings.Repeat("x.", 5000) + "be": ".be",
		"a@" + strings.Repeat("ü", 2000) + ".be": "", "a@\U0001f4a9.be": ".be", "a@b.\u202ebe": "",
	} {
		v := s.Address(address)
		if v.Entry.Text != entry || v.Keep != (entry != "") || v.Keep != (v.Rule == ByDomain) {
			t.Errorf("an address of the table: %+v, want the entry %q", v, entry)
		}
	}
}

func TestHosts_AreThoseOfTheTable(t *testing.T) {
	s := parsed(t, rules)
	for ip, want := range map[string][3]Rule{
		"192.0.2.1": {ByClient, NoRule, NoRule}, "192.0.2.127": {ByClient, NoRule, NoRule},
		"192.0.2.128": {LeftOut, LeftOut, LeftOut}, "192.0.3.0": {}, "192.0.1.255": {}, "0.0.0.0": {},
		"255.255.255.255": {}, "::ffff:192.0.2.1": {ByClient, NoRule, NoRule},
		"::ffff:192.0.2.200": {LeftOut, LeftOut, LeftOut},
		"2001:db8:1::1":      {ByClient, NoRule, NoRule}, "2001:db8:1:9::1": {LeftOut, LeftOut, LeftOut},
		"2001:db8:2::":       {},
		"2001:db8:1::1%eth0": {ByClient, NoRule, NoRule}, "198.51.100.25": {NoRule, ByServer, NoRule},
		"198.51.100.26": {},
		"203.0.113.9":   {NoRule, NoRule, ByOrigin}, "::": {},
	} {
		client, server, origin := s.Host(netip.MustParseAddr(ip))
		if got := [3]Rule{client.Rule, server.Rule, origin.Rule}; got != want {
			t.Errorf("%s is %v, want %v", ip, got, want)
		}
	}
	nobody := "@"
	unnamed := &smtp.Envelope{RcptTo: &nobody, OriginIP: netip.MustParseAddr("203.0.113.9")}
	if v := s.Judge(unnamed); v.Keep {
		t.Errorf("an origin that nobody names keeps a row: %+v", v)
	}
}

func mail(from, to string) *smtp.Envelope {
	e := &smtp.Envelope{MailFrom: &from, RcptTo: &to}
	e.Client, e.Server = netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:25")
	return e
}

func TestStrip_LeavesWhatIsInScope(t *testing.T) {
	value := func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}
	for _, c := range []struct{ rules, from, to, orcpt, want string }{
		{"", "a@out.example", "b@b.be", "", "null b@b.be null"},
		{"", "a@b.be", "b@out.example", "", "a@b.be null null"},
		{"", "a@b.be", "b@c.be", "", "a@b.be b@c.be null"},
		{"", "", "b@b.be", "", " b@b.be null"},
		{"", "a", "b@b.be", "", "null b@b.be null"},
		{"", "a@out.example", "b@b.be", "c@out.example", "null b@b.be null"},
		{"", "a@out.example", "b@out.example", "c@b.be", "null null c@b.be"},
		{"", "a@out.example", "b@out.example", "", "dropped"},
		{"", "", "Postmaster", "", "dropped"},
		{"keep_other_side: true", "a@out.example", "b@b.be", "c@out.example", "a@out.example b@b.be c@out.example"},
		{"clients: [10.0.0.0/8]", "a@out.example", "b@b.be", "", "a@out.example b@b.be null"},
		{"leave_out: [10.0.0.2]", "a@b.be", "b@b.be", "", "dropped"},
		{"leave_out: [10.0.0.1]\nservers: [10.0.0.2]", "a@b.be", "b@b.be", "", "dropped"},
	} {
		s, e := parsed(t, "domains: [.be]\n"+c.rules), mail(c.from, c.to)
		if c.orcpt != "" {
			e.ORcpt = &c.orcpt
		}
		v, got := s.Judge(e), "dropped"
		if v.Keep {
			v.Strip(e)
			got = value(e.MailFrom) + " " + value(e.RcptTo) + " " + value(e.ORcpt)
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestStrip_LeavesNoOctetsOfAnotherAddress(t *testing.T) {
	s := parsed(t, "domains: [.be]")
	for _, c := range []struct{ raw, want string }{
		{"<@relay.out.example:b@b.be>", ""}, {"<c@out.example<b@b.be>", ""}, {"<\xff@b.be>", "<\xff@b.be>"},
	} {
		e := mail("a@out.example", "b@b.be")
		e.MailFromRaw, e.RcptToRaw, e.EnvID = []byte("<\xffa@out.example>"), []byte(c.raw), new("env")
		s.Judge(e).Strip(e)
		if e.MailFromRaw != nil || e.EnvID != nil || string(e.RcptToRaw) != c.want {
			t.Errorf("%q: %q, %q, %v", c.raw, e.MailFromRaw, e.RcptToRaw, e.EnvID)
		}
	}
	unread := mail("a@b.be", "")
	unread.RcptTo, unread.RcptToRaw = nil, []byte("<c@out.example>")
	s.Judge(unread).Strip(unread)
	if unread.RcptToRaw != nil {
		t.Errorf("the octets of a path that could not be read: %q", unread.RcptToRaw)
	}
}

func TestWithoutAddress_AsTheFileSays(t *testing.T) {
	for text, want := range map[string][4]Rule{ // encrypted and other rows, of the network and of none
		"clients: [192.0.2.0/24]":                             {ByClient, NoEncrypted, ByClient, NoAddress},
		"clients: [192.0.2.0/24]\nencrypted: all":             {ByEncrypted, ByEncrypted, ByClient, NoAddress},
		"clients: [192.0.2.0/24]\nencrypted: none":            {NoEncrypted, NoEncrypted, ByClient, NoAddress},
		"clients: [192.0.2.0/24]\nno_address: all":            {ByClient, NoEncrypted, ByNoAddress, ByNoAddress},
		"servers: [192.0.2.0/24]\nno_address: none":           {NoEncrypted, NoEncrypted, NoAddress, NoAddress},
		"leave_out: [192.0.2.0/24]\nencrypted: all":           {LeftOut, ByEncrypted, LeftOut, NoAddress},
		"clients: [192.0.2.0/24]\nencrypted: networks\n":      {ByClient, NoEncrypted, ByClient, NoAddress},
		"domains: [.be]\nencrypted: none\nno_address: none\n": {NoEncrypted, NoEncrypted, NoAddress, NoAddress},
	} {
		s := parsed(t, text)
		null := ""
		var got [4]Rule
		for i := range got {
			e := &smtp.Envelope{Client: netip.MustParseAddrPort([]string{"192.0.2.1:1", "10.0.0.1:1"}[i%2])}
			if i < 2 {
				e.Outcome = smtp.Encrypted
			} else {
				e.MailFrom = &null
			}
			got[i] = s.Judge(e).Rule
		}
		if got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestKeepsNothing(t *testing.T) {
	for text, want := range map[string]bool{
		"{}": true, "domains: []": true, "domains: [.be]": false, "encrypted: all": false, "no_address: all": false,
		"clients: [10.0.0.1]": false, "clients: [10.0.0.1]\nleave_out: [10.0.0.0/8]": true,
		"servers: [10.0.0.0/8]\nleave_out: [10.0.0.0/9]":             false,
		"origins: [10.1.0.0/16, 11.0.0.1]\nleave_out: [10.0.0.0/8]":  false,
		"origins: [10.1.0.0/16]\nleave_out: ['::/0', 0.0.0.0/0]":     true,
		"leave_out: [10.0.0.0/8]\nkeep_other_side: true":             true,
		"leave_out: [10.0.0.0/8]\nencrypted: none\nno_address: none": true,
	} {
		if got := parsed(t, text).KeepsNothing(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestGate_CountsEachRowOnce(t *testing.T) {
	var g Gate
	if !g.Pass(mail("a@x.example", "b@y.example")) || g.Counts().Dropped != nil {
		t.Error("the zero gate drops rows")
	}
	g.Set(parsed(t, "domains: [.be]"))
	for range suspicious {
		g.Pass(mail("a@x.example", "b@y.example"))
	}
	if c := g.Counts(); !strings.Contains(c.Warning(),
		"of the last 1,000 rows is in scope: the scope has kept 1 of 1,001 rows (0.1 %)") ||
		c.Sum() != suspicious || c.Kept != 1 || c.Dropped["no rule"] != suspicious {
		t.Errorf("%+v", c)
	}
	if !g.Pass(mail("a@x.example", "b@y.be")) || g.Counts().Warning() != "" || g.Counts().Kept != 2 {
		t.Errorf("%+v", g.Counts())
	}
}
