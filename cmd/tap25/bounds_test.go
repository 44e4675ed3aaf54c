package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// The bounds hold at any size; TAP25_TEST_BOUNDS=full (make bounds) shows them at the sizes that are promised.
func boundsSize(full, short int) int {
	if os.Getenv("TAP25_TEST_BOUNDS") == "full" {
		return full
	}
	return short
}

// measured is tap25 that says at the end how much memory it has had at its peak.
func measured() {
	status := process()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	os.Stderr.Write(regexp.MustCompile(`(?m)^VmHWM:.*\n`).Find(b))
	os.Exit(status)
}

// measurement is what a tap25 of its own has said.
type measurement struct {
	rows []byte
	sums map[string]counted
	peak int // KiB
}

// measure replays what write writes in a process of its own, by way of its standard input.
func measure(t *testing.T, write func(*traffic), args ...string) measurement {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"tap25-measured", "replay", "--json", "--sensor", "tap"}, append(args, "-")...)
	r, w := io.Pipe()
	var out, diag bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &out, &diag
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := newTraffic(t, w)
	write(f)
	if f.err == nil {
		f.err = f.w.Flush()
	}
	w.Close()
	if err := cmd.Wait(); err != nil || f.err != nil {
		t.Fatalf("%v, %v: %s", err, f.err, diag.String())
	}
	m := measurement{rows: out.Bytes(), sums: checkSums(t, diag.String())}
	hwm := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(diag.Bytes())
	if hwm == nil {
		t.Fatalf("no VmHWM: %s", diag.String())
	}
	m.peak, _ = strconv.Atoi(string(hwm[1]))
	if got := m.sums["packets"].total; got != f.packets {
		t.Errorf("%d packets counted, %d were written", got, f.packets)
	}
	if got := m.sums["payload"].total; got != f.payload {
		t.Errorf("%d octets of payload counted, %d were written", got, f.payload)
	}
	t.Logf("%d packets in %.1f s, peak %d KiB\n%s", f.packets, time.Since(start).Seconds(), m.peak, diag.String())
	return m
}

// mail is a session in steps, so that others may come between them.
func (p *peer) mail(n int) []func() {
	say := func(from int, text string) func() { return func() { p.say(from, text) } }
	return []func(){
		p.open,
		say(fromServer, "220 mx.example\r\n"), say(fromClient, "EHLO client.example\r\n"),
		say(fromServer, "250 mx.example\r\n"),
		say(fromClient, fmt.Sprintf("MAIL FROM:<from%d@a.example>\r\n", n)), say(fromServer, "250 ok\r\n"),
		say(fromClient, fmt.Sprintf("RCPT TO:<to%d@b.example>\r\n", n)), say(fromServer, "250 ok\r\n"),
		say(fromClient, "DATA\r\n"), say(fromServer, "354 go\r\n"), say(fromClient, "hi\r\n.\r\n"),
		say(fromServer, "250 queued\r\n"),
		say(fromClient, "QUIT\r\n"), say(fromServer, "221 bye\r\n"), p.close,
	}
}

// TestBounds_HalfOpenConnections lets mails run among SYNs that lead nowhere: every second one between two of them, the
// others with their handshake before the first and their mail behind the last.
func TestBounds_HalfOpenConnections(t *testing.T) {
	flood, mails := boundsSize(1_000_000, 200_000), 500
	m := measure(t, func(f *traffic) {
		var slow [][]func()
		for n := 0; n < mails; n += 2 {
			steps := f.host(n, 40000).mail(n)
			steps[0]()
			slow = append(slow, steps[1:])
		}
		for i := range flood {
			f.host(1<<20+i, 1024+i%60000).send(fromClient, synFlag, "")
			if i%(2*flood/mails) == 0 {
				n := i/(flood/mails) + 1
				steps(f.host(n, 40000).mail(n))
			}
		}
		for _, s := range slow {
			steps(s)
		}
	})
	checkMails(t, m.rows, mails, 0)
	if m.sums["anomalies"].parts["half-open evicted"] != 0 {
		t.Errorf("%v", m.sums["anomalies"])
	}
	m.below(t, 128)
}

func steps(s []func()) {
	for _, step := range s {
		step()
	}
}

// below fails where the process took more than so many MiB.
func (m measurement) below(t *testing.T, mib int) {
	t.Helper()
	if m.peak > mib<<10 {
		t.Errorf("peak %d KiB, more than %d MiB", m.peak, mib)
	}
}

// checkMails wants one accepted row for each of the first n of peer.mail, of which so many may have flags.
func checkMails(t *testing.T, out []byte, n, mayFlag int) {
	t.Helper()
	want := map[string]bool{}
	for i := range n {
		want[fmt.Sprintf("from%d@a.example to%d@b.example accepted", i, i)] = true
	}
	flagged := 0
	for _, row := range jsonLines(t, out) {
		key := fmt.Sprint(row["mail_from"], " ", row["rcpt_to"], " ", row["outcome"])
		if !want[key] {
			t.Errorf("a row that is not due: %s", key)
		}
		delete(want, key)
		if row["flags"] != nil {
			flagged++
		}
	}
	if len(want) > 0 || flagged > mayFlag {
		t.Errorf("%d of %d mails have no row, %d rows have flags", len(want), n, flagged)
	}
}
