// Command peers measures tap25 and other programs on the same mail. It compares the rows of each with the list of mail
// that was sent, and writes the figures into docs/measurements.md:
//
//	go run ./bench/peers replay    # capture files; root is needed to make them, once
//	go run ./bench/peers live      # frames on an interface, in namespaces of its own; root
//
// 'make bench-peers' and 'make bench-live' run it. It starts no program that is not installed, and installs none.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// limit bounds the whole run, even if a program hangs.
const limit = 2 * time.Hour

// settings come from the command line.
type settings struct {
	dir    string // captures, and what the programs write; 4 GB
	tap25  string
	page   string // gets the figures; "": standard output does
	script string // makes a capture
	bpf    string // the test program of the package bpf, with the benchmark of the XDP program
	rounds int
	mixed  int // mails of the first capture, of all sizes
	small  int // mails of the second, of 1 KiB
	rate   int // frames a second of a live run; 0: search for the highest rate that every receiver can take
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := run(ctx, os.Args[1:], os.Stdout)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// parts run as processes of their own. Most are measured. The comparison of rows is a process because it needs much
// memory: Linux never reports a peak for a child that is below the peak of its parent.
var parts = map[string]func(args []string, out io.Writer) error{
	"rows":    func(args []string, out io.Writer) error { return checkRows(args[0], args[1], args[2], out) },
	"records": func(args []string, out io.Writer) error { return readRecords(args[0], nil, out) },
	"decode":  func(args []string, out io.Writer) error { return readRecords(args[0], newDecoder(), out) },
	"send":    func(args []string, out io.Writer) error { return send(args[0], args[1], args[2], out) },
	"receive": func(args []string, out io.Writer) error { return receive(args[0], args[1] == "rows", out) },
	"drop":    func(args []string, out io.Writer) error { return drop(args[0], out) },
}

func run(ctx context.Context, args []string, out io.Writer) error {
	const usage = "usage: peers replay|live [flags]"
	if len(args) == 0 {
		return errors.New(usage)
	}
	if part := parts[args[0]]; part != nil {
		return part(args[1:], out)
	}
	var s settings
	flags := flag.NewFlagSet("peers "+args[0], flag.ContinueOnError)
	flags.StringVar(&s.dir, "dir", "bin/captures", "captures and what the programs write; 4 GB")
	flags.StringVar(&s.tap25, "tap25", "bin/tap25", "program")
	flags.StringVar(&s.page, "page", "docs/measurements.md", "page whose section is written; empty: to standard output")
	flags.StringVar(&s.script, "script", "bench/make-capture.sh", "makes a capture")
	flags.StringVar(&s.bpf, "bpf", "bin/bpf.test", "program with the benchmark of the XDP program; empty: not run")
	flags.IntVar(&s.rounds, "rounds", 5, "runs of each program")
	flags.IntVar(&s.mixed, "mixed", 100_000, "mails of 1, 10 and 100 kB")
	flags.IntVar(&s.small, "small", 200_000, "mails of 1 KiB")
	flags.IntVar(&s.rate, "rate", 0, "measure live CPU at this many frames a second, and look for no highest rate")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if s.rounds < 1 || flags.NArg() > 0 {
		return errors.New(usage)
	}
	if err := s.prepare(); err != nil {
		return err
	}
	measure := map[string]func(context.Context, *settings, io.Writer) (string, error){
		"replay": measureReplay, "live": measureLive, "inside": measureInside}[args[0]]
	if measure == nil {
		return errors.New(usage)
	}
	text, err := measure(ctx, &s, out)
	if err != nil || args[0] == "live" { // the process in the namespaces has written the page
		return err
	}
	if s.page == "" {
		_, err = io.WriteString(out, text)
		return err
	}
	return writeSection(s.page, map[string]string{"replay": "bench-peers", "inside": "bench-live"}[args[0]], text)
}

// prepare makes the paths absolute, because each program runs in another directory. It also creates the directory for
// captures.
func (s *settings) prepare() error {
	for _, path := range []*string{&s.dir, &s.tap25, &s.page, &s.script, &s.bpf} {
		if *path != "" {
			absolute, err := filepath.Abs(*path)
			if err != nil {
				return err
			}
			*path = absolute
		}
	}
	if _, err := os.Stat(s.tap25); err != nil {
		return fmt.Errorf("%w: run 'make build' first", err)
	}
	return os.MkdirAll(s.dir, 0o755)
}

// writeSection replaces the text between the two comments that mark a section of a page.
func writeSection(page, section, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	first, last := "<!-- "+section+" writes this -->\n", "<!-- end of "+section+" -->\n"
	before, rest, found := strings.Cut(string(old), first)
	_, after, ended := strings.Cut(rest, last)
	if !found || !ended {
		return fmt.Errorf("%s has no section %q", page, section)
	}
	return os.WriteFile(page, []byte(before+first+text+"\n"+last+after), 0o644)
}
