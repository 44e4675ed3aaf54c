package disclose

import (
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"tap25/store"
)

// parquetRow is a row in rows.parquet: the names and values of a line of rows.jsonl. What is null there is null here, but
// for flags, of which there are none then.
type parquetRow struct {
	SeenAt        time.Time `parquet:"seen_at,timestamp(microsecond)"`
	Sensor        string    `parquet:"sensor,dict"`
	SessionID     int64     `parquet:"session_id"`
	MailNo        int32     `parquet:"mail_no"`
	ClientIP      string    `parquet:"client_ip"`
	ClientPort    int32     `parquet:"client_port"`
	ServerIP      string    `parquet:"server_ip"`
	ServerPort    int32     `parquet:"server_port"`
	OriginIP      *string   `parquet:"origin_ip,optional"`
	OriginPort    *int32    `parquet:"origin_port,optional"`
	OriginBy      *string   `parquet:"origin_by,optional"`
	Network       *string   `parquet:"network,optional"`
	HELO          *string   `parquet:"helo,optional"`
	MailFrom      *string   `parquet:"mail_from,optional"`
	RcptTo        *string   `parquet:"rcpt_to,optional"`
	MailFromRaw   *[]byte   `parquet:"mail_from_raw,optional"`
	RcptToRaw     *[]byte   `parquet:"rcpt_to_raw,optional"`
	MailCode      *int32    `parquet:"mail_code,optional"`
	RcptCode      *int32    `parquet:"rcpt_code,optional"`
	DataCode      *int32    `parquet:"data_code,optional"`
	Outcome       string    `parquet:"outcome,dict"`
	MessageBytes  *int64    `parquet:"message_bytes,optional"`
	DeclaredSize  *int64    `parquet:"declared_size,optional"`
	EnvID         *string   `parquet:"envid,optional"`
	ORcpt         *string   `parquet:"orcpt,optional"`
	QueueID       *string   `parquet:"queue_id,optional"`
	Auth          bool      `parquet:"auth"`
	TLSServerName *string   `parquet:"tls_server_name,optional"`
	LostBytes     int64     `parquet:"lost_bytes"`
	Flags         []string  `parquet:"flags,list"`
	Sensors       []string  `parquet:"sensors,list"`
	Copies        int64     `parquet:"copies"`
}

// rowGroup is how many rows are held until they are written. It is part of the file's form.
const rowGroup = 10_000

// parquetWriter writes rows.parquet. The same rows give the same octets, so that [Verify] compares them.
type parquetWriter struct {
	w   *parquet.GenericWriter[parquetRow]
	row [1]parquetRow
}

func newParquet(w io.Writer) *parquetWriter {
	return &parquetWriter{w: parquet.NewGenericWriter[parquetRow](w, parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(rowGroup), parquet.CreatedBy("tap25", "", ""))}
}

func (p *parquetWriter) add(r *store.CaseRow) error {
	e := &r.Envelope
	p.row[0] = parquetRow{
		SeenAt: e.SeenAt.UTC(), Sensor: e.Sensor, SessionID: e.SessionID, MailNo: int32(e.MailNo),
		ClientIP: e.Client.Addr().String(), ClientPort: int32(e.Client.Port()),
		ServerIP: e.Server.Addr().String(), ServerPort: int32(e.Server.Port()),
		OriginPort: unlessZero(int32(e.OriginPort)), OriginBy: unlessZero(e.OriginBy.String()),
		Network: unlessZero(e.Network), HELO: e.HELO, MailFrom: e.MailFrom, RcptTo: e.RcptTo,
		MailFromRaw: unlessNil(e.MailFromRaw), RcptToRaw: unlessNil(e.RcptToRaw),
		MailCode: unlessZero(int32(e.MailCode)), RcptCode: unlessZero(int32(e.RcptCode)),
		DataCode: unlessZero(int32(e.DataCode)), Outcome: e.Outcome.String(), MessageBytes: e.MessageBytes,
		DeclaredSize: e.DeclaredSize, EnvID: e.EnvID, ORcpt: e.ORcpt, QueueID: e.QueueID, Auth: e.Auth,
		TLSServerName: e.TLSServerName, LostBytes: e.LostBytes, Flags: e.Flags.Names(), Sensors: r.Sensors,
		Copies: r.Copies,
	}
	if e.OriginIP.IsValid() {
		p.row[0].OriginIP = unlessZero(e.OriginIP.String())
	}
	_, err := p.w.Write(p.row[:])
	return err
}

func (p *parquetWriter) close() error { return p.w.Close() }

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
