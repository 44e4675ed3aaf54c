package rowfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// AppendMailJSON appends the line of a row of the view mail: the names and values of docs/record.md.
func AppendMailJSON(b []byte, r *store.CaseRow) []byte { return append(r.Envelope.AppendJSON(b), '\n') }

// AppendJSON appends the line of a row in rows.jsonl: the names and values of docs/record.md, then sensors and copies.
func AppendJSON(b []byte, r *store.CaseRow) []byte {
	b = r.Envelope.AppendJSON(b)
	b = append(b[:len(b)-1], `,"sensors":[`...)
	for i, name := range r.Sensors {
		if i > 0 {
			b = append(b, ',')
		}
		quoted, _ := json.Marshal(name) // a string cannot fail
		b = append(b, quoted...)
	}
	b = strconv.AppendInt(append(b, `],"copies":`...), r.Copies, 10)
	return append(b, "}\n"...)
}

// jsonRow has the types of a line of rows.jsonl.
type jsonRow struct {
	SeenAt        string      `json:"seen_at"`
	Sensor        string      `json:"sensor"`
	SessionID     int64       `json:"session_id,string"`
	MailNo        int         `json:"mail_no"`
	ClientIP      netip.Addr  `json:"client_ip"`
	ClientPort    uint16      `json:"client_port"`
	ServerIP      netip.Addr  `json:"server_ip"`
	ServerPort    uint16      `json:"server_port"`
	OriginIP      *netip.Addr `json:"origin_ip"`
	OriginPort    uint16      `json:"origin_port"`
	OriginBy      string      `json:"origin_by"`
	Network       string      `json:"network"`
	HELO          *string     `json:"helo"`
	MailFrom      *string     `json:"mail_from"`
	RcptTo        *string     `json:"rcpt_to"`
	MailFromRaw   []byte      `json:"mail_from_raw"`
	RcptToRaw     []byte      `json:"rcpt_to_raw"`
	MailCode      uint16      `json:"mail_code"`
	RcptCode      uint16      `json:"rcpt_code"`
	DataCode      uint16      `json:"data_code"`
	Outcome       string      `json:"outcome"`
	MessageBytes  *int64      `json:"message_bytes"`
	DeclaredSize  *int64      `json:"declared_size"`
	EnvID         *string     `json:"envid"`
	ORcpt         *string     `json:"orcpt"`
	QueueID       *string     `json:"queue_id"`
	Auth          bool        `json:"auth"`
	TLSServerName *string     `json:"tls_server_name"`
	LostBytes     int64       `json:"lost_bytes"`
	Flags         []string    `json:"flags"`
	Sensors       []string    `json:"sensors"`
	Copies        int64       `json:"copies"`
}

// errNotARow is for a line that AppendJSON does not write.
var errNotARow = errors.New("is not a row as tap25 writes it")

// ParseJSON reads a line of AppendJSON, and returns an error for any other. It does so by writing the row again: a key
// that comes twice, an unknown name, a space or another escape makes the line another one.
func ParseJSON(line []byte) (*store.CaseRow, error) {
	var j jsonRow
	if err := json.Unmarshal(line, &j); err != nil {
		return nil, errNotARow // the text of err may quote an address
	}
	r, err := j.row()
	if err != nil {
		return nil, err
	}
	if string(AppendJSON(nil, r)) != string(line) {
		return nil, errNotARow
	}
	return r, nil
}

func (j *jsonRow) row() (*store.CaseRow, error) {
	seenAt, err := parseTime(j.SeenAt)
	outcome := slices.Index(smtp.Outcomes(), j.Outcome)
	origin := slices.Index(smtp.OriginNames(), j.OriginBy)
	flags, known := smtp.ParseFlags(j.Flags)
	if err != nil || outcome < 0 || origin < 0 || !known || !j.ClientIP.IsValid() || !j.ServerIP.IsValid() {
		return nil, errNotARow
	}
	e := smtp.Envelope{
		SeenAt: seenAt, Sensor: j.Sensor, SessionID: j.SessionID, MailNo: j.MailNo,
		Client: netip.AddrPortFrom(j.ClientIP, j.ClientPort), Server: netip.AddrPortFrom(j.ServerIP, j.ServerPort),
		OriginPort: j.OriginPort, OriginBy: smtp.OriginBy(origin), Network: j.Network,
		HELO: j.HELO, MailFrom: j.MailFrom, RcptTo: j.RcptTo, MailFromRaw: j.MailFromRaw, RcptToRaw: j.RcptToRaw,
		MailCode: j.MailCode, RcptCode: j.RcptCode, DataCode: j.DataCode,
		Outcome: smtp.Outcome(outcome), MessageBytes: j.MessageBytes, DeclaredSize: j.DeclaredSize,
		EnvID: j.EnvID, ORcpt: j.ORcpt, QueueID: j.QueueID, Auth: j.Auth,
		TLSServerName: j.TLSServerName, LostBytes: j.LostBytes, Flags: flags,
	}
	if j.OriginIP != nil {
		e.OriginIP = *j.OriginIP
	}
	return &store.CaseRow{Envelope: e, Sensors: j.Sensors, Copies: j.Copies}, nil
}

// parseTime reads a time as [smtp.Envelope.AppendJSON] writes it, with a year of any number of digits, which a capture
// with a wrong clock may have.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse("2006-01-02T15:04:05.000000Z", s); err == nil {
		return t, nil
	}
	var year, month, day, hour, minute, second, micros int
	if _, err := fmt.Sscanf(s, "%d-%2d-%2dT%2d:%2d:%2d.%6dZ", &year, &month, &day, &hour, &minute, &second,
		&micros); err != nil || max(year, -year) > 300_000 {
		return time.Time{}, errNotARow
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC), nil
}
