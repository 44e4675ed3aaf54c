package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tap25/capture/capturetest"
)

// fullDisk mounts a file system of 64 MiB and fills it to the last octet; empty makes room again.
func fullDisk(t *testing.T) (dir string, empty func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tap25", dir, "tmpfs", 0, "size=64m"); err != nil {
		capturetest.Missing(t, "root", "mount a small file system: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 65<<20), 0o600); err == nil {
		t.Fatal("the disk has more room than it should")
	}
	return dir, func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

// Somebody else has filled the disk of the spool: a follower and a replay wait, say so, and go on by themselves.
func TestReplay_WaitsOutAFullDisk(t *testing.T) {
	conn, _ := server(t)
	for _, how := range []string{"follow", "by name"} {
		t.Run(how, func(t *testing.T) {
			disk, empty := fullDisk(t)
			captured := t.TempDir()
			before := rowsIn(t, conn)
			want := before + rotated(t, captured, 3, 60)
			args := append([]string{"replay", "--sensor", how, "--spool", filepath.Join(disk, "spool")},
				captures(t, captured)...)
			if how == "follow" {
				args = append(args[:5], "--follow", captured)
			}
			var diag capturetest.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan int, 1)
			go func() { ended <- run(ctx, args, nil, &bytes.Buffer{}, &diag) }()
			await(t, "it says what it waits for", func() bool {
				return strings.Contains(diag.String(), "spool is full")
			})
			empty()
			await(t, "every row is there", func() bool { return rowsIn(t, conn) == want })
			if how == "follow" {
				cancel()
			}
			if status := <-ended; status != statusDone {
				t.Errorf("status %d: %s", status, diag.String())
			}
			checkSums(t, diag.String())
		})
	}
}
