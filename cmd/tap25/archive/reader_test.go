package archive

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"tap25/cmd/tap25/rowfile"
	"tap25/cmd/tap25/rowfile/rowtest"
	"tap25/reassembly/smtp"
	"tap25/store"
)

// aFile returns a file with n rows.
func aFile(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := rowfile.NewMailParquet(&out)
	r := rand.New(rand.NewPCG(9, uint64(n)))
	for range n {
		if err := w.Add(rowtest.Any(r, time.Date(2026, 10, 24, 1, 2, 3, 4000, time.UTC), "tap")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func put(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.parquet")
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestReader_DamagedFilesGiveAnErrorOrTheirRows cuts a file and changes octets of it. Every row that comes is one that
// the database would take.
func TestReader_DamagedFilesGiveAnErrorOrTheirRows(t *testing.T) {
	whole := aFile(t, 50)
	if n, err := check(t.Context(), put(t, whole)); n != 50 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	r := rand.New(rand.NewPCG(10, 10))
	for i := range 60 {
		data := bytes.Clone(whole)
		if i%3 == 0 {
			data = data[:r.IntN(len(data))]
		} else {
			data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
		}
		n, err := check(t.Context(), put(t, data))
		if len(data) < len(whole) && err == nil || n > 50 {
			t.Errorf("attempt %d: %d rows, %v", i, n, err)
		}
	}
}

// changed returns a file in which the first data page of a column has another header and body.
func changed(t *testing.T, column string, change func(*format.PageHeader, []byte) []byte) []byte {
	t.Helper()
	file := aFile(t, 50)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	meta := *f.Metadata()
	leaf, _ := f.Schema().Lookup(column)
	chunk := &meta.RowGroups[0].Columns[leaf.ColumnIndex].MetaData
	var protocol thrift.CompactProtocol
	in := bytes.NewReader(file[chunk.DataPageOffset:])
	var header format.PageHeader
	if err := thrift.NewDecoder(protocol.NewReader(in)).Decode(&header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, header.CompressedPageSize)
	if _, err := io.ReadFull(in, body); err != nil {
		t.Fatal(err)
	}
	body = change(&header, body)
	header.CompressedPageSize, header.CRC = int32(len(body)), 0
	head, err := thrift.Marshal(&protocol, &header)
	if err != nil {
		t.Fatal(err)
	}
	end := int64(len(file)) - 8 - int64(binary.LittleEndian.Uint32(file[len(file)-8:]))
	out := append(append(bytes.Clone(file[:end]), head...), body...)
	chunk.DataPageOffset, chunk.DictionaryPageOffset = end, 0
	chunk.TotalCompressedSize = int64(len(head) + len(body))
	return withFooter(t, out, &meta)
}

func withFooter(t *testing.T, out []byte, meta *format.FileMetaData) []byte {
	t.Helper()
	var protocol thrift.CompactProtocol
	footer, err := thrift.Marshal(&protocol, meta)
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, footer...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), "PAR1"...)
}

// zeros returns so many octets 0, packed.
func zeros(t *testing.T, octets int) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err == nil {
		_, err = io.Copy(z, io.LimitReader(zeroReader{}, int64(octets)))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// run is a run of the hybrid of run lengths and bit packing: so many values of one octet each.
func run(n uint64, value byte) []byte { return append(binary.AppendUvarint(nil, n<<1), value) }

// TestReader_BombsTakeABoundedMemory gives the reader files that are small and claim to hold gigabytes. Each ends that
// process, or takes no more memory than it may; the import has an error.
func TestReader_BombsTakeABoundedMemory(t *testing.T) {
	same := changed(t, "queue_id", func(_ *format.PageHeader, body []byte) []byte { return body })
	if n, err := check(t.Context(), put(t, same)); n != 50 || err != nil {
		t.Fatalf("a file with a page elsewhere: %d rows, %v", n, err)
	}
	levels := bytes.Repeat(run(math.MaxInt32, 1), 8)
	file := aFile(t, 50)
	// a list of 2^31-1 row groups, as the compact protocol of Thrift has it
	list := append([]byte{0x15, 0x02, 0x19, 0xfc}, binary.AppendUvarint(nil, math.MaxInt32)...)
	for name, data := range map[string][]byte{
		"packed zeros": changed(t, "session_id", func(h *format.PageHeader, _ []byte) []byte {
			h.UncompressedPageSize = math.MaxInt32
			return zeros(t, 2<<30)
		}),
		"a page of 2 GiB": changed(t, "session_id", func(h *format.PageHeader, body []byte) []byte {
			h.UncompressedPageSize = math.MaxInt32
			return body
		}),
		"2^31 values": changed(t, "mail_from", func(h *format.PageHeader, body []byte) []byte {
			h.DataPageHeaderV2.V.NumValues, h.DataPageHeaderV2.V.NumRows = math.MaxInt32, math.MaxInt32
			return body
		}),
		"runs of levels": changed(t, "queue_id", func(h *format.PageHeader, body []byte) []byte {
			v := &h.DataPageHeaderV2.V
			rest := body[v.DefinitionLevelsByteLength:]
			v.DefinitionLevelsByteLength = int32(len(levels))
			return append(bytes.Clone(levels), rest...)
		}),
		"a long footer": append(bytes.Clone(file[:len(file)-8]), 0xff, 0xff, 0xff, 0x7f, 'P', 'A', 'R', '1'),
		"a long list":   append(append([]byte("PAR1"), list...), byte(len(list)), 0, 0, 0, 'P', 'A', 'R', '1'),
	} {
		f := put(t, data)
		if n, err := check(t.Context(), f); err == nil {
			t.Errorf("%s: %d rows and no error", name, n)
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", ReaderCommand)
		cmd.ExtraFiles = []*os.File{f}
		err := cmd.Run()
		most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		t.Logf("%s: %d octets, %v, %d MiB", name, len(data), err, most>>20)
		if err == nil || most > readerMemory+readerMemory/4 {
			t.Errorf("%s: %v, %d MiB", name, err, most>>20)
		}
	}
}

// FuzzReader gives the reader any octets; go test runs the seeds.
func FuzzReader(f *testing.F) {
	whole := aFile(f, 5)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for row, err := range rowsOf(t.Context(), put(t, data)) {
			if err != nil {
				return
			}
			var e *smtp.Envelope
			if e, err = store.ParseRow(row); err != nil || !bytes.Equal(store.AppendRow(nil, e), row) {
				t.Errorf("a row that AppendRow does not make: %v", err)
			}
		}
	})
}
