package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"tap25/store/numeral"
)

// liveTable returns a table with a line for each receiver.
func liveTable(list []*receiver, rate int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n| receiver | highest rate without loss, frames/s | at %s/s: CPU s a million frames | "+
		"of the sender and the kernel beside it | frames lost | rows |\n| --- | --- | --- | --- | --- | --- |\n",
		numeral.Grouped(int64(rate)))
	for _, r := range list {
		own, beside := median(r.costs), median(r.senders)
		highest, rows := "", ""
		if r.highest > 0 {
			highest = numeral.Grouped(int64(r.highest))
		}
		if r.kind != "" {
			rows = r.check.String()
		}
		millions := float64(r.frames) / 1e6
		fmt.Fprintf(&b, "| %s | %s | %.2f | %.2f | %s | %s |\n", r.name, highest,
			own.cpu.Seconds()/millions, beside.cpu.Seconds()/millions, numeral.Grouped(int64(r.mostLost)), rows)
	}
	return b.String()
}

// metric matches a line of BenchmarkFilter.
var metric = regexp.MustCompile(
	`(?m)^BenchmarkFilter/(\S+?)(?:-\d+)?\s.* ([0-9.]+) ns/barest\s+([0-9.]+) ns/frame\s+([0-9.]+) x-barest`)

// frameTable runs the XDP program on frames of each kind (BPF_PROG_TEST_RUN), in turn with the smallest program that
// drops or copies them.
func frameTable(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", "^BenchmarkFilter$", "-test.benchtime",
		"1x").CombinedOutput()
	found := metric.FindAllStringSubmatch(string(out), -1)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("benchmark of the XDP program: %w: %s", err, out)
	}
	var b strings.Builder
	b.WriteString("\n| frame | tap25, ns | the barest program, ns | ratio |\n| --- | --- | --- | --- |\n")
	for _, m := range found {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.ReplaceAll(m[1], "_", " "), m[3], m[2], m[4])
	}
	return b.String(), nil
}
