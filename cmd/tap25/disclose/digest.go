package disclose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tap25/store"
	"tap25/store/evidence"
)

// DigestWith returns the digest of rows up to and with a row, as the database records it (docs/auditing.md): SHA-256 of
// the digest before it and the row as row_to_json writes it, with LF. The first is that of nothing.
func DigestWith(digest evidence.Hash, r *store.CaseRow) evidence.Hash {
	return sha256.Sum256(append(appendPostgres(digest[:], r), '\n'))
}

// appendPostgres appends a row as row_to_json writes a row of mail_once, with times in UTC.
func appendPostgres(b []byte, r *store.CaseRow) []byte {
	e := &r.Envelope
	o := object{b: append(b, '{')}
	o.quoted("seen_at", strings.TrimRight(strings.TrimRight(e.SeenAt.UTC().Format("2006-01-02T15:04:05.000000"), "0"),
		".")+"+00:00")
	o.text("sensor", &e.Sensor)
	o.number("session_id", &e.SessionID)
	o.plain("mail_no", strconv.Itoa(e.MailNo))
	o.address("client_ip", e.Client.Addr())
	o.plain("client_port", strconv.Itoa(int(e.Client.Port())))
	o.address("server_ip", e.Server.Addr())
	o.plain("server_port", strconv.Itoa(int(e.Server.Port())))
	o.text("helo", e.HELO)
	o.text("mail_from", e.MailFrom)
	o.text("rcpt_to", e.RcptTo)
	o.octets("mail_from_raw", e.MailFromRaw)
	o.octets("rcpt_to_raw", e.RcptToRaw)
	o.code("mail_code", e.MailCode)
	o.code("rcpt_code", e.RcptCode)
	o.code("data_code", e.DataCode)
	o.quoted("outcome", e.Outcome.String())
	o.number("message_bytes", e.MessageBytes)
	o.number("declared_size", e.DeclaredSize)
	o.text("envid", e.EnvID)
	o.text("orcpt", e.ORcpt)
	o.text("queue_id", e.QueueID)
	o.plain("auth", strconv.FormatBool(e.Auth))
	o.text("tls_server_name", e.TLSServerName)
	o.number("lost_bytes", &e.LostBytes)
	o.list("flags", e.Flags.Names())
	o.address("origin_ip", e.OriginIP)
	o.code("origin_port", e.OriginPort)
	o.name("origin_by", e.OriginBy.String())
	o.name("network", e.Network)
	o.list("sensors", r.Sensors)
	o.number("copies", &r.Copies)
	return append(o.b, '}')
}

// object is an object of JSON that is written.
type object struct {
	b     []byte
	begun bool
}

// plain appends a value as it stands.
func (o *object) plain(name, value string) {
	if o.begun {
		o.b = append(o.b, ',')
	}
	o.begun = true
	o.b = append(append(append(append(o.b, '"'), name...), `":`...), value...)
}

func (o *object) quoted(name, value string) { o.plain(name, `"`+value+`"`) }

func (o *object) text(name string, s *string) {
	if s == nil {
		o.plain(name, "null")
		return
	}
	o.quoted(name, escapePostgres(*s))
}

func (o *object) name(name, s string) {
	if s == "" {
		o.plain(name, "null")
		return
	}
	o.quoted(name, escapePostgres(s))
}

func (o *object) number(name string, n *int64) {
	if n == nil {
		o.plain(name, "null")
		return
	}
	o.plain(name, strconv.FormatInt(*n, 10))
}

func (o *object) code(name string, v uint16) {
	if v == 0 {
		o.plain(name, "null")
		return
	}
	o.plain(name, strconv.Itoa(int(v)))
}

func (o *object) octets(name string, v []byte) {
	if v == nil {
		o.plain(name, "null")
		return
	}
	o.quoted(name, `\\x`+hex.EncodeToString(v))
}

// address appends an IP address; null for none. PostgreSQL writes the last four octets of an IPv6 address in the form of
// IPv4 also if the first twelve are zero, as long as the first two of the four are not.
func (o *object) address(name string, a netip.Addr) {
	if !a.IsValid() {
		o.plain(name, "null")
		return
	}
	if raw := a.AsSlice(); len(raw) == 16 && netip.AddrFrom16([16]byte(append(make([]byte, 12), raw[12:]...))) == a &&
		raw[12]|raw[13] != 0 {
		o.quoted(name, "::"+netip.AddrFrom4([4]byte(raw[12:])).String())
		return
	}
	o.quoted(name, a.String())
}

func (o *object) list(name string, texts []string) {
	if texts == nil {
		o.plain(name, "null")
		return
	}
	var quoted []string
	for _, s := range texts {
		quoted = append(quoted, `"`+escapePostgres(s)+`"`)
	}
	o.plain(name, "["+strings.Join(quoted, ",")+"]")
}

// escapePostgres escapes a text as PostgreSQL does in JSON: no more than JSON asks for.
func escapePostgres(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ':
			b.WriteByte(c)
		default:
			if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
				b.WriteByte('\\')
				b.WriteByte("bfnrt"[at])
			} else {
				fmt.Fprintf(&b, `\u%04x`, c)
			}
		}
	}
	return b.String()
}
