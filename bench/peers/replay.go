package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tap25/store/numeral"
)

//go:embed suricata.yaml
var suricataSettings []byte

// suricata is the name of the program, and the flag that prints its version.
var suricata = [2]string{"suricata", "-V"}

// slow is the time from which on a run is not repeated.
const slow = 20 * time.Second

// program is a program that reads a capture.
type program struct {
	name  string
	args  []string
	kind  string // of its rows, see readers; "": it writes none
	rows  string // the file that has them
	costs []cost
	check check // of the run with the most errors

	failed bool // a peer that did; its figures are left out
}

// tsharkRows selects the commands that have an address.
const tsharkRows = `smtp.req.command == "MAIL" || smtp.req.command == "RCPT"`

// programs returns those that are installed. Each runs in dir.
func programs(s *settings, capture, dir string) (list []*program, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	tap25 := []string{s.tap25, "replay", "--format", "json"}
	list = []*program{
		{name: "`cat >/dev/null`", args: []string{"sh", "-c", `exec cat "$0" >/dev/null`, capture}},
		{name: "a loop over the records", args: []string{self, "records", capture}},
		{name: "the loop, and gopacket's decoder", args: []string{self, "decode", capture}},
		{name: "tap25", args: append(tap25, capture), kind: "tap25", rows: "out"},
		{name: "tap25 `--workers 1`", args: append(tap25, "--workers", "1", capture), kind: "tap25", rows: "out"},
		{name: "tap25 on one core", args: append([]string{"taskset", "-c", "0"}, append(tap25, capture)...), kind: "tap25",
			rows: "out"},
		{name: "Suricata `--runmode single`", args: []string{"suricata", "-c", filepath.Join(s.dir, "suricata.yaml"),
			"--runmode", "single", "-S", "/dev/null", "-l", dir, "-r", capture}, kind: "suricata", rows: "eve.json"},
		{name: "tshark", args: []string{"tshark", "-n", "-r", capture, "-Y", tsharkRows, "-T", "fields", "-e", "tcp.stream",
			"-e", "smtp.req.command", "-e", "smtp.req.parameter"}, kind: "tshark", rows: "out"},
	}
	return slices.DeleteFunc(list, func(p *program) bool { return !installed(p.args[0]) }), nil
}

// measureReplay measures all programs on both captures, and returns the section of the page.
func measureReplay(ctx context.Context, s *settings, out io.Writer) (string, error) {
	if err := os.WriteFile(filepath.Join(s.dir, "suricata.yaml"), suricataSettings, 0o644); err != nil {
		return "", err
	}
	mixed, err := madeCapture(ctx, s, "", s.mixed, out)
	if err != nil {
		return "", err
	}
	small, err := madeCapture(ctx, s, "small", s.small, out)
	if err != nil {
		return "", err
	}
	var tables strings.Builder
	share, dir := others(), filepath.Join(s.dir, "run")
	for _, c := range []struct {
		capture, sizes string
		mails          int
	}{{mixed, "mails of 1, 10 and 100 kB", s.mixed}, {small, "mails of 1 KiB", s.small}} {
		list, err := programs(s, c.capture, dir)
		if err != nil {
			return "", err
		}
		packets, err := inTurn(ctx, s, list, c.capture, dir, out)
		if err != nil {
			return "", err
		}
		size, err := os.Stat(c.capture)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&tables, "\n%s %s to %s recipients, %s packets, %.2f GB:\n\n", numeral.Grouped(int64(c.mails)), c.sizes,
			numeral.Grouped(int64(told(list))), numeral.Grouped(int64(packets)), float64(size.Size())/1e9)
		tables.WriteString(table(list))
	}
	head, err := heading(ctx, s, "`make bench-peers`", [][2]string{suricata, {"tshark", "-v"}}, share())
	return head + tables.String(), err
}

// madeCapture makes a capture and its truth if they do not exist.
func madeCapture(ctx context.Context, s *settings, kind string, mails int, out io.Writer) (string, error) {
	capture := filepath.Join(s.dir, fmt.Sprintf("%s%d.pcap", kind, mails))
	if _, err := os.Stat(truthOf(capture)); err == nil {
		return capture, nil
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("root makes the capture: sudo %s %d %s %s", s.script, mails, capture, kind)
	}
	args := []string{strconv.Itoa(mails), capture}
	if kind != "" {
		args = append(args, kind)
	}
	cmd := exec.CommandContext(ctx, s.script, args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("make %s: %w", capture, err)
	}
	return capture, nil
}

func truthOf(capture string) string { return strings.TrimSuffix(capture, ".pcap") + ".truth" }

// inTurn runs each program once in each round, and checks the rows of every run. A wrong row of tap25 is an error. It
// returns the number of packets of the capture.
func inTurn(ctx context.Context, s *settings, list []*program, capture, dir string,
	out io.Writer) (packets int, err error) {
	for round := range s.rounds {
		for _, p := range list {
			if p.failed || round > 0 && p.costs[0].wall > slow {
				continue
			}
			c, err := timed(ctx, dir, p.args)
			if p.failed = err != nil && p.peer() && ctx.Err() == nil; p.failed {
				fmt.Fprintln(out, err)
				continue
			}
			if err != nil {
				return 0, err
			}
			p.costs = append(p.costs, c)
			fmt.Fprintf(out, "%s, round %d: CPU %.2f s, wall %.2f s, peak %.0f MiB\n", p.name, round+1, c.cpu.Seconds(),
				c.wall.Seconds(), c.peak)
			if p.kind != "" {
				err = p.checkRows(ctx, dir, capture)
			} else if p.args[1] == "records" {
				_, err = fmt.Sscan(read(filepath.Join(dir, "out")), &packets)
			}
			if err != nil {
				return 0, err
			}
		}
	}
	return packets, nil
}

// peer reports whether a program is neither tap25 nor a floor. If it fails, the measurement goes on.
func (p *program) peer() bool { return p.kind != "" && p.kind != "tap25" }

// checkRows compares the rows of a run with the truth.
func (p *program) checkRows(ctx context.Context, dir, capture string) error {
	c, err := checked(ctx, p.kind, filepath.Join(dir, p.rows), truthOf(capture))
	if err != nil {
		return err
	}
	if p.kind == "tap25" && c.Missing+c.Wrong > 0 {
		return fmt.Errorf("the rows of %s differ from the mail that was sent: %v", p.name, c)
	}
	if c.Missing+c.Wrong >= p.check.Missing+p.check.Wrong {
		p.check = c
	}
	return nil
}

// told returns the number of recipients to whom mail was sent.
func told(list []*program) (n int) {
	for _, p := range list {
		n = max(n, p.check.Told)
	}
	return n
}

// table returns a line for each program: the medians of its runs, and their ratios to those of tap25.
func table(list []*program) string {
	var b strings.Builder
	b.WriteString("| program | CPU s | wall s | peak, MiB | CPU, tap25 = 1 | wall, tap25 = 1 | rows |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- |\n")
	var base cost
	for _, p := range list {
		if p.name == "tap25" {
			base = median(p.costs)
		}
	}
	for _, p := range list {
		if p.failed {
			fmt.Fprintf(&b, "| %s |  |  |  |  |  | it failed |\n", p.name)
			continue
		}
		m := median(p.costs)
		peak, rows := "", ""
		if p.kind != "" { // the peak of a floor is below that of this process
			peak, rows = fmt.Sprintf("%.0f", m.peak), p.check.String()
		}
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %s | %.2f | %.2f | %s |\n", p.name, m.cpu.Seconds(), m.wall.Seconds(), peak,
			float64(m.cpu)/float64(base.cpu), float64(m.wall)/float64(base.wall), rows)
	}
	return b.String()
}

// heading states the machine, the versions of all programs, and how busy the machine was with other work. peers are the
// other programs, each with the flag that prints its version.
func heading(ctx context.Context, s *settings, by string, peers [][2]string, other float64) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nMeasured by %s, medians of %d runs in turn, on this machine:\n%s.\n", by, s.rounds, machine())
	version, err := versionOf(ctx, s.tap25, "version")
	fmt.Fprintf(&b, "The programs were %s", version)
	for _, p := range peers {
		version = p[0] + " was not installed"
		if installed(p[0]) && err == nil {
			version, err = versionOf(ctx, p[0], p[1])
		}
		fmt.Fprintf(&b, ";\n%s", version)
	}
	fmt.Fprintf(&b, ".\nOther processes took %.0f %% of the processors meanwhile", 100*other)
	if other > 0.1 {
		b.WriteString(": the figures are preliminary")
	}
	b.WriteString(".\n")
	return b.String(), err
}

func installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
