package replay

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"tap25/cmd/tap25/scope"
	"tap25/store/stream"
)

// A file that is read again with another scope has its parts end at the same rows: what is loaded of it stays so, and
// what is not comes by the new rules.
func TestFollower_CutsFilesAtTheSameRowsWhateverTheScope(t *testing.T) {
	for text, want := range map[string]int64{"domains: [.example]": partRows + 1, "domains: [.nowhere.test]": 0} {
		s, err := stream.Open(t.Context(), stream.Config{
			DSN: "postgres://nobody@127.0.0.1:1/none?sslmode=disable", Dirs: []string{t.TempDir()}, Sensor: "tap",
			Limits: stream.Limits{Bytes: 1 << 30}, Waits: true, Rereadable: true, Log: zerolog.Nop(), Stderr: os.Stderr,
		})
		if err != nil {
			t.Fatal(err)
		}
		sc, err := scope.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		f := &follower{cfg: &Config{Scope: sc}, stream: s, in: &reader{}}
		f.gate.Set(sc)
		of := &input{parts: parts{key: "file"}}
		for n := range partRows + 1 {
			f.emit(row{envelope(n), of})
		}
		st := s.Stats()
		if f.err != nil || of.part != 1 || of.rows != 1 || st.Spool.Appended != want ||
			f.gate.Counts().Sum() != partRows+1-want {
			t.Errorf("%q: %v, part %d with %d rows, %d spooled", text, f.err, of.part, of.rows, st.Spool.Appended)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = s.Close(ended)
	}
}
