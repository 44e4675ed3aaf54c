package disclose

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store/evidence"
	"tap25/store/numeral"
)

//go:embed page.html
var pageText string

// outcomeMeanings and flagMeanings say what docs/record.md says, to a reader who knows no SMTP.
var outcomeMeanings = map[string]string{
	"accepted": "The receiving server accepted the mail for this recipient. It took over the task of delivering it; " +
		"that the recipient read it, or that it reached the mailbox, is not shown.",
	"deferred": "The receiving server could not take the mail at that time and asked the sending server to try again " +
		"later. A later attempt is an entry of its own.",
	"refused": "The receiving server refused the mail for this recipient for good.",
	"aborted": "The attempt ended before the mail was handed over completely: it was not delivered by this attempt.",
	"unknown": "The reply of the receiving server that decides what became of the mail was not captured. It may or " +
		"may not have been accepted.",
	"encrypted": "The two servers encrypted their connection. There may have been mail in it, with senders and " +
		"recipients that could not be seen.",
}

var flagMeanings = map[string]string{
	"midstream": "The observation began when the connection was already open: what came before is not known.",
	"one-sided": "Only one of the two directions of the connection was seen, so the other side's words are missing.",
	"gap": "A part of the connection was not captured, at this mail or next to it. What is shown was seen; what is " +
		"missing may have changed the outcome.",
	"conflict": "Data came twice with different contents, or copies could not be compared, so it is not certain " +
		"which one the receiving server used.",
	"smuggling": "The mail or a command ended in a way that mail servers understand differently. This can be an " +
		"attempt to hide a second mail in the first.",
	"injected": "Readable text was sent together with the request for encryption. This can be an attempt to slip " +
		"commands into the encrypted connection.",
	"truncated": "A line was longer, or there were more commands waiting, than is recorded: a part was cut off.",
}

// word is an outcome or a flag of the rows, with its meaning.
type word struct {
	Word    string
	Rows    int64
	Meaning string
}

// pageData is what the page is made from. Of the manifest, it uses what is known before the page is made.
type pageData struct {
	*Manifest
	Answer      *answer
	Fingerprint string
	Files       []File // those before the page
}

// When returns a time in UTC, and in the zone if that is another.
func (p *pageData) When(t time.Time) string {
	text := t.UTC().Format(time.DateTime) + " UTC"
	if local := p.Zone.format(t); local != "" && local != text {
		text += " (" + local + ")"
	}
	return text
}

// Cut returns the number of rows shown if that is not all of them, else 0.
func (p *pageData) Cut() int64 {
	if n := int64(len(p.Answer.Shown)); n < p.Answer.Rows {
		return n
	}
	return 0
}

// Words returns the outcomes and flags that rows have.
func (p *pageData) Words() (words []word) {
	for i, name := range smtp.Outcomes() {
		if n := p.Answer.Outcomes[i]; n > 0 {
			words = append(words, word{name, n, outcomeMeanings[name]})
		}
	}
	for i, name := range smtp.FlagNames() {
		if n := p.Answer.Flags[i]; n > 0 {
			words = append(words, word{name, n, flagMeanings[name]})
		}
	}
	return words
}

var pageTemplate = template.Must(template.New(pageFile).Funcs(template.FuncMap{
	"visible": visible, "grouped": numeral.Grouped,
}).Parse(pageText))

// writePage writes index.html. The same manifest and rows give the same octets.
func writePage(w io.Writer, m *Manifest, a *answer) error {
	key, err := m.key()
	if err != nil {
		return err
	}
	a.in(&m.Zone)
	files := slices.DeleteFunc(slices.Clone(m.Files), func(f File) bool { return f.Name == pageFile })
	if err := pageTemplate.Execute(w, &pageData{m, a, evidence.Fingerprint(key).String(), files}); err != nil {
		return fmt.Errorf("write %s: %w", pageFile, err)
	}
	return nil
}
