package spool

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkAppend compares the spool with plain appends to files that are synced and renamed as often, both of 200-byte
// records: 10,000 of them cost a file, its fsync, a rename and an fsync of the directory.
func BenchmarkAppend(b *testing.B) {
	rec := bytes.Repeat([]byte("0123456789"), 20)
	const rows = 500_000
	var spooled, plain time.Duration
	for b.Loop() {
		spooled += appendSpool(b, rec, rows)
		plain += appendPlain(b, rec, rows)
	}
	b.ReportMetric(float64(rows*b.N)/spooled.Seconds(), "rows/s")
	b.ReportMetric(plain.Seconds()/spooled.Seconds(), "x-plain")
}

func appendSpool(b *testing.B, rec []byte, rows int) time.Duration {
	c := bare(b.TempDir())
	c.SegmentRecords = 10_000
	s, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	for range rows {
		if err := s.AppendWait(b.Context(), rec); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	if st := s.Stats(); st.Waiting != int64(rows) {
		b.Fatalf("%+v", st)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}

func appendPlain(b *testing.B, rec []byte, rows int) time.Duration {
	d := disk{dir: b.TempDir()}
	begun := time.Now()
	for n := 0; n < rows; n += 10_000 {
		path := filepath.Join(d.dir, string(rune('A'+n/10_000)))
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriterSize(f, blockPayload)
		for range 10_000 {
			w.Write(rec)
		}
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		f.Close()
		if err := os.Rename(path, path+suffixSealed); err != nil {
			b.Fatal(err)
		}
		if err := d.fsyncDir(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}
