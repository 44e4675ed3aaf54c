package smtp

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// MarshalJSON writes the row under the names of docs/record.md, "Columns", all of them, in that order.
func (e *Envelope) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON writes, without its reflection.
func (e *Envelope) AppendJSON(b []byte) []byte {
	b = appendTime(append(b, `{"seen_at":"`...), e.SeenAt.UTC())
	b = appendString(append(b, `","sensor":`...), e.Sensor)
	b = strconv.AppendInt(append(b, `,"session_id":"`...), e.SessionID, 10)
	b = strconv.AppendInt(append(b, `","mail_no":`...), int64(e.MailNo), 10)
	b = e.Client.Addr().AppendTo(append(b, `,"client_ip":"`...))
	b = strconv.AppendUint(append(b, `","client_port":`...), uint64(e.Client.Port()), 10)
	b = e.Server.Addr().AppendTo(append(b, `,"server_ip":"`...))
	b = strconv.AppendUint(append(b, `","server_port":`...), uint64(e.Server.Port()), 10)
	b = e.appendOrigin(b)
	b = appendText(append(b, `,"helo":`...), e.HELO)
	b = appendText(append(b, `,"mail_from":`...), e.MailFrom)
	b = appendText(append(b, `,"rcpt_to":`...), e.RcptTo)
	b = appendOctets(append(b, `,"mail_from_raw":`...), e.MailFromRaw)
	b = appendOctets(append(b, `,"rcpt_to_raw":`...), e.RcptToRaw)
	b = appendCode(append(b, `,"mail_code":`...), e.MailCode)
	b = appendCode(append(b, `,"rcpt_code":`...), e.RcptCode)
	b = appendCode(append(b, `,"data_code":`...), e.DataCode)
	b = appendString(append(b, `,"outcome":`...), e.Outcome.String())
	b = appendNumber(append(b, `,"message_bytes":`...), e.MessageBytes)
	b = appendNumber(append(b, `,"declared_size":`...), e.DeclaredSize)
	b = appendText(append(b, `,"envid":`...), e.EnvID)
	b = appendText(append(b, `,"orcpt":`...), e.ORcpt)
	b = appendText(append(b, `,"queue_id":`...), e.QueueID)
	b = strconv.AppendBool(append(b, `,"auth":`...), e.Auth)
	b = appendText(append(b, `,"tls_server_name":`...), e.TLSServerName)
	b = strconv.AppendInt(append(b, `,"lost_bytes":`...), e.LostBytes, 10)
	b = append(b, `,"flags":`...)
	if e.Flags == 0 {
		return append(b, `null}`...)
	}
	between := byte('[')
	for _, name := range e.Flags.Names() {
		b = appendString(append(b, between), name)
		between = ','
	}
	return append(b, `]}`...)
}

// appendOrigin appends where the connection came from, as far as proxies, tags and tunnels tell.
func (e *Envelope) appendOrigin(b []byte) []byte {
	b = append(b, `,"origin_ip":`...)
	if e.OriginBy != ByNobody && e.OriginIP.IsValid() {
		b = append(e.OriginIP.WithZone("").AppendTo(append(b, '"')), '"')
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"origin_port":`...)
	if e.OriginBy != ByNobody {
		b = appendCode(b, e.OriginPort)
	} else {
		b = append(b, "null"...)
	}
	b = appendName(append(b, `,"origin_by":`...), e.OriginBy.String())
	return appendName(append(b, `,"network":`...), e.Network)
}

// appendTime appends a time to the microsecond, as AppendFormat does, which reads the layout each time.
func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	}
	hour, minute, second := t.Clock()
	micros := t.Nanosecond() / 1000
	b = append(appendTwo(appendTwo(b, year/100), year%100), '-')
	b = append(appendTwo(b, int(month)), '-')
	b = append(appendTwo(b, day), 'T')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	b = append(appendTwo(b, second), '.')
	return append(appendTwo(appendTwo(appendTwo(b, micros/10000), micros/100%100), micros%100), 'Z')
}

// appendTwo appends a number of two digits.
func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendName appends a name, or null for the empty one.
func appendName(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

// plainInJSON are the octets that encoding/json writes as they are.
var plainInJSON = func() (plain [256]bool) {
	for c := ' '; c <= '~'; c++ {
		plain[c] = !strings.ContainsRune(`"\<>&`, c)
	}
	return plain
}()

// appendString leaves to encoding/json what needs more than quotes around it.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plainInJSON[s[i]] {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendText(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendString(b, *s)
}

func appendOctets(b, octets []byte) []byte {
	if octets == nil {
		return append(b, "null"...)
	}
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), octets), '"')
}

func appendNumber(b []byte, n *int64) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, *n, 10)
}

func appendCode(b []byte, code uint16) []byte {
	if code == 0 {
		return append(b, "null"...)
	}
	return strconv.AppendUint(b, uint64(code), 10)
}
