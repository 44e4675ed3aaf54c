package rowfile

import (
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// mailRow is a row of the view mail in Parquet: the names and values of a line of JSON. What is null there is null
// here, but for flags, of which there are none then. The library's own times end at the year 2262. Columns that are
// different in most rows have no dictionary.
type mailRow struct {
	SeenAt        int64    `parquet:"seen_at,timestamp(microsecond),delta"`
	Sensor        string   `parquet:"sensor,dict"`
	SessionID     int64    `parquet:"session_id"`
	MailNo        int32    `parquet:"mail_no"`
	ClientIP      string   `parquet:"client_ip,dict"`
	ClientPort    int32    `parquet:"client_port"`
	ServerIP      string   `parquet:"server_ip,dict"`
	ServerPort    int32    `parquet:"server_port,dict"`
	OriginIP      *string  `parquet:"origin_ip,optional,dict"`
	OriginPort    *int32   `parquet:"origin_port,optional"`
	OriginBy      *string  `parquet:"origin_by,optional,dict"`
	Network       *string  `parquet:"network,optional,dict"`
	HELO          *string  `parquet:"helo,optional,dict"`
	MailFrom      *string  `parquet:"mail_from,optional,dict"`
	RcptTo        *string  `parquet:"rcpt_to,optional,dict"`
	MailFromRaw   *[]byte  `parquet:"mail_from_raw,optional"`
	RcptToRaw     *[]byte  `parquet:"rcpt_to_raw,optional"`
	MailCode      *int32   `parquet:"mail_code,optional,dict"`
	RcptCode      *int32   `parquet:"rcpt_code,optional,dict"`
	DataCode      *int32   `parquet:"data_code,optional,dict"`
	Outcome       string   `parquet:"outcome,dict"`
	MessageBytes  *int64   `parquet:"message_bytes,optional"`
	DeclaredSize  *int64   `parquet:"declared_size,optional"`
	EnvID         *string  `parquet:"envid,optional"`
	ORcpt         *string  `parquet:"orcpt,optional"`
	QueueID       *string  `parquet:"queue_id,optional"`
	Auth          bool     `parquet:"auth"`
	TLSServerName *string  `parquet:"tls_server_name,optional,dict"`
	LostBytes     int64    `parquet:"lost_bytes,dict"`
	Flags         []string `parquet:"flags,list,dict"`
}

// onceRow is a row of the view mail_once in Parquet.
type onceRow struct {
	mailRow
	Sensors []string `parquet:"sensors,list"`
	Copies  int64    `parquet:"copies"`
}

const (
	// rowGroup is how many rows are held, packed, until they are written.
	rowGroup = 122_880

	// batch is how many rows are handed over at once, which is quicker than one by one.
	batch = 256

	// groupOctets ends a row group early, if its rows have so many octets of text. The library's own bound of a
	// dictionary (DictionaryMaxBytes of 0.32) leaves what comes after it out of the Bloom filter.
	groupOctets = 64 << 20

	// bitsPerAddress are the bits of a Bloom filter for each address: one question in a hundred for an address that is
	// not in a row group reads it for nothing.
	bitsPerAddress = 10
)

// Parquet writes rows as a Parquet file. The same rows give the same octets. It holds a row group in memory.
type Parquet struct {
	add   func(*store.CaseRow) error
	close func() error
}

// NewMailParquet writes rows of the view mail, which have neither sensors nor copies. They must come in the order of
// their time.
func NewMailParquet(w io.Writer) *Parquet {
	return newParquet(w, func(row *mailRow, r *store.CaseRow) { row.set(&r.Envelope) })
}

// NewParquet writes rows of the view mail_once, in the order of their time.
func NewParquet(w io.Writer) *Parquet {
	return newParquet(w, func(row *onceRow, r *store.CaseRow) {
		row.set(&r.Envelope)
		row.Sensors, row.Copies = r.Sensors, r.Copies
	})
}

func newParquet[T any](w io.Writer, set func(*T, *store.CaseRow)) *Parquet {
	out := parquet.NewGenericWriter[T](w, schemaOf[T](), parquet.Compression(&parquet.Zstd),
		parquet.CreatedBy("tap25", "", ""),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("seen_at"))),
		parquet.BloomFilters(
			parquet.SplitBlockFilter(bitsPerAddress, "mail_from"),
			parquet.SplitBlockFilter(bitsPerAddress, "rcpt_to"),
			parquet.SplitBlockFilter(bitsPerAddress, "client_ip")))
	rows, group, octets := make([]T, 0, batch), 0, 0
	flush := func() error {
		_, err := out.Write(rows)
		clear(rows)
		if rows = rows[:0]; err == nil && (group >= rowGroup || octets >= groupOctets) {
			group, octets, err = 0, 0, out.Flush()
		}
		return err
	}
	return &Parquet{
		add: func(r *store.CaseRow) error {
			rows = rows[:len(rows)+1]
			set(&rows[len(rows)-1], r)
			group, octets = group+1, octets+octetsOf(r)
			if len(rows) < batch && octets < groupOctets {
				return nil
			}
			return flush()
		},
		close: func() error { return errors.Join(flush(), out.Close()) },
	}
}

// schemaOf returns the columns of a row, under a name that does not depend on the program.
func schemaOf[T any]() *parquet.Schema { return parquet.NewSchema("mail", parquet.SchemaOf(new(T))) }

// Add writes a row. The row must stay as it is until Close.
func (p *Parquet) Add(r *store.CaseRow) error { return p.add(r) }

// Close ends the file. It does not close what is written to.
func (p *Parquet) Close() error { return p.close() }

func (row *mailRow) set(e *smtp.Envelope) {
	*row = mailRow{
		SeenAt: e.SeenAt.UnixMicro(), Sensor: e.Sensor, SessionID: e.SessionID, MailNo: int32(e.MailNo),
		ClientIP: e.Client.Addr().String(), ClientPort: int32(e.Client.Port()),
		ServerIP: e.Server.Addr().String(), ServerPort: int32(e.Server.Port()),
		OriginPort: unlessZero(int32(e.OriginPort)), OriginBy: unlessZero(e.OriginBy.String()),
		Network: unlessZero(e.Network), HELO: e.HELO, MailFrom: e.MailFrom, RcptTo: e.RcptTo,
		MailFromRaw: unlessNil(e.MailFromRaw), RcptToRaw: unlessNil(e.RcptToRaw),
		MailCode: unlessZero(int32(e.MailCode)), RcptCode: unlessZero(int32(e.RcptCode)),
		DataCode: unlessZero(int32(e.DataCode)), Outcome: e.Outcome.String(), MessageBytes: e.MessageBytes,
		DeclaredSize: e.DeclaredSize, EnvID: e.EnvID, ORcpt: e.ORcpt, QueueID: e.QueueID, Auth: e.Auth,
		TLSServerName: e.TLSServerName, LostBytes: e.LostBytes, Flags: e.Flags.Names(),
	}
	if e.OriginIP.IsValid() {
		row.OriginIP = unlessZero(e.OriginIP.String())
	}
}

// octetsOf returns the octets of the texts of a row that strangers choose.
func octetsOf(r *store.CaseRow) (n int) {
	e := &r.Envelope
	for _, s := range []*string{e.HELO, e.MailFrom, e.RcptTo, e.EnvID, e.ORcpt, e.QueueID, e.TLSServerName} {
		if s != nil {
			n += len(*s)
		}
	}
	return n + len(e.MailFromRaw) + len(e.RcptToRaw)
}

func unlessZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func unlessNil(b []byte) *[]byte {
	if b == nil {
		return nil
	}
	return &b
}
