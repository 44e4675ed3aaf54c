package disclose

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// csvHeader names the columns of rows.csv: those of a line of rows.jsonl, in the same order.
const csvHeader = "seen_at,sensor,session_id,mail_no,client_ip,client_port,server_ip,server_port,origin_ip," +
	"origin_port,origin_by,network,helo,mail_from,rcpt_to,mail_from_raw,rcpt_to_raw,mail_code,rcpt_code,data_code," +
	"outcome,message_bytes,declared_size,envid,orcpt,queue_id,auth,tls_server_name,lost_bytes,flags,sensors,copies\r\n"

// appendCSV appends the line of a row in rows.csv, by RFC 4180. A cell is empty for null; [cell] describes text.
func appendCSV(b []byte, r *store.CaseRow) []byte {
	e := &r.Envelope
	c := csvLine{b: b}
	c.plain(e.SeenAt.UTC().Format("2006-01-02T15:04:05.000000Z"))
	c.text(&e.Sensor)
	c.plain(strconv.FormatInt(e.SessionID, 10))
	c.plain(strconv.Itoa(e.MailNo))
	c.plain(e.Client.Addr().String())
	c.plain(strconv.Itoa(int(e.Client.Port())))
	c.plain(e.Server.Addr().String())
	c.plain(strconv.Itoa(int(e.Server.Port())))
	c.origin(e)
	c.text(e.HELO)
	c.text(e.MailFrom)
	c.text(e.RcptTo)
	c.octets(e.MailFromRaw)
	c.octets(e.RcptToRaw)
	c.code(e.MailCode)
	c.code(e.RcptCode)
	c.code(e.DataCode)
	c.plain(e.Outcome.String())
	c.number(e.MessageBytes)
	c.number(e.DeclaredSize)
	c.text(e.EnvID)
	c.text(e.ORcpt)
	c.text(e.QueueID)
	c.plain(strconv.FormatBool(e.Auth))
	c.text(e.TLSServerName)
	c.plain(strconv.FormatInt(e.LostBytes, 10))
	c.list(e.Flags.Names())
	c.list(r.Sensors)
	c.plain(strconv.FormatInt(r.Copies, 10))
	return append(c.b[:len(c.b)-1], "\r\n"...)
}

// csvLine is a line of rows.csv; each cell has a comma after it.
type csvLine struct{ b []byte }

// plain appends a cell of letters, digits and punctuation that means nothing to a spreadsheet.
func (c *csvLine) plain(s string) { c.b = append(append(c.b, s...), ',') }

// quoted appends a cell whose text is harmless.
func (c *csvLine) quoted(s string) {
	if strings.ContainsAny(s, `,"`) {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	c.plain(s)
}

func (c *csvLine) text(s *string) {
	if s == nil {
		c.plain("")
		return
	}
	c.quoted(cell(*s))
}

func (c *csvLine) octets(v []byte) {
	if v == nil {
		c.plain("")
		return
	}
	c.quoted(cell(base64.StdEncoding.EncodeToString(v)))
}

func (c *csvLine) code(v uint16) {
	if v == 0 {
		c.plain("")
		return
	}
	c.plain(strconv.Itoa(int(v)))
}

func (c *csvLine) number(v *int64) {
	if v == nil {
		c.plain("")
		return
	}
	c.plain(strconv.FormatInt(*v, 10))
}

// list appends texts with a space between them; a space in one of them is escaped.
func (c *csvLine) list(texts []string) {
	var cells []string
	for _, s := range texts {
		cells = append(cells, strings.ReplaceAll(cell(s), " ", `\u0020`))
	}
	c.quoted(strings.Join(cells, " "))
}

// origin appends the columns of the client that a proxy names, and the network.
func (c *csvLine) origin(e *smtp.Envelope) {
	if e.OriginIP.IsValid() {
		c.plain(e.OriginIP.String())
	} else {
		c.plain("")
	}
	c.code(e.OriginPort)
	c.plain(e.OriginBy.String())
	c.plain(e.Network)
}

// cell returns a text as a cell of rows.csv shows it, such that no spreadsheet takes it for a formula and no character
// of it acts on a screen, and that the text can be told from it. The empty text is <>, so that it is not taken for
// null. A character is written as \u and four hexadecimal digits of each UTF-16 unit, as in JSON, if it is
//   - one that can begin a formula (= + - @ and their full-width forms), at the beginning or after a character that a
//     spreadsheet may be told to split cells at: a comma, semicolon, colon, bar, quote or space;
//   - a control or format character, or a separator of lines or paragraphs;
//   - the < of a text that is <>.
//
// A backslash is written twice.
func cell(s string) string {
	switch s {
	case "":
		return "<>"
	case "<>":
		return `\u003c>`
	}
	begins := true // a cell may begin here
	return escape(strings.ReplaceAll(s, `\`, `\\`), func(r rune) bool {
		formula := begins && strings.ContainsRune("=+-@＝＋－＠", r)
		begins = strings.ContainsRune(",;:|\"'", r) || unicode.IsSpace(r)
		return formula || acts(r)
	})
}

// acts reports whether a character does anything but show itself.
func acts(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// escape writes some characters of a text as \u and four hexadecimal digits of each UTF-16 unit.
func escape(s string, which func(rune) bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case !which(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
