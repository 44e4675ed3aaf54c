package disclose

import (
	"strconv"
	"time"

	"tap25/cmd/tap25/rows"
	"tap25/reassembly/smtp"
	"tap25/store"
	"tap25/store/evidence"
)

// maxShown is the most rows that the page shows: about fifty sheets of A4. The files have all.
const maxShown = 1000

// maxText is the most characters of a text that the page shows. An address has at most 320 (RFC 5321 section 4.5.3.1).
const maxText = 320

// answer is what the page shows of the rows. It holds no more than maxShown of them.
type answer struct {
	Rows     int64
	Outcomes [6]int64 // rows of each
	Flags    [7]int64 // rows with each
	Shown    []shownRow
	digest   evidence.Hash // of the rows, if there is one
}

// sha256 returns the digest of the rows as the database records it, in hexadecimal.
func (a *answer) sha256() string {
	if a.Rows == 0 {
		return evidence.HashOf(nil).String()
	}
	return a.digest.String()
}

// shownRow is a row of the page's table.
type shownRow struct {
	Number         int64
	UTC, Local     string
	From, To       string
	Outcome, Reply string
	Client, Server string
	Origin         string
	Flags, Sensors string
	seenAt         time.Time
}

// add takes the next row, and reports whether the page shows it.
func (a *answer) add(r *store.CaseRow) bool {
	e := &r.Envelope
	if a.Rows == 0 {
		a.digest = evidence.HashOf(nil)
	}
	a.digest = DigestWith(a.digest, r)
	a.Rows++
	a.Outcomes[e.Outcome]++
	for i := range a.Flags {
		if e.Flags&(1<<i) != 0 {
			a.Flags[i]++
		}
	}
	if len(a.Shown) == maxShown {
		return false
	}
	s := shownRow{
		Number: a.Rows, UTC: e.SeenAt.UTC().Format(time.DateTime), seenAt: e.SeenAt,
		From: address(e.MailFrom, e.Outcome), To: address(e.RcptTo, e.Outcome),
		Outcome: e.Outcome.String(), Reply: reply(e),
		Client: e.Client.Addr().String(), Server: e.Server.Addr().String(),
		Flags: joinTexts(e.Flags.Names()), Sensors: joinTexts(r.Sensors),
	}
	if e.OriginIP.IsValid() {
		s.Origin = e.OriginIP.String()
	}
	a.Shown = append(a.Shown, s)
	return true
}

// in sets the times of the table in a zone.
func (a *answer) in(z *Zone) {
	for i := range a.Shown {
		a.Shown[i].Local = z.format(a.Shown[i].seenAt)
	}
}

// address returns an address as the page shows it.
func address(s *string, o smtp.Outcome) string {
	switch {
	case s == nil && o == smtp.Encrypted:
		return "(encrypted)"
	case s == nil:
		return "(not seen)"
	case *s == "":
		return "<> (none: a bounce)"
	}
	return visible(*s)
}

// reply returns the reply code that settled the row, RFC 5321 section 4.2; "" for none.
func reply(e *smtp.Envelope) string {
	code := e.DataCode
	if e.MailCode >= 400 {
		code = e.MailCode
	} else if e.RcptCode >= 400 {
		code = e.RcptCode
	}
	if code == 0 {
		return ""
	}
	return strconv.Itoa(int(code))
}

func joinTexts(texts []string) string {
	var b []byte
	for i, s := range texts {
		if i > 0 {
			b = append(b, ", "...)
		}
		if b = append(b, visible(s)...); len(b) > 4*maxText {
			return string(b) + " …"
		}
	}
	return string(b)
}

// visible returns a text as the page shows it: every character that does not just show itself is escaped, so that no
// text reads backwards or hides a part, and a long one is cut.
func visible(s string) string {
	s, cut := first(s, maxText)
	s = rows.Visible(s)
	if cut {
		s += " …"
	}
	return s
}

// first returns the first n characters of a text, and whether it has more.
func first(s string, n int) (string, bool) {
	for i := range s {
		if n == 0 {
			return s[:i], true
		}
		n--
	}
	return s, false
}
