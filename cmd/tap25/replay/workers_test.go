package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tap25/capture"
	"tap25/cmd/tap25/rows"
	"tap25/reassembly"
)

var numbersOfWorkers = []int{1, 2, 4, 8}

// TestWrite_WorkersChangeNothing replays each capture with several numbers of workers: rows and summary are those of a
// single Assembler, octet for octet.
func TestWrite_WorkersChangeNothing(t *testing.T) {
	for _, path := range captures(t) {
		for _, cfg := range []reassembly.Config{
			{Sensor: "tap"},
			{Sensor: "tap", Ports: []uint16{24, 25, 587}, Checksum: reassembly.Strict},
		} {
			want := oneAssembler(cfg, path)
			summary := ""
			for _, n := range numbersOfWorkers {
				rows, text := replayed(t, cfg, n, path)
				if !bytes.Equal(rows, want) {
					t.Errorf("%s: %d workers give other rows than one Assembler:\n%s", filepath.Base(path), n,
						firstDifference(want, rows))
				}
				if summary = cmp.Or(summary, text); text != summary {
					t.Errorf("%s: %d workers count\n%s%d count\n%s", filepath.Base(path), n, text, numbersOfWorkers[0],
						summary)
				}
			}
		}
	}
}

// captures are the captures of testdata, and those of other projects if TAP25_CAPTURES names their folder.
func captures(t *testing.T) (paths []string) {
	for _, root := range []string{filepath.Join("..", "..", "..", "testdata"), os.Getenv("TAP25_CAPTURES")} {
		if root == "" {
			continue
		}
		err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && regexp.MustCompile(`\.(pcap|pcapng|cap)(\.gz|\.zst)?$`).MatchString(path) {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(paths) < 100 {
		t.Fatalf("%d captures", len(paths))
	}
	return paths
}

// oneAssembler returns the rows that a single Assembler emits for a capture, as JSON lines.
func oneAssembler(cfg reassembly.Config, path string) []byte {
	var out bytes.Buffer
	w := rows.NewWriter(&out, rows.Form{}, func(error) {})
	cfg.Emit = w.Emit
	a := reassembly.New(cfg)
	files := capture.OpenFiles([]string{path}, nil)
	defer files.Close()
	for f := (capture.Frame{}); files.Next(&f) == nil; {
		a.Frame(f.Time, f.LinkType, f.Data, f.Length)
	}
	a.Close()
	_ = w.Flush()
	return out.Bytes()
}

// replayed returns the rows and the summary of a replay.
func replayed(t *testing.T, cfg reassembly.Config, workers int, path string) (lines []byte, summary string) {
	t.Helper()
	var out bytes.Buffer
	c := Config{Reassembly: cfg, Workers: workers, Stdout: &out, Stderr: io.Discard}
	s, _ := Write(t.Context(), c, rows.Form{}, []string{path})
	if s == nil {
		t.Fatalf("%s: no summary", filepath.Base(path))
	}
	var text strings.Builder
	s.Elapsed = 0
	s.Write(&text)
	return out.Bytes(), regexp.MustCompile(`(?m)^seconds.*\n`).ReplaceAllString(text.String(), "")
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(want, got []byte) string {
	a, b := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(a), len(b)) {
		if !slices.Equal(a[i], b[i]) {
			return "want " + string(a[i]) + "\ngot  " + string(b[i])
		}
	}
	return "one has more lines"
}

// TestWrite_RowsOfAPipeComeWhileItIsOpen: the rows of what has come are not kept until more comes.
func TestWrite_RowsOfAPipeComeWhileItIsOpen(t *testing.T) {
	path := filepath.Join("..", "..", "..", "testdata", "synthetic", "05-smtputf8.pcap") // settled by its last reply
	want := oneAssembler(reassembly.Config{}, path)
	mail, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbersOfWorkers {
		in, writer := io.Pipe()
		reader, out := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			cfg := Config{Workers: n, Stdin: in, Stdout: out, Stderr: io.Discard}
			_, err := Write(t.Context(), cfg, rows.Form{}, []string{"-"})
			out.Close()
			ended <- err
		}()
		go func() { _, _ = writer.Write(mail) }() // and does not close it
		lines := bufio.NewScanner(reader)
		for range bytes.Count(want, []byte("\n")) {
			if !lines.Scan() {
				t.Fatalf("%d workers: %v", n, lines.Err())
			}
		}
		writer.Close()
		if err := <-ended; err != nil {
			t.Errorf("%d workers: %v", n, err)
		}
	}
}
