package rowfile

import (
	"errors"
	"io"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"tap25/reassembly/smtp"
)

var (
	// ErrColumns is the error of a file that has other columns than those of the view mail.
	ErrColumns = errors.New("does not have the columns of an export of mail")

	errNotMail = errors.New("has a row that no export of mail has")
)

// ReadMail reads a file of [NewMailParquet] row by row, until yield returns an error, and returns that error. A file
// that tap25 has not written may need any amount of memory, or end the process: read it in one of its own.
func ReadMail(r io.ReaderAt, size int64, yield func(*smtp.Envelope) error) error {
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	schema := schemaOf[mailRow]()
	if f.Schema().String() != schema.String() {
		return ErrColumns
	}
	rows := parquet.NewGenericReader[mailRow](f, schema)
	defer rows.Close()
	read := make([]mailRow, batch)
	for {
		n, err := rows.Read(read)
		for i := range read[:n] {
			e, ok := read[i].envelope()
			if !ok {
				return errNotMail
			}
			if err := yield(e); err != nil {
				return err
			}
		}
		clear(read[:n])
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// envelope returns the row that set has made this one of; ok is false if there is none.
func (row *mailRow) envelope() (e *smtp.Envelope, ok bool) {
	c := checker{ok: true}
	outcome := slices.Index(smtp.Outcomes(), row.Outcome)
	origin := slices.Index(smtp.OriginNames(), orEmpty(row.OriginBy))
	flags, known := smtp.ParseFlags(row.Flags)
	if outcome < 0 || origin < 0 || !known || !slices.Equal(flags.Names(), row.Flags) && len(row.Flags) > 0 {
		return nil, false
	}
	e = &smtp.Envelope{
		SeenAt: time.UnixMicro(row.SeenAt).UTC(), Sensor: row.Sensor, SessionID: row.SessionID, MailNo: int(row.MailNo),
		Client:     netip.AddrPortFrom(c.address(row.ClientIP), c.port(row.ClientPort)),
		Server:     netip.AddrPortFrom(c.address(row.ServerIP), c.port(row.ServerPort)),
		OriginPort: c.number(row.OriginPort, math.MaxUint16), OriginBy: smtp.OriginBy(origin),
		Network: c.text(row.Network), HELO: row.HELO, MailFrom: row.MailFrom, RcptTo: row.RcptTo,
		MailFromRaw: octets(row.MailFromRaw), RcptToRaw: octets(row.RcptToRaw),
		MailCode: c.number(row.MailCode, math.MaxInt16), RcptCode: c.number(row.RcptCode, math.MaxInt16),
		DataCode: c.number(row.DataCode, math.MaxInt16), Outcome: smtp.Outcome(outcome),
		MessageBytes: row.MessageBytes, DeclaredSize: row.DeclaredSize, EnvID: row.EnvID, ORcpt: row.ORcpt,
		QueueID: row.QueueID, Auth: row.Auth, TLSServerName: row.TLSServerName, LostBytes: row.LostBytes, Flags: flags,
	}
	if row.OriginIP != nil {
		e.OriginIP = c.address(*row.OriginIP)
	}
	named := e.OriginBy != smtp.ByNobody || !e.OriginIP.IsValid() && e.OriginPort == 0
	const latest = 253402300800 // 10000-01-01, in seconds
	timely := e.SeenAt.Year() >= 1 && e.SeenAt.Before(time.Unix(latest, 0))
	return e, c.ok && named && timely
}

// checker reads values; ok becomes false if there is one that set does not write.
type checker struct{ ok bool }

func (c *checker) address(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	c.ok = c.ok && err == nil && a.Zone() == "" && a.String() == s
	return a
}

func (c *checker) port(n int32) uint16 {
	c.ok = c.ok && n >= 0 && n <= math.MaxUint16
	return uint16(n)
}

func (c *checker) number(n *int32, most int32) uint16 {
	if n == nil {
		return 0
	}
	c.ok = c.ok && *n > 0 && *n <= most
	return uint16(*n)
}

func (c *checker) text(s *string) string {
	c.ok = c.ok && (s == nil || *s != "")
	return orEmpty(s)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func octets(b *[]byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, *b...) // not nil, if there are none
}
