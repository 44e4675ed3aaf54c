package sniff

import (
	"context"
	"io"
	"testing"
	"time"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// What is left in a ring under attack is left there: how many frames are read after the end is counted, not timed.
func TestWorker_ReadsFewFramesAfterTheEnd(t *testing.T) {
	late, end := context.WithCancel(t.Context())
	const before = 1000
	read := 0
	w := &worker{asm: reassembly.New(reassembly.Config{Emit: func(*smtp.Envelope) {}}), idle: func() {}}
	w.next = func(f *capture.Frame) error {
		if read++; read == before {
			end()
		}
		if read > before+10*lookEvery {
			return io.EOF
		}
		*f = capture.Frame{Time: time.Unix(0, 0), LinkType: 1, Data: make([]byte, 60), Length: 60}
		return nil
	}
	if err := w.run(late); err != nil || read > before+lookEvery {
		t.Errorf("%v after %d frames, %d of them after the end", err, read, read-before)
	}
}

// TestWorker_FlagsWhatIsOpenAtTheEnd stops in the middle of a capture in which nothing is missing: a row without an
// outcome is one whose session went on.
func TestWorker_FlagsWhatIsOpenAtTheEnd(t *testing.T) {
	open := 0
	for stop := 100; stop < 1000; stop += 50 {
		files := capture.OpenFiles([]string{"../../../testdata/demo.pcap.gz"}, nil)
		w := &worker{idle: func() {}, asm: reassembly.New(reassembly.Config{Emit: func(e *smtp.Envelope) {
			if unknown := e.Outcome == smtp.Unknown; unknown != (e.Flags == smtp.Gap) {
				t.Errorf("after %d frames, a row is %v with the flags %v", stop, e.Outcome, e.Flags.Names())
			} else if unknown {
				open++
			}
		}})}
		read := 0
		w.next = func(f *capture.Frame) error {
			if read++; read > stop {
				return io.EOF
			}
			return files.Next(f)
		}
		if err := w.run(t.Context()); err != nil {
			t.Error(err)
		}
		files.Close()
	}
	if open == 0 {
		t.Error("no row was open, so this shows nothing")
	}
}
