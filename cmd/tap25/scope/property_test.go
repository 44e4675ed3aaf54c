package scope

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tap25/reassembly/smtp"
)

// naively judges an ASCII domain by comparing texts.
func naively(entries []string, domain string) bool {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	for _, e := range entries {
		if e = strings.ToLower(e); e == domain || e[0] == '.' && strings.HasSuffix(domain, e) && len(domain) > len(e) {
			return true
		}
	}
	return false
}

func TestProperty_DomainsAsComparedNaively(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		domain := rapid.StringMatching(`[abAB](\.[abAB]){0,3}`)
		entries := rapid.SliceOfNDistinct(rapid.StringMatching(`\.?[abAB](\.[abAB]){0,2}`), 0, 6, strings.ToLower).
			Draw(t, "entries")
		s, err := Parse(strings.NewReader("domains: ['" + strings.Join(entries, "', '") + "']"))
		if len(entries) == 0 {
			s, err = Parse(strings.NewReader("{}"))
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			d := domain.Draw(t, "domain") + rapid.SampledFrom([]string{"", "."}).Draw(t, "dot")
			if s.Address("x@"+d).Keep != naively(entries, d) {
				t.Fatalf("%q in %q", d, entries)
			}
		}
	})
}

func TestProperty_NetworksAsComparedNaively(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 3).Draw(t, "c")), rapid.Byte().Draw(t, "d")})
		})
		var list []netip.Prefix
		var text []string
		for range rapid.IntRange(1, 8).Draw(t, "n") {
			p := netip.PrefixFrom(ip.Draw(t, "ip"), rapid.IntRange(20, 32).Draw(t, "bits")).Masked()
			list, text = append(list, p), append(text, p.String())
		}
		s, err := Parse(strings.NewReader(fmt.Sprintf("servers: [%s]", strings.Join(text, ", "))))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a, want := ip.Draw(t, "server"), false
			for _, p := range list {
				want = want || p.Contains(a)
			}
			if _, server, _ := s.Host(a); server.Keep != want {
				t.Fatalf("%s in %v", a, list)
			}
		}
	})
}

func FuzzJudge(f *testing.F) {
	for _, a := range []string{"a@b.be", `"x@y"@b.be`, "a@bücher.example", "a@[192.0.2.1]", "", "Postmaster",
		"a@b\xff.be."} {
		f.Add(a, "b@in.example")
	}
	s := parsed(f, rules)
	f.Fuzz(func(t *testing.T, from, to string) {
		e := &smtp.Envelope{MailFrom: &from, RcptTo: &to}
		v := s.Judge(e)
		if v != s.Judge(e) || v.Keep != v.Rule.Keeps() {
			t.Fatalf("%+v", v)
		}
		upper := strings.ToUpper(from)
		if isASCII(from) && s.Address(upper).Keep != s.Address(from).Keep {
			t.Fatal("case makes a difference")
		}
		v.Strip(e)
		if v.Keep && !s.Judge(e).Keep {
			t.Fatal("what is left of a row in scope is out of scope")
		}
		for _, a := range []*string{e.MailFrom, e.RcptTo} {
			if v.Rule == ByDomain && !isEmpty(a) && !s.Address(*a).Keep {
				t.Fatal("an address out of scope is left")
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(rules))
	f.Add([]byte("domains: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(strings.NewReader(string(text)))
		if err == nil && s.Text() != string(text) {
			t.Fatal("another text")
		}
	})
}

func large(t testing.TB) *Scope {
	var b strings.Builder
	b.WriteString("domains: [.be]\nclients:\n")
	for i := range 50_000 {
		fmt.Fprintf(&b, "- 10.%d.%d.%d\n", i>>15, i>>7&255, i<<1&255)
	}
	return parsed(t, b.String())
}

func TestJudge_AllocatesNothingForASCII(t *testing.T) {
	s, e := large(t), mail("someone@a.long.domain.example", "other@B.Long.Domain.Be")
	if n := testing.AllocsPerRun(100, func() { s.Judge(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	s, e := large(b), mail("someone@a.long.domain.example", "other@b.long.domain.be")
	for b.Loop() {
		s.Judge(e)
	}
}
