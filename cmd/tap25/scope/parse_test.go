package scope

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse_MistakesAreNamedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "the file is empty",
		"# nothing\n":                      "the file is empty",
		"- .be\n":                          "keys with values",
		"domains: [.be]\n---\n{}\n":        "one document",
		"domain: [.be]\n":                  `line 1: unknown key "domain"`,
		"domains: [.be]\nclient: []\n":     `line 2: unknown key "client"`,
		"domains: [.be]\ndomains: [.nl]\n": `line 2: "domains" is in line 1 already`,
		"domains: .be\n":                   "line 1: domains: this is not a list",
		"domains:\n":                       "not a list",
		"domains:\n- .be\n- {a: b}\n":      "line 3: domains: an entry is a text",
		"domains:\n- .be\n- \n":            "line 3: domains: an entry is a text",
		"domains:\n- .be\n- .BE\n":         `line 3: domains: ".BE": line 2 has this domain already`,
		"domains: [bücher.example, xn--bcher-kva.example]": "line 1 has this domain already",
		"domains: [a..b]":                                "a label is empty",
		"domains: ['.']":                                 "a label is empty",
		"domains: ['a b.be']":                            "a character that none has",
		"domains: ['*.be']":                              "a character that none has",
		"domains: ['-a.be']":                             "a hyphen",
		"domains: [a@b.be]":                              "this is an address",
		"domains: [192.0.2.1]":                           "this is an IP address",
		"domains: ['[192.0.2.1]']":                       "this is an IP address",
		"domains: [.1]":                                  "its last label is a number",
		"domains: [xn--a.be]":                            "A-label",
		"domains: [\"a\\u202e.be\"]":                     "a character that none has",
		"domains: [" + strings.Repeat("x", 64) + ".be]":  "more than 63 octets",
		"domains: [" + strings.Repeat("x.", 130) + "be]": "at most 253 octets",
		"clients: [192.0.2.1/24]":                        "write 192.0.2.0/24",
		"clients: [192.0.2.256]":                         "neither an IP address nor a network",
		"clients: ['fe80::1%eth0']":                      "neither an IP address nor a network",
		"clients: ['::ffff:192.0.2.0/120']":              "write it as IPv4",
		"clients: [host.example]":                        "neither an IP address nor a network",
		"encrypted: true":                                "networks, all or none",
		"no_address: [all]":                              "networks, all or none",
		"keep_other_side: yes":                           "true or false",
		"a: &a [.be]\n":                                  "unknown key",
		"domains: &d [.be]\nclients: *d\n":               "not a list",
		"domains: [.be\n":                                "line",
		"domains: [.be]\n\xff":                           "not UTF-8",
		strings.Repeat("#", MaxFile+1):                   "at most 4194304 octets",
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestParse_TakesSoManyEntriesAndNoMore(t *testing.T) {
	var b strings.Builder
	b.WriteString("domains:\n")
	for i := range MaxEntries {
		fmt.Fprintf(&b, "- d%d.example\n", i)
	}
	s := parsed(t, b.String())
	if domains, networks := s.Size(); domains != MaxEntries || networks != 0 || !s.Address("a@d99999.example").Keep {
		t.Errorf("%d domains", domains)
	}
	b.WriteString("- one.more.example\n")
	if _, err := Parse(strings.NewReader(b.String())); err == nil ||
		!strings.Contains(err.Error(), "at most 100000 entries") {
		t.Errorf("one more: %v", err)
	}
}

func TestParse_KeepsTheTextAndItsDigest(t *testing.T) {
	s := parsed(t, "domains: [.be]\n")
	const want = "88f63873ce454d0e51c2840f06e6b200609cf1fceb8bb0b383d056b2e288d1ad" // sha256sum
	if s.Text() != "domains: [.be]\n" || s.Digest() != want {
		t.Errorf("%q, %s", s.Text(), s.Digest())
	}
}
