package replay

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"tap25/cmd/tap25/rows"
)

// BenchmarkReplay replays the captures that TAP25_BENCH_CAPTURES names, or the demo's, and discards their rows, which
// are written as JSON.
func BenchmarkReplay(b *testing.B) {
	paths := strings.Fields(os.Getenv("TAP25_BENCH_CAPTURES"))
	if len(paths) == 0 {
		paths = []string{"../../../testdata/demo.pcap.gz"}
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, path := range paths {
					cfg := Config{Workers: workers, Stdout: io.Discard, Stderr: io.Discard}
					s, err := Write(b.Context(), cfg, rows.Form{}, []string{path})
					if err != nil || s.Rows == 0 {
						b.Fatal("no rows: ", err)
					}
				}
			}
		})
	}
}
