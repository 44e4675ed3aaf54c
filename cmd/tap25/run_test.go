package main

import (
	"bytes"
	"context"
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
	status := run(context.Background(), []string{"replay", "--json", filepath.Join(dir, "mail.pcap")}, nil, full, &stderr)
	if status != statusFailed || !bytes.Contains(stderr.Bytes(), []byte("no space left")) {
		t.Errorf("status %d, said %q", status, stderr.String())
	}
}
