package store

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"tap25/reassembly/smtp"
)

// columns are those of a row in COPY's binary form, in this order. A row that has one of laterColumns has all of these
// after them; any other has the form of before there were any, so that the segments of a capture that is replayed again
// have the same keys.
const columns = "seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, " +
	"outcome, mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, " +
	"queue_id, mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name"

const laterColumns = "origin_ip, network, origin_port, origin_by"

// The number of columns, without laterColumns and with them.
const (
	columnCount = 26
	wideCount   = 30
)

// postgresEpoch is 2000-01-01, at which PostgreSQL's timestamps begin, in microseconds of Unix time.
const postgresEpoch = 946684800 * 1e6

// AppendRow appends a row to b as a tuple of COPY's binary format (PostgreSQL documentation, COPY, "Binary Format"),
// with times in microseconds. Text that PostgreSQL would refuse is changed: U+FFFD takes the place of NUL and of
// invalid UTF-8. [DB.Load] takes such tuples, and [ParseRow] reads them. An origin that no proxy names is null.
func AppendRow(b []byte, e *smtp.Envelope) []byte {
	wide := e.OriginBy != smtp.ByNobody || e.Network != ""
	count := uint16(columnCount)
	if wide {
		count = wideCount
	}
	b = binary.BigEndian.AppendUint16(b, count)
	b = appendInt64(b, e.SeenAt.UnixMicro()-postgresEpoch)
	b = appendInt64(b, e.SessionID)
	b = appendInt64p(b, e.MessageBytes)
	b = appendInt64p(b, e.DeclaredSize)
	b = appendLost(b, e.LostBytes)
	b = appendInt32(b, e.MailNo)
	b = appendPort(b, e.Client.Port())
	b = appendPort(b, e.Server.Port())
	b = appendInt16(b, uint16(e.Outcome))
	b = appendCode(b, e.MailCode)
	b = appendCode(b, e.RcptCode)
	b = appendCode(b, e.DataCode)
	b = appendInt16(b, uint16(e.Flags))
	auth := byte(0)
	if e.Auth {
		auth = 1
	}
	b = append(b, 0, 0, 0, 1, auth)
	b = appendInet(b, e.Client.Addr())
	b = appendInet(b, e.Server.Addr())
	b = appendText(b, &e.Sensor)
	for _, s := range []*string{e.MailFrom, e.RcptTo, e.HELO, e.QueueID} {
		b = appendText(b, s)
	}
	b = appendBytes(b, e.MailFromRaw)
	b = appendBytes(b, e.RcptToRaw)
	for _, s := range []*string{e.EnvID, e.ORcpt, e.TLSServerName} {
		b = appendText(b, s)
	}
	if wide {
		b = appendOrigin(b, e)
	}
	return b
}

// appendOrigin appends laterColumns.
func appendOrigin(b []byte, e *smtp.Envelope) []byte {
	named := e.OriginBy != smtp.ByNobody
	if named && e.OriginIP.IsValid() {
		b = appendInet(b, e.OriginIP)
	} else {
		b = appendNull(b)
	}
	if e.Network != "" {
		b = appendText(b, &e.Network)
	} else {
		b = appendNull(b)
	}
	if named && e.OriginPort != 0 {
		b = appendPort(b, e.OriginPort)
	} else {
		b = appendNull(b)
	}
	return appendCode(b, uint16(e.OriginBy))
}

func appendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

func appendInt64(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(v))
}

func appendInt64p(b []byte, v *int64) []byte {
	if v == nil {
		return appendNull(b)
	}
	return appendInt64(b, *v)
}

func appendInt32(b []byte, v int) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(v))
}

func appendCode(b []byte, code uint16) []byte {
	if code == 0 {
		return appendNull(b)
	}
	return appendInt16(b, code)
}

func appendInt16(b []byte, v uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), v)
}

// appendPort appends a port less 32768, so that it fits a smallint.
func appendPort(b []byte, port uint16) []byte { return appendInt16(b, port^0x8000) }

// appendLost appends lost octets; null for 0, which takes no room on disk.
func appendLost(b []byte, n int64) []byte {
	if n == 0 {
		return appendNull(b)
	}
	return appendInt64(b, n)
}

// appendText appends text that PostgreSQL takes: NUL and invalid UTF-8 would fail the whole COPY with 22021.
func appendText(b []byte, s *string) []byte {
	if s == nil {
		return appendNull(b)
	}
	text := *s
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return appendNull(b)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// appendInet appends an address in the form of inet_send: family (2, or 3 for IPv6), prefix length, is_cidr, length.
func appendInet(b []byte, a netip.Addr) []byte {
	raw := a.AsSlice()
	family := byte(2)
	if len(raw) == 16 {
		family = 3
	}
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(raw)))
	b = append(b, family, byte(8*len(raw)), 0, byte(len(raw)))
	return append(b, raw...)
}

// isWide reports whether a row of AppendRow has laterColumns.
func isWide(row []byte) bool { return binary.BigEndian.Uint16(row) == wideCount }

// widen appends a row of AppendRow to b, with laterColumns.
func widen(b, row []byte) []byte {
	if isWide(row) {
		return append(b, row...)
	}
	b = append(binary.BigEndian.AppendUint16(b, wideCount), row[2:]...)
	for range wideCount - columnCount {
		b = appendNull(b)
	}
	return b
}

// misdatedRow returns a row of AppendRow as one of the table misdated, which has laterColumns and one more.
func misdatedRow(row []byte, reason string) []byte {
	b := appendText(widen(nil, row), &reason)
	binary.BigEndian.PutUint16(b, wideCount+1)
	return b
}

// day returns the UTC day of a row that AppendRow made.
func day(row []byte) time.Time { return DayOf(dayNumber(row)) }

// dayNumber returns the number of a row's UTC day, from 1970-01-01.
func dayNumber(row []byte) int32 {
	return DayNumber(seenAt(row))
}

// seenAt returns the time of a row that AppendRow made.
func seenAt(row []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(row[6:14])) + postgresEpoch)
}
