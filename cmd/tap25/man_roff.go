package main

import (
	"fmt"
	"strings"
)

// roff is a manual page that is being written, in the macros of man(7).
type roff struct{ strings.Builder }

// newRoff begins a page of a section, with its name and one line that describes it. The date is that of the commit, so
// that each build of a commit writes the same page.
func newRoff(name, section, short string) *roff {
	p := &roff{}
	fmt.Fprintf(p, ".nh\n.TH %q %q %q \"tap25\"\n", strings.ToUpper(name), section, commitTime().Format("2006-01-02"))
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", escaped(name), escaped(short))
	return p
}

func (p *roff) section(title string)    { fmt.Fprintf(p, ".SH %s\n", title) }
func (p *roff) subsection(title string) { fmt.Fprintf(p, ".SS %s\n", escaped(title)) }

// text adds paragraphs, which empty lines separate. Indented lines stay as they are.
func (p *roff) text(s string) {
	for i, paragraph := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") {
			fmt.Fprintf(p, ".nf\n%s\n.fi\n", escaped(paragraph))
		} else {
			fmt.Fprintln(p, escaped(paragraph))
		}
	}
}

// item adds an entry of a list: a term, which is in roff already, and paragraphs about it.
func (p *roff) item(term string, paragraphs ...string) {
	fmt.Fprintf(p, ".TP\n%s\n", term)
	for i, text := range paragraphs {
		if i > 0 {
			p.WriteString(".br\n")
		}
		fmt.Fprintln(p, escaped(text))
	}
}

// seeAlso ends the page. Each reference is a page and its section: tap25(1).
func (p *roff) seeAlso(references ...string) {
	p.section("SEE ALSO")
	for i, r := range references {
		name, section, _ := strings.Cut(r, "(")
		comma := ","
		if i == len(references)-1 {
			comma = ""
		}
		fmt.Fprintf(p, ".BR %s (%s%s\n", escaped(name), section, comma)
	}
}

func bold(s string) string   { return `\fB` + escaped(s) + `\fP` }
func italic(s string) string { return `\fI` + escaped(s) + `\fP` }

// escaped returns text that roff prints as it is. Without it, roff interprets a backslash and a line that begins with a
// dot or an apostrophe, and prints other characters for some of ASCII (groff_char(7)).
func escaped(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`).Replace(s)
	return strings.TrimPrefix(strings.ReplaceAll("\n"+s, "\n.", "\n\\&."), "\n")
}
