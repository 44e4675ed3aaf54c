package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
)

// liveMails is how many messages the mail systems are given; TAP25_TEST_MAILS says another number.
const liveMails = 1000

// unpacked is the folder of a program's package, which make install-test unpacks; without it the test lacks the
// feature.
func unpacked(t testing.TB, feature, program string) (dir string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../../bin", feature))
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, program))
	}
	if err != nil {
		capturetest.Missing(t, feature, filepath.Base(program)+" is not unpacked: make install-test")
	}
	return dir
}

// mta starts a mail system in a namespace, as testdata/live/mta.sh has it, with more settings, and gives its log.
func (w *wire) mta(ns, kind string, settings ...string) (log string) {
	w.t.Helper()
	from := unpacked(w.t, "mta", "usr/sbin/exim4")
	if kind == "dovecot" {
		from = unpacked(w.t, "dovecot", "usr/lib/dovecot/lmtp")
	}
	dir, err := os.MkdirTemp("/tmp", "tap25-mta-")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	var diag capturetest.Buffer
	args := []string{"netns", "exec", ns, "unshare", "--mount", "--pid", "--fork", "--mount-proc",
		"../../testdata/live/mta.sh", kind, dir, from}
	cmd := exec.Command("ip", append(args, settings...)...)
	cmd.Stdout, cmd.Stderr = &diag, &diag
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("%s: %s; what it left is in %s", kind, diag.String(), dir)
		} else {
			os.RemoveAll(dir)
		}
	})
	awaitFor(w.t, time.Minute, kind+" to listen", func() bool { return w.listens(ns, "127.0.0.1:2525") })
	return map[string]string{"postfix": filepath.Join(dir, "log"), "exim": filepath.Join(dir, "mainlog"),
		"dovecot": filepath.Join(dir, "log")}[kind]
}

// listens reports whether somebody in a namespace takes connections at an address.
func (w *wire) listens(ns, address string) bool {
	var c net.Conn
	err := w.in(ns, func() (err error) { c, err = net.Dial("tcp", address); return err })
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// TestSniff_PostfixAndEximRowsAreThoseOfTheirLogs has Postfix and Exim write to each other over IPv4 and IPv6, plain,
// in a VLAN and in VXLAN, amid ten times as many frames of other kinds. The rows in PostgreSQL are those of both
// servers' logs, one for one; a replay of what tcpdump has seen beside it gives the same.
func TestSniff_PostfixAndEximRowsAreThoseOfTheirLogs(t *testing.T) {
	n := liveMails
	if s := os.Getenv("TAP25_TEST_MAILS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWire(t)
	w.carried()
	postfix, exim := w.mta(w.client, "postfix"), w.mta(w.server, "exim")
	stateHome(t)
	s := w.sniff("--db", "local", "--retention", "never", "--workers", "2", "--inline", "--xdp", "native")
	w.command("ip netns exec " + w.tap + " ethtool -K tap0 gro off") // else tcpdump sees frames that were merged
	capture := filepath.Join(t.TempDir(), "beside.pcap")
	stopDump := w.dump(capture)

	before := w.unseen(s)
	want := w.exchange(s, n)
	r := w.atRest(s)
	if after := w.unseen(s); after != before {
		t.Errorf("the interface has passed %d frames more than tap25 has seen", after-before)
	}
	if n := w.counted(w.hub, "port", "tx_dropped"); n > 0 { // the queue to the tap was full
		t.Fatalf("the mirror itself has dropped %d frames, so that this shows nothing; %d octets are missed, %d rows",
			n, r.LostBytes, r.Rows)
	}
	if r.Read != report.Sum(r.Frames) || r.RingFull != 0 || r.LostBytes != 0 {
		t.Errorf("the counters do not add up, or something was lost: %+v", r)
	}
	if report.Sum(r.Dropped) < 10*r.Delivered || r.Dropped["other_port"] == 0 || r.Dropped["not_tcp"] == 0 {
		t.Errorf("%v dropped by design, too little beside %v", r.Dropped, r.Frames)
	}
	s.end(syscall.SIGTERM)
	stopDump()

	rows := rowsOfDatabase(t)
	var logs *mtaLogs
	await(t, "the logs", func() bool {
		logs = readLogs(t, postfix, exim)
		return len(logs.delivered) >= want && logs.receivedAll()
	})
	if len(logs.delivered) != want {
		t.Errorf("the logs have %d deliveries, want %d", len(logs.delivered), want)
	}
	if diff := cmp.Diff(logs, logsOf(rows), cmp.AllowUnexported(mtaLogs{})); diff != "" {
		t.Errorf("logs against rows: %s", diff)
	}
	compareWithReplay(t, rows, capture, time.Millisecond)
}

// exchange has both mail systems send each other n messages in all, amid other traffic, and gives the number of rows to
// come.
func (w *wire) exchange(s *sniffing, n int) (rows int) {
	const underWay = 150 // rows, of each of the four that inject: the mail systems would take more than they can send
	var injecting, others sync.WaitGroup
	var injected atomic.Int64
	sent := func(rows int) error {
		return w.grown(s, injected.Add(int64(rows))-underWay, func(r *report.Report) int64 { return r.Rows })
	}
	done := make(chan struct{})
	others.Go(func() { w.outnumber(s, done) })
	for side, ns := range []string{w.client, w.server} {
		var mails []liveMail
		for i := side; i < n; i += 2 {
			m := newLiveMail(i)
			mails = append(mails, m)
			rows += m.rows
		}
		for part := range slices.Chunk(mails, len(mails)/2+1) {
			injecting.Go(func() {
				if err := w.submit(ns, part, sent); err != nil {
					w.t.Error(err)
				}
			})
		}
	}
	injecting.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
	if err := w.grown(s, int64(rows), rowsLoaded); err != nil {
		w.t.Fatal(err)
	}
	close(done)
	others.Wait()
	return rows
}

// grown waits until a counter has come to n, however long that takes while it grows.
func (w *wire) grown(s *sniffing, n int64, counter func(*report.Report) int64) error {
	most, since := int64(-1), time.Now()
	for ; time.Since(since) < time.Minute; time.Sleep(20 * time.Millisecond) {
		r, err := report.Ask(w.t.Context(), s.control)
		if err != nil {
			return err
		}
		now := counter(r)
		if now >= n {
			return nil
		}
		if now > most {
			most, since = now, time.Now()
		}
	}
	return fmt.Errorf("%d rows of %d, and for a minute no more came", most, n)
}

// outnumber sends frames that are no mail, as long as they are not ten times those that are, and until done.
func (w *wire) outnumber(s *sniffing, done chan struct{}) {
	for {
		r, err := report.Ask(w.t.Context(), s.control)
		if err != nil {
			return // the test has ended
		}
		if report.Sum(r.Dropped) > 10*r.Delivered {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		if err := w.noise(1000); err != nil {
			w.t.Error(err)
			return
		}
	}
}

// atRest gives the counters when nothing is on its way.
func (w *wire) atRest(s *sniffing) (r *report.Report) {
	await(w.t, "counters at rest", func() bool {
		var err error
		r, err = report.Ask(w.t.Context(), s.control)
		return err == nil && r.Read == r.Delivered && r.Seen == report.Sum(r.Dropped)+r.RingFull+r.Delivered
	})
	return r
}

// unseen is how many frames the tap's interface has taken and sent by the kernel's own count, beyond those that tap25 has
// seen with --inline.
func (w *wire) unseen(s *sniffing) (n int64) {
	passed := func() int64 {
		return w.counted(w.tap, "tap0", "rx_packets") + w.counted(w.tap, "tap0", "tx_packets")
	}
	await(w.t, "a moment without frames", func() bool {
		at := passed()
		r, err := report.Ask(w.t.Context(), s.control)
		n = at - r.Seen
		return err == nil && passed() == at
	})
	return n
}

// counted is one of the kernel's counters of an interface.
func (w *wire) counted(ns, link, counter string) int64 {
	w.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", ns, "cat", "/sys/class/net/"+link+"/statistics/"+counter).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// rowsOfDatabase gives the rows as replay --json would.
func rowsOfDatabase(t testing.TB) (rows []map[string]any) {
	t.Helper()
	var out, diag bytes.Buffer
	args := []string{"db", "psql", "--", "-Atc",
		"select to_jsonb(m) || jsonb_build_object('session_id', session_id::text) from mail m"}
	if status := run(t.Context(), args, nil, &out, &diag); status != statusDone {
		t.Fatalf("psql: status %d: %s", status, diag.String())
	}
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}
