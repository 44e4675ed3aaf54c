package smtp

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// paths are what follows "MAIL FROM:" or "RCPT TO:", the mailbox that a server which takes it takes out of it, and what
// raw has.
var paths = []struct{ in, mailbox, raw string }{
	{"<b@b.example>", "b@b.example", ""},
	{"<b@b.example> NOTIFY=NEVER", "b@b.example", ""},
	{"<b@b.example>SIZE=333", "b@b.example", ""},
	{"< b@b.example >", "b@b.example", ""},
	{"<>", "", ""},
	{"<> SIZE=1", "", ""},
	{"<>>>>>", "", "<>>>>>"},
	{"<<b@b.example>>", "b@b.example", "<<b@b.example>>"},
	{"<<b@b.example>> SIZE=1", "b@b.example", "<<b@b.example>>"},
	{"<<<b@b.example>>>", "b@b.example", "<<<b@b.example>>>"},
	{"<<b@b.example>", "b@b.example", "<<b@b.example>"},
	{"<b@b.example>>", "b@b.example", "<b@b.example>>"},
	{"Bob <b@b.example>", "b@b.example", "Bob <b@b.example>"},
	{"Bob<b@b.example>", "b@b.example", "Bob<b@b.example>"},
	{"Bob B. <b@b.example> NOTIFY=NEVER", "b@b.example", "Bob B. <b@b.example>"},
	{`"Bob, B." <b@b.example>`, "b@b.example", `"Bob, B." <b@b.example>`},
	{`"Bob, B."<b@b.example>`, "b@b.example", `"Bob, B."<b@b.example>`},
	{`"Bob <x@x.example>" <b@b.example>`, "b@b.example", `"Bob <x@x.example>" <b@b.example>`},
	{`"b@b.example" <b@b.example>`, "b@b.example", `"b@b.example" <b@b.example>`},
	{"b@b.example <c@b.example>", "c@b.example", "b@b.example <c@b.example>"},
	{"=?utf-8?q?B=C3=B6b?= <b@b.example>", "b@b.example", "=?utf-8?q?B=C3=B6b?= <b@b.example>"},
	{"(Bob) <b@b.example>", "b@b.example", "(Bob) <b@b.example>"},
	{"<Bob <b@b.example>>", "b@b.example", "<Bob <b@b.example>>"},
	{"Bob <<b@b.example>>", "b@b.example", "Bob <<b@b.example>>"},
	{"Bob <>", "", "Bob <>"},
	{"Bob <@hop.example:b@b.example>", "b@b.example", "Bob <@hop.example:b@b.example>"},
	{"Bob <b@b.example", "b@b.example", "Bob <b@b.example"},
	{"<mailto:b@b.example>", "b@b.example", "<mailto:b@b.example>"},
	{"mailto:b@b.example", "b@b.example", "mailto:b@b.example"},
	{"<MailTo:b@b.example?subject=hi>", "b@b.example", "<MailTo:b@b.example?subject=hi>"},
	{"Bob <mailto:b@b.example> SIZE=1", "b@b.example", "Bob <mailto:b@b.example>"},
	{"<mailto@b.example>", "mailto@b.example", ""},
	{"<b?d@b.example>", "b?d@b.example", ""},
	{"b@b.example", "b@b.example", ""},
	{"b@b.example>", "b@b.example", "b@b.example>"},
	{"b@b.example> SIZE=7", "b@b.example", "b@b.example>"},
	{"b@b.example SIZE=7", "b@b.example", ""},
	{"b@b.example AUTH=<>", "b@b.example", ""},
	{"b@b.example SMTPUTF8 AUTH=<>", "b@b.example", ""},
	{"b@b.example AUTH=<> SIZE=7", "b@b.example", ""},
	{"b@b.example c@b.example", "b@b.example", ""},
	{"<b@b.example> AUTH=<>", "b@b.example", ""},
	{"<b@b.example>,<c@b.example>", "b@b.example", ""},
	{"<b@b.example> <c@b.example>", "b@b.example", ""},
	{"AUTH=<>", "AUTH=<>", ""},
	{`<"a>b"@b.example>`, `"a>b"@b.example`, ""},
	{`<"a<b"@b.example>`, `"a<b"@b.example`, ""},
	{`<"a \" <b@c.example>"@b.example>`, `"a \" <b@c.example>"@b.example`, ""},
	{`"a <b"@b.example SIZE=7`, `"a <b"@b.example`, ""},
	{`<"mailto:b"@b.example>`, `"mailto:b"@b.example`, ""},
	{`x=y+z!/%q@b.example`, `x=y+z!/%q@b.example`, ""},
	{`<b@b.example`, "b@b.example", ""},
	{`<b@b.example SIZE=7`, "b@b.example", ""},
	{`"b@b.example SIZE=7`, `"b@b.example`, ""},
	{"<\xe9@b.example>", "�@b.example", "<\xe9@b.example>"},
	{"Bob", "Bob", ""},
	{"", "", ""},
}

func TestPath_OfMailServers(t *testing.T) {
	for _, p := range paths {
		got := new(texts).parsePath([]byte("to:"+p.in), "to", false)
		if got == nil || *got.mailbox != p.mailbox || string(got.raw) != p.raw {
			t.Errorf("%q gives %v, want %q and raw %q", p.in, show(got), p.mailbox, p.raw)
		}
	}
}

func show(p *path) any {
	if p == nil {
		return nil
	}
	return []string{*p.mailbox, string(p.raw)}
}

// A line that is longer than is kept gives no address that may go on.
func TestPath_OfALineThatWasCut(t *testing.T) {
	for _, in := range []string{"<b@b.exam", "b@b.exam", "Bob", "Bob B. <b@b.exam", `"Bob, B." `, "b@b.example c",
		"<<b@b.exam", `<"b@b.example>`} {
		if got := new(texts).parsePath([]byte("to:"+in), "to", true); got != nil {
			t.Errorf("%q, cut, gives %v", in, show(got))
		}
	}
	for _, in := range []string{"<b@b.example> ORCPT=rfc822;b", "b@b.example ORCPT=rfc822;b", "Bob <b@b.example> X"} {
		if got := new(texts).parsePath([]byte("to:"+in), "to", true); got == nil || *got.mailbox != "b@b.example" {
			t.Errorf("%q, cut, gives %v", in, show(got))
		}
	}
}

// TestPath_PhrasesAndParametersChangeNoMailbox draws mailboxes as RFC 5321 has them, and what clients put around them.
func TestPath_PhrasesAndParametersChangeNoMailbox(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 5322))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range 50_000 {
		local := pick("b", "b.c", "x=y", "o'b", "mailto", "δ", `"b c"`, `"b<c"`, `"b>c"`, `"\"<b@c>\\"`, `"SIZE=1 <>"`)
		mailbox := local + "@" + pick("b.example", "[192.0.2.7]", "[IPv6:2001:db8::7]")
		phrase := pick("", "", "Bob ", "Bob B. ", `"Bob, B." `, `"<x@x>"`, `"\"<"`, "(Bob) ", "=?utf-8?q?=3C?= ",
			"b@c.example ")
		open, closed := "<", ">"
		switch r.IntN(4) {
		case 0:
			open, closed = "<<", ">>"
		case 1:
			if phrase == "" {
				open, closed = "", " "
			}
		}
		parameters := pick("", " SIZE=1", " AUTH=<>", " SMTPUTF8 AUTH=<>", " ORCPT=rfc822;<x@x>", " X")
		in := "from:" + phrase + open + mailbox + closed + parameters
		got := new(texts).parsePath([]byte(in), "from", false)
		if got == nil || *got.mailbox != mailbox {
			t.Fatalf("%q gives %v", in, show(got))
		}
		if bare := phrase == "" && len(open) < 2; bare != (got.raw == nil) ||
			!bare && string(got.raw) != phrase+open+mailbox+closed {
			t.Fatalf("%q gives raw %q", in, got.raw)
		}
	}
}

// FuzzPath: whatever a client sends, the mailbox stands in what raw has, or in the line, and raw begins it.
func FuzzPath(f *testing.F) {
	for _, p := range paths {
		f.Add([]byte(p.in), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut bool) {
		p := new(texts).parsePath(append([]byte("to:"), in...), "to", cut)
		if p == nil {
			return
		}
		in = bytes.TrimLeft(in, " \t")
		switch {
		case !utf8.ValidString(*p.mailbox) || strings.Contains(*p.mailbox, "\x00"):
			t.Errorf("%q is no text", *p.mailbox)
		case p.raw != nil && !bytes.HasPrefix(in, p.raw):
			t.Errorf("%q does not begin with %q", in, p.raw)
		case p.raw == nil && !bytes.Contains(in, []byte(*p.mailbox)):
			t.Errorf("%q has no %q", in, *p.mailbox)
		case utf8.Valid(p.raw) && bytes.IndexByte(p.raw, 0) < 0 && p.raw != nil &&
			!bytes.Contains(p.raw, []byte(*p.mailbox)):
			t.Errorf("%q has no %q", p.raw, *p.mailbox)
		}
	})
}

func TestUnescape_OfRFC3461And6533(t *testing.T) {
	const envid, utf8Address, xtext = 0, 1, 2
	for _, c := range []struct {
		kind     int
		in, want string
	}{
		{xtext, "orig+2Bbox@b.example", "orig+box@b.example"},
		{xtext, "a+2b", "a+"},
		{xtext, "a+2", "a+2"},
		{xtext, "a+", "a+"},
		{xtext, "a+G0+4", "a+G0+4"},
		{xtext, `b\x{F6}b`, `b\x{F6}b`},
		{utf8Address, `b\x{F6}b@b.example`, "böb@b.example"},
		{utf8Address, "böb@b.example", "böb@b.example"},
		{utf8Address, `bö\x{2B}b\x{3D}\x{5C}x@b.example`, `bö+b=\x@b.example`},
		{utf8Address, `\x{8FD9}\x{1F600}\x{10FFFF}`, "这😀\U0010FFFF"},
		{utf8Address, `a+2Bb`, `a+2Bb`},
		{utf8Address, `\x{5C}x{41}`, `\x{41}`},
		{utf8Address, `\x{D800}\x{110000}\x{00}\x{000000}`, `\x{D800}\x{110000}\x{00}\x{000000}`},
		{utf8Address, `\x{4}\x{}\x{41\x41}\x{0000041}\X{41}\x{4G}\`, `\x{4}\x{}\x{41\x41}\x{0000041}\X{41}\x{4G}\`},
		{utf8Address, `\x{000041}\x{c3}`, "AÃ"},
		{envid, `QQ\x{F6}+31+5Cx{41}`, `QQö1\x{41}`},
		{envid, `QQ314159`, `QQ314159`},
	} {
		if got := string(unescape([]byte(c.in), c.kind != utf8Address, c.kind != xtext)); got != c.want {
			t.Errorf("%q gives %q, want %q", c.in, got, c.want)
		}
	}
}

// FuzzUnescape: what is decoded is never longer than what it was, and what needs no decoding stays as it is.
func FuzzUnescape(f *testing.F) {
	f.Add([]byte(`b\x{F6}+2Bb@b.example`), true, true)
	f.Fuzz(func(t *testing.T, in []byte, xtext, unicode bool) {
		out := unescape(in, xtext, unicode)
		if len(out) > len(in) || utf8.Valid(in) && !xtext && !utf8.Valid(out) {
			t.Errorf("%q gives %q", in, out)
		}
		if !bytes.ContainsAny(in, `+\`) && !bytes.Equal(in, out) {
			t.Errorf("%q gives %q", in, out)
		}
	})
}
