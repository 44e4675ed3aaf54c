package spool

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const perFile = 10_000

// BenchmarkAppend compares the spool with plain appends to files, both of 200-byte records: 10,000 of them cost a file,
// its fsync and a rename. The plain ones sync the directory as often as the spool did, which does it once for all files
// that have become durable meanwhile. There are so many that the first use of the spool's buffers is of no account.
func BenchmarkAppend(b *testing.B) {
	rec := bytes.Repeat([]byte("0123456789"), 20)
	const rows = 2_000_000
	var spooled, plain time.Duration
	for b.Loop() {
		took, syncs := appendSpool(b, rec, rows)
		spooled += took
		plain += appendPlain(b, rec, rows, syncs)
	}
	b.ReportMetric(float64(rows*b.N)/spooled.Seconds(), "rows/s")
	b.ReportMetric(plain.Seconds()/spooled.Seconds(), "x-plain")
}

func appendSpool(b *testing.B, rec []byte, rows int) (took time.Duration, dirSyncs int) {
	c := bare(b.TempDir())
	c.SegmentRecords = perFile
	fileSyncs := 0
	var mu sync.Mutex
	c.fault = func(op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		switch op {
		case "fsync":
			fileSyncs++
		case "fsyncdir":
			dirSyncs++
		}
		return nil
	}
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
	took = time.Since(begun)
	if st := s.Stats(); st.Waiting != int64(rows) || fileSyncs != rows/perFile {
		b.Fatalf("%+v, %d files synced", st, fileSyncs)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return took, dirSyncs
}

func appendPlain(b *testing.B, rec []byte, rows, dirSyncs int) time.Duration {
	d := disk{dir: b.TempDir()}
	begun := time.Now()
	files, synced := rows/perFile, 0
	for n := range files {
		path := filepath.Join(d.dir, strconv.Itoa(n))
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriterSize(f, blockPayload)
		for range perFile {
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
		if (n+1)*dirSyncs/files == synced {
			continue
		}
		synced++
		if err := d.fsyncDir(); err != nil {
			b.Fatal(err)
		}
	}
	if synced != dirSyncs {
		b.Fatalf("%d fsyncs of the directory, the spool's were %d", synced, dirSyncs)
	}
	return time.Since(begun)
}
