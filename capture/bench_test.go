package capture

import (
	"io"
	"testing"
	"time"
)

// benchmark reads a file of 64 MiB from the page cache, in frames of 700 octets, the mean of ordinary mail.
func benchmark(b *testing.B, form func(frames []got) []byte) {
	frames := make([]got, 64<<20/700)
	data := string(make([]byte, 700))
	for i := range frames {
		frames[i] = got{time.Unix(1_700_000_000, int64(i)).UTC(), data, 700, 1, 0}
	}
	path := write(b, form(frames))
	b.SetBytes(int64(len(frames)) * 716)
	b.ReportAllocs()
	for b.Loop() {
		f := OpenFiles([]string{path}, nil)
		var fr Frame
		n := 0
		for ; f.Next(&fr) == nil; n++ {
		}
		if err := f.Next(&fr); err != io.EOF || n != len(frames) {
			b.Fatal(n, err)
		}
		f.Close()
	}
}

func BenchmarkPcap(b *testing.B) {
	benchmark(b, func(frames []got) []byte { return pcapFile(le, pcapMicroseconds, frames) })
}

func BenchmarkPcapng(b *testing.B) {
	benchmark(b, func(frames []got) []byte { return pcapngFile(le, frames) })
}

func BenchmarkGzip(b *testing.B) {
	benchmark(b, func(frames []got) []byte { return gzipped(b, pcapFile(le, pcapMicroseconds, frames)) })
}

func BenchmarkZstd(b *testing.B) {
	benchmark(b, func(frames []got) []byte { return zstandard(b, pcapFile(le, pcapMicroseconds, frames)) })
}
