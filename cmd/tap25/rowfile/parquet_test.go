package rowfile

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"

	"net/netip"

	"tap25/cmd/tap25/rowfile/rowtest"
	"tap25/reassembly/smtp"
	"tap25/store"
)

// anyRows returns rows with random values, at times of all years that the database takes.
func anyRows(n int) (rows []*store.CaseRow) {
	r := rand.New(rand.NewPCG(5, uint64(n)))
	for i := range n {
		at := time.Date(1+i*9999/n, 12, 31, 23, 59, 59, 999999000, time.UTC)
		rows = append(rows, rowtest.Any(r, at, rowtest.Texts[i%len(rowtest.Texts)]))
	}
	return rows
}

func write(t testing.TB, p func(*bytes.Buffer) *Parquet, rows []*store.CaseRow) []byte {
	t.Helper()
	var out bytes.Buffer
	w := p(&out)
	for _, r := range rows {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func mail(out *bytes.Buffer) *Parquet { return NewMailParquet(out) }

var sameEnvelope = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})}

func TestParquet_RowsAreReadBackAsTheyWere(t *testing.T) {
	rows := anyRows(3000)
	file := write(t, mail, rows)
	n := 0
	err := ReadMail(bytes.NewReader(file), int64(len(file)), func(e *smtp.Envelope) error {
		if diff := cmp.Diff(&rows[n].Envelope, e, sameEnvelope); diff != "" {
			t.Fatalf("row %d: (-written +read)\n%s", n+1, diff)
		}
		n++
		return nil
	})
	if err != nil || n != len(rows) {
		t.Errorf("%d rows, %v", n, err)
	}
	ofCase := write(t, func(out *bytes.Buffer) *Parquet { return NewParquet(out) }, rows[:10])
	if err := ReadMail(bytes.NewReader(ofCase), int64(len(ofCase)), nil); err != ErrColumns {
		t.Errorf("the rows of a case: %v", err)
	}
}

// TestParquet_HasStatisticsAndBloomFilters asks the filters for each address that is in a row group, and for others. A
// filter that lacks one would hide rows from whoever trusts it.
func TestParquet_HasStatisticsAndBloomFilters(t *testing.T) {
	rows := anyRows(rowGroup + 1000)
	for i, r := range rows {
		from, to := rowtest.Texts[i%len(rowtest.Texts)]+time.UnixMicro(int64(i)).String(), "to"
		r.Envelope.MailFrom, r.Envelope.RcptTo = &from, &to
		if i%2 > 0 {
			r.Envelope.RcptTo = &from
		}
	}
	file := write(t, mail, rows)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	groups := f.RowGroups()
	sorted := groups[0].SortingColumns()
	if len(groups) != 2 || len(sorted) != 1 || sorted[0].Path()[0] != "seen_at" {
		t.Fatalf("%d row groups, sorted by %v", len(groups), sorted)
	}
	others := 0
	has := func(group int, column, value string) bool {
		leaf, _ := f.Schema().Lookup(column)
		chunk := groups[group].ColumnChunks()[leaf.ColumnIndex].(*parquet.FileColumnChunk)
		if low, high, ok := chunk.Bounds(); !ok || low.String() > high.String() {
			t.Fatalf("%s has no bounds", column)
		}
		ok, err := chunk.BloomFilter().Check(parquet.ValueOf(value))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for i, r := range rows {
		if i%97 != 0 && i < rowGroup-100 {
			continue
		}
		e := &r.Envelope
		for column, value := range map[string]string{"mail_from": *e.MailFrom, "rcpt_to": *e.RcptTo,
			"client_ip": e.Client.Addr().String()} {
			if !has(i/rowGroup, column, value) {
				t.Fatalf("row %d: the filter of %s lacks the value", i+1, column)
			}
		}
		if has(i/rowGroup, "mail_from", *e.MailFrom+"x") {
			others++
		}
	}
	if others > 100 {
		t.Errorf("%d addresses that are not there are in the filter", others)
	}
}

// TestParquet_RefusesRowsThatNoExportHas changes a value of a row to one that the database does not have.
func TestParquet_RefusesRowsThatNoExportHas(t *testing.T) {
	one, many, zero, empty, word := int32(1), int32(1<<17), int32(0), "", "word"
	for name, change := range map[string]func(*mailRow){
		"an address that is none": func(r *mailRow) { r.ClientIP = "192.0.2" },
		"an address with a zone":  func(r *mailRow) { r.ServerIP = "fe80::1%eth0" },
		"a subnet":                func(r *mailRow) { r.ServerIP = "192.0.2.0/24" },
		"another form of it":      func(r *mailRow) { r.ClientIP = "2001:DB8::1" },
		"a port":                  func(r *mailRow) { r.ClientPort = -1 },
		"a code":                  func(r *mailRow) { r.MailCode = &many },
		"a code of zero":          func(r *mailRow) { r.DataCode = &zero },
		"an outcome":              func(r *mailRow) { r.Outcome = "lost" },
		"a flag":                  func(r *mailRow) { r.Flags = []string{"flag"} },
		"a flag twice":            func(r *mailRow) { r.Flags = []string{"gap", "gap"} },
		"an origin of nobody":     func(r *mailRow) { r.OriginBy, r.OriginPort = nil, &one },
		"an origin by a word":     func(r *mailRow) { r.OriginBy = &word },
		"a network without name":  func(r *mailRow) { r.Network = &empty },
		"the year 10000":          func(r *mailRow) { r.SeenAt = 253402300800 * 1e6 },
		"the year 0":              func(r *mailRow) { r.SeenAt = -62135596800*1e6 - 1 },
	} {
		row := mailRow{}
		row.set(&anyRows(1)[0].Envelope)
		change(&row)
		var out bytes.Buffer
		w := parquet.NewGenericWriter[mailRow](&out, schemaOf[mailRow]())
		if _, err := w.Write([]mailRow{row}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		err := ReadMail(bytes.NewReader(out.Bytes()), int64(out.Len()), func(*smtp.Envelope) error { return nil })
		if err != errNotMail {
			t.Errorf("%s: %v", name, err)
		}
	}
}
