package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFiles_KeepFramesUntilTheirMemoryIsGivenBack reads files by small pieces, with frames longer than those. Until
// Next takes the memory of frames back, it does not change them; then the test overwrites it.
func TestFiles_KeepFramesUntilTheirMemoryIsGivenBack(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	dir := t.TempDir()
	var want [][]byte
	var paths []string
	for file := range 3 {
		b := binary.LittleEndian.AppendUint32(nil, pcapMicroseconds)
		b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
		for range 300 {
			data := make([]byte, []int{0, 60, 1514, 9000}[r.IntN(4)])
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			b = binary.LittleEndian.AppendUint64(b, 1)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
			b = append(b, data...)
			want = append(want, data)
		}
		paths = append(paths, filepath.Join(dir, string(rune('a'+file))))
		if err := os.WriteFile(paths[file], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := OpenFiles(paths, nil)
	defer files.Close()
	var kept [][]byte // since the last swap
	n, swaps := 0, 0
	check := func() {
		for _, data := range kept {
			if !bytes.Equal(data, want[n]) {
				t.Fatalf("frame %d has changed", n)
			}
			n++
		}
		kept = kept[:0]
	}
	files.KeepFrames(func(used []byte) []byte {
		check()
		swaps++
		old := slices.Clone(used)
		t.Cleanup(func() { // nobody reads it any more
			if !bytes.Equal(old, used) {
				t.Error("memory that was given back was written to")
			}
		})
		return make([]byte, 4096)
	})
	for {
		var f Frame
		err := files.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, f.Data)
	}
	if check(); n != len(want) || swaps < 100 {
		t.Errorf("%d of %d frames, memory swapped %d times", n, len(want), swaps)
	}
}
