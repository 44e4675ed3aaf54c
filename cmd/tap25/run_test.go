package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestRun_ReaderOfTheRowsGoesAway(t *testing.T) {
	dir := t.TempDir()
	if err := makeCaptures(dir); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	var stderr bytes.Buffer
	status := run(context.Background(), []string{"replay", "--json", filepath.Join(dir, "mail.pcap")}, nil, w, &stderr)
	if status != statusDone || stderr.Len() > 0 {
		t.Errorf("status %d, said %q; want a quiet end", status, stderr.String())
	}
}

func TestRun_FullDiskIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := makeCaptures(dir); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	status := run(context.Background(), []string{"replay", "--json", filepath.Join(dir, "mail.pcap")}, nil, full,
		&stderr)
	if status != statusFailed || !bytes.Contains(stderr.Bytes(), []byte("no space left")) {
		t.Errorf("status %d, said %q", status, stderr.String())
	}
}

func TestRun_InterruptEndsTheWriterOfThePipeToo(t *testing.T) {
	dir := t.TempDir()
	if err := makeCaptures(dir); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "mail.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]int{"between packets": 0, "inside a packet": 5} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var stderr bytes.Buffer
			stdin := &interrupted{data: whole[:len(whole)-cut], interrupt: cancel}
			status := run(ctx, []string{"replay", "--json", "-"}, stdin, io.Discard, &stderr)
			if status != statusInterrupted || !bytes.Contains(stderr.Bytes(), []byte("interrupted")) {
				t.Errorf("status %d, said %q", status, stderr.String())
			}
		})
	}
}

// interrupted is a pipe whose writer is ended by the signal that ends its reader.
type interrupted struct {
	data      []byte
	interrupt func()
}

func (r *interrupted) Read(p []byte) (int, error) {
	n := copy(p, r.data)
	r.data = r.data[n:]
	if n == 0 {
		r.interrupt()
		return 0, io.EOF
	}
	return n, nil
}
