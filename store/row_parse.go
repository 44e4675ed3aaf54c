package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tap25/reassembly/smtp"
)

// errTuple is for bytes that AppendRow does not make.
var errTuple = errors.New("not a row in COPY's binary form")

// ParseRow reads what [AppendRow] made. What that changed for PostgreSQL stays changed. The envelope's raw addresses
// share memory with record. It returns an error for anything else, and never panics.
func ParseRow(record []byte) (*smtp.Envelope, error) {
	if columnsOf(record) == 0 {
		return nil, fmt.Errorf("parse row: %w", errTuple)
	}
	t := tuple{b: record[2:]}
	e := t.envelope()
	if !t.bad && isWide(record) {
		t.origin(e)
	}
	if t.bad || len(t.b) > 0 {
		return nil, fmt.Errorf("parse row: %w", errTuple)
	}
	return e, nil
}

// columnsOf returns how many columns a record has if it may be a row, else 0.
func columnsOf(record []byte) int {
	if len(record) < 2 {
		return 0
	}
	if n := int(binary.BigEndian.Uint16(record)); n == columnCount || n == wideCount {
		return n
	}
	return 0
}

// tuple is the unread rest of a row; bad is set if a column has the wrong form.
type tuple struct {
	b   []byte
	bad bool
}

func (t *tuple) envelope() *smtp.Envelope {
	e := &smtp.Envelope{SeenAt: time.UnixMicro(t.int64() + postgresEpoch).UTC(), SessionID: t.int64()}
	e.MessageBytes, e.DeclaredSize = t.int64p(), t.int64p()
	if lost := t.int64p(); lost != nil {
		e.LostBytes = *lost
	}
	e.MailNo = int(int32(t.uint(4)))
	clientPort, serverPort := t.uint(2)^0x8000, t.uint(2)^0x8000
	outcome := t.uint(2)
	e.MailCode, e.RcptCode, e.DataCode = t.code(), t.code(), t.code()
	flags, auth := t.uint(2), t.uint(1)
	e.Client = netip.AddrPortFrom(t.inet(), uint16(clientPort))
	e.Server = netip.AddrPortFrom(t.inet(), uint16(serverPort))
	e.Sensor = string(t.fixed(-1))
	e.MailFrom, e.RcptTo, e.HELO, e.QueueID = t.text(), t.text(), t.text(), t.text()
	e.MailFromRaw, e.RcptToRaw = t.column(), t.column()
	e.EnvID, e.ORcpt, e.TLSServerName = t.text(), t.text(), t.text()
	if outcome >= uint64(len(smtp.Outcomes())) || flags > 0xff || auth > 1 {
		t.bad = true
		return nil
	}
	e.Outcome, e.Flags, e.Auth = smtp.Outcome(outcome), smtp.Flags(flags), auth == 1
	return e
}

// origin reads laterColumns.
func (t *tuple) origin(e *smtp.Envelope) {
	if b := t.column(); b != nil {
		e.OriginIP = t.address(b)
	}
	if s := t.text(); s != nil {
		e.Network = *s
		t.bad = t.bad || *s == ""
	}
	if b := t.column(); b != nil {
		e.OriginPort = uint16(bigEndian(b)) ^ 0x8000
		t.bad = t.bad || len(b) != 2 || e.OriginPort == 0
	}
	by := t.code()
	named := by != 0 || !e.OriginIP.IsValid() && e.OriginPort == 0
	if t.bad = t.bad || int(by) >= len(smtp.OriginNames()) || !named || by == 0 && e.Network == ""; !t.bad {
		e.OriginBy = smtp.OriginBy(by)
	}
}

// column reads the next column; nil for null.
func (t *tuple) column() []byte {
	if t.bad = t.bad || len(t.b) < 4; t.bad {
		return nil
	}
	n := binary.BigEndian.Uint32(t.b)
	t.b = t.b[4:]
	if n == 0xffffffff {
		return nil
	}
	if t.bad = uint64(n) > uint64(len(t.b)); t.bad {
		return nil
	}
	v := t.b[:n:n]
	t.b = t.b[n:]
	return v
}

// fixed reads a column that is not null and has n bytes, or any number if n is negative.
func (t *tuple) fixed(n int) []byte {
	v := t.column()
	if v == nil || n >= 0 && len(v) != n {
		t.bad = true
		return nil
	}
	return v
}

func (t *tuple) uint(n int) uint64 { return bigEndian(t.fixed(n)) }
func (t *tuple) int64() int64      { return int64(t.uint(8)) }

func bigEndian(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func (t *tuple) int64p() *int64 {
	b := t.column()
	if b == nil {
		return nil
	}
	t.bad = t.bad || len(b) != 8
	v := int64(bigEndian(b))
	return &v
}

// code reads a reply code; AppendRow makes null of 0.
func (t *tuple) code() uint16 {
	b := t.column()
	v := uint16(bigEndian(b))
	t.bad = t.bad || b != nil && (len(b) != 2 || v == 0)
	return v
}

func (t *tuple) text() *string {
	b := t.column()
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

func (t *tuple) inet() netip.Addr { return t.address(t.fixed(-1)) }

func (t *tuple) address(b []byte) (a netip.Addr) {
	if len(b) < 4 {
		t.bad = true
		return a
	}
	a, ok := netip.AddrFromSlice(b[4:])
	family := byte(2)
	if a.Is6() {
		family = 3
	}
	bits := a.BitLen()
	t.bad = t.bad || !ok || b[0] != family || int(b[1]) != bits || b[2] != 0 || int(b[3]) != bits/8
	return a
}
