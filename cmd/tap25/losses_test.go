package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// TestReplay_CapturesWithFramesLost takes frames out of the captures of real mail software, one by one or in runs, and
// holds the rows against those of the whole capture, which are the servers' logs': no sender meets a recipient that it
// did not write to, and a row without a flag is one of the whole capture's, but for its end, which no capture tells:
// outcome or reply unknown. Names of sessions, numbers, HELO (null where it was missed) and the count of lost bytes may
// differ.
func TestReplay_CapturesWithFramesLost(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "real", "*.pcap*"))
	if len(files) == 0 {
		t.Fatal("no captures")
	}
	rnd := rand.New(rand.NewPCG(25, 1))
	cases, flagged, rows := 0, 0, 0
	for _, path := range files {
		if strings.Contains(path, "random-dialogues") {
			continue // no client: DESIGN.md, "Limits"
		}
		frames := framesOf(t, path)
		whole := map[string]int{}
		pairs := map[[2]string]bool{}
		for _, e := range rowsOf(frames) {
			whole[lossless(t, e)]++
			pairs[pairOf(e)] = true
		}
		for range kills(20, 1000) {
			cases++
			left := map[string]int{}
			for _, e := range rowsOf(without(rnd, frames)) {
				rows++
				if p := pairOf(e); e.MailFrom != nil && e.RcptTo != nil && !pairs[p] {
					t.Errorf("%s, case %d: a recipient has another's sender: %s", filepath.Base(path), cases,
						lossless(t, e))
				}
				if e.Flags != 0 {
					flagged++
				} else if e.Outcome != smtp.Unknown && (e.RcptTo == nil || e.RcptCode != 0) {
					left[lossless(t, e)]++
				}
			}
			for row, n := range left {
				if n > whole[row] {
					t.Errorf("%s, case %d: a row without a flag is none of the whole capture's: %s",
						filepath.Base(path), cases, row)
				}
			}
		}
	}
	t.Logf("%d damaged captures, %d rows, %d of them flagged", cases, rows, flagged)
	if flagged == 0 {
		t.Error("no row was flagged")
	}
}

// framesOf reads a capture.
func framesOf(t *testing.T, path string) (frames []capture.Frame) {
	t.Helper()
	f := capture.OpenFiles([]string{path}, nil)
	defer f.Close()
	for {
		var fr capture.Frame
		if err := f.Next(&fr); errors.Is(err, io.EOF) {
			return frames
		} else if err != nil {
			t.Fatal(err)
		}
		fr.Data = bytes.Clone(fr.Data)
		frames = append(frames, fr)
	}
}

func rowsOf(frames []capture.Frame) (rows []*smtp.Envelope) {
	a := reassembly.New(reassembly.Config{Sensor: "tap", Emit: func(e *smtp.Envelope) {
		c := *e
		rows = append(rows, &c)
	}})
	for _, f := range frames {
		a.Frame(f.Time, f.LinkType, f.Data, f.Length)
	}
	a.Close()
	return rows
}

// without loses frames: each with some chance, or runs of up to eight.
func without(rnd *rand.Rand, frames []capture.Frame) []capture.Frame {
	share := []float64{0.002, 0.01, 0.05, 0.2}[rnd.IntN(4)]
	if rnd.IntN(2) == 0 {
		return slices.DeleteFunc(slices.Clone(frames), func(capture.Frame) bool { return rnd.Float64() < share })
	}
	frames = slices.Clone(frames)
	for range 1 + int(share*float64(len(frames))/4) {
		if i := rnd.IntN(len(frames)); len(frames) > 10 {
			frames = slices.Delete(frames, i, min(len(frames), i+1+rnd.IntN(8)))
		}
	}
	return frames
}

func pairOf(e *smtp.Envelope) (p [2]string) {
	for i, s := range []*string{e.MailFrom, e.RcptTo} {
		if s != nil {
			p[i] = *s
		}
	}
	return p
}

// lossless is a row without what a loss may change.
func lossless(t *testing.T, e *smtp.Envelope) string {
	t.Helper()
	c := *e
	c.SessionID, c.MailNo, c.HELO, c.LostBytes = 0, 0, nil, 0
	b, err := json.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
