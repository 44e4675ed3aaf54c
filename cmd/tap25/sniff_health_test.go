package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tap25/capture/capturetest"
	"tap25/cmd/tap25/report"
	"tap25/store/cluster"
)

const metricsAddress = "127.0.0.1:9425"

// transport connects in the tap's namespace.
func (w *wire) transport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = w.in(w.tap, func() (err error) {
				c, err = (&net.Dialer{}).DialContext(ctx, network, address)
				return err
			})
			return c, err
		}}
}

// get asks a sniff that serves at metricsAddress in the tap's namespace.
func (w *wire) get(path string) (status int, body string) {
	w.t.Helper()
	client := &http.Client{Transport: w.transport()}
	r, err := client.Get("http://" + metricsAddress + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// TestSniff_ReadyWhileTheSpoolHasRoom stops the database, fills the spool, and starts the database again.
func TestSniff_ReadyWhileTheSpoolHasRoom(t *testing.T) {
	w := newWire(t)
	dir := stateHome(t)
	cluster, err := cluster.New(filepath.Join(dir, "tap25"))
	if err != nil {
		t.Fatal(err)
	}
	asked(t, "db", "up")
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	m := w.serve()
	s := w.sniff("--db", cluster.DSN(), "--metrics", metricsAddress, "--spool-age", "15s", "--retention", "never")
	want := func(when string, live, ready int) {
		t.Helper()
		if status, body := w.get("/livez"); status != live {
			t.Errorf("%s: livez %d %s", when, status, body)
		}
		if status, body := w.get("/readyz"); status != ready {
			t.Errorf("%s: readyz %d %s", when, status, body)
		}
	}
	loaded := func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && rowsLoaded(r) == int64(len(m.taken))
	}
	if err := w.send("192.0.2.25:25", "one", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "rows to be loaded", loaded)
	want("at first", 200, 200)
	asked(t, "db", "down")
	if err := w.send("192.0.2.25:25", "two", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "the database to be missed", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Store.Away && r.Store.Waiting >= 2
	})
	want("without a database", 200, 200)
	awaitFor(t, time.Minute, "the spool to be full", func() bool { // its oldest rows wait for too long
		if err := w.send("192.0.2.25:25", "more", 1); err != nil {
			t.Fatal(err)
		}
		status, body := w.get("/readyz")
		return status == 503 && body == "the spool is full: rows wait in memory\n"
	})
	want("with a full spool", 200, 503)
	asked(t, "db", "up")
	awaitFor(t, 2*time.Minute, "all rows to be loaded", loaded) // the loader pauses up to 30 s between attempts
	await(t, "it to be ready", func() bool { status, _ := w.get("/readyz"); return status == 200 })
	s.atRest(len(m.taken))
	s.end(syscall.SIGTERM)
}

// TestSniff_EndsInOrderWithoutADatabase ends one whose rows wait; the next one loads them.
func TestSniff_EndsInOrderWithoutADatabase(t *testing.T) {
	w := newWire(t)
	dir := stateHome(t)
	cluster, err := cluster.New(filepath.Join(dir, "tap25"))
	if err != nil {
		t.Fatal(err)
	}
	m := w.serve()
	s := w.sniff("--db", cluster.DSN())
	if err := w.send("192.0.2.25:25", "m", 3); err != nil {
		t.Fatal(err)
	}
	s.atRest(len(m.taken))
	s.end(syscall.SIGTERM)
	if said := s.diag.String(); !strings.Contains(said,
		"ended while rows wait in the spool; the next start loads them") || !strings.Contains(said,
		"database  0 rows and records loaded (waiting 8)") || !strings.Contains(said,
		"8 rows and records of coverage wait in ") {
		t.Error(said)
	}
	asked(t, "db", "up")
	t.Cleanup(func() { run(context.Background(), []string{"db", "down"}, nil, io.Discard, io.Discard) })
	s = w.sniff("--db", cluster.DSN())
	await(t, "the rows of the run before", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && r.Store.Found == 8 && rowsLoaded(r) == 8
	})
	s.end(syscall.SIGTERM)
}

// notifications listens where systemd would.
func notifications(t testing.TB) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return path, func() string { // "" where none waits for two seconds
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			return ""
		}
		return string(b[:n])
	}
}

func TestSniff_TellsSystemd(t *testing.T) {
	w := newWire(t)
	path, next := notifications(t)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "300000")
	s := w.sniff()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := next(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until := func(want string) {
		t.Helper()
		for got := next(); !regexp.MustCompile("^" + want + "$").MatchString(got); got = next() {
			if got != "WATCHDOG=1" {
				t.Fatalf("%q, want %s", got, want)
			}
		}
	}
	until(`RELOADING=1\nMONOTONIC_USEC=[0-9]+`) // as Type=notify-reload wants it
	until("READY=1")
	s.end(syscall.SIGTERM)
	until("STOPPING=1")
}

// TestSniff_WatchdogStopsWithAWorker has the one worker hang: what tells systemd of progress ends.
func TestSniff_WatchdogStopsWithAWorker(t *testing.T) {
	w := newWire(t)
	w.serve()
	path, next := notifications(t)
	s := w.hung("NOTIFY_SOCKET="+path, "WATCHDOG_USEC=300000")
	for end := time.Now().Add(40 * time.Second); !strings.Contains(s.diag.String(), "a worker makes no progress"); {
		if time.Now().After(end) {
			t.Fatal("nobody noticed")
		}
		if got := next(); got != "READY=1" && got != "WATCHDOG=1" && got != "" {
			t.Errorf("%q", got)
		}
	}
	for got := next(); got != ""; got = next() { // what was sent before
	}
	if said := strings.Count(s.diag.String(), "a worker makes no progress"); said < 2 {
		t.Errorf("said %d times", said) // each in the place of a notification
	}
	for path, want := range map[string]int{"/livez": 503, "/readyz": 503, "/metrics": 200} {
		if status, body := w.get(path); status != want || want == 503 && body != "a worker makes no progress\n" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// loads is how many loads have succeeded.
func loads(r *report.Report) (n int64) {
	for _, k := range r.Store.Loads.Each {
		n += k
	}
	return n
}

func TestSniff_MetricsAreSoundAndThoseOfTheReport(t *testing.T) {
	w := newWire(t)
	stateHome(t)
	m := w.serve()
	s := w.sniff("--db", "local", "--metrics", metricsAddress, "--retention", "never", "--workers", "1")
	if err := w.send("192.0.2.25:25", "m", 3); err != nil {
		t.Fatal(err)
	}
	await(t, "rows to be loaded", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && rowsLoaded(r) == int64(len(m.taken)) && r.Store.DatabaseBytes > 0
	})
	var r *report.Report
	var text string
	await(t, "a moment in which no frame comes, as ARP does when it likes", func() bool {
		r = s.atRest(len(m.taken))
		_, text = w.get("/metrics")
		later, err := report.Ask(t.Context(), s.control)
		return err == nil && later.Seen == r.Seen
	})
	promtool(t, text, "check", "metrics")
	if !r.LastMail.After(r.Started) || !r.Store.LastLoad.After(r.LastMail.Add(-time.Minute)) ||
		r.Store.DatabaseBytes == 0 || r.Store.SpoolDisk.Free <= 0 || r.Store.SpoolBytes == 0 || r.Store.Retention != "never" {
		t.Errorf("%+v: %+v", r.LastMail, r.Store)
	}
	for name, want := range map[string]int64{
		`frames_seen_total{interface="tap0"}`: r.Seen, `frames_ring_full_total{interface="tap0",worker="0"}`: 0,
		`frames_delivered_total{interface="tap0",worker="0"}`: r.Delivered, "degraded": 0,
		"sessions_total": 3, `mails_total{outcome="accepted"}`: 3,
		`rows_total{outcome="accepted"}`: 6, "coverage_records_total": r.Store.Coverage,
		"rows_spooled_total": 6 + r.Store.Coverage, "rows_loaded_total": 6 + r.Store.Coverage, "rows_waiting": 0,
		"rows_in_memory":                       0,
		`payload_bytes_total{fate="in_order"}`: r.Payload["in order"], "payload_held_bytes": 0,
		`ring_capacity_bytes{worker="0"}`: 32 << 20, `ring_used_bytes{worker="0"}`: 0,
		`interface_frames_read_total{interface="tap0"}`: r.Read, `interface_read_bytes_total{interface="tap0"}`: r.Octets,
		"spool_bytes": r.Store.SpoolBytes, "spool_limit_bytes": 10 << 30, "spool_oldest_waiting_seconds": 0,
		"spool_disk_size_bytes": r.Store.SpoolDisk.Size, "database_disk_size_bytes": r.Store.DatabaseDisk.Size,
		"last_load_timestamp_seconds": r.Store.LastLoad.Unix(), "last_mail_timestamp_seconds": r.LastMail.Unix(),
		`load_duration_seconds_bucket{le="+Inf"}`: loads(r),
		"clock_synchronized":                      map[bool]int64{true: 1}[r.Clock.Synchronized],
		"database_away":                           0, "live": 1, "ready": 1,
		`interface_up{interface="tap0"}`: 1, `segments_total{direction="to_servers"}`: r.ToServers,
		`segments_total{direction="from_servers"}`: r.FromServers,
	} {
		if got := regexp.MustCompile(`(?m)^tap25_` + regexp.QuoteMeta(name) + ` (\S+)$`).
			FindStringSubmatch(text); got == nil {
			t.Errorf("there is no %s", name)
		} else if n, err := strconv.ParseFloat(got[1], 64); err != nil || int64(n) != want {
			t.Errorf("%s is %s, want %d", name, got[1], want)
		}
	}
	for _, word := range []string{"192.0.2", "2001:db8", "a.example"} {
		if strings.Contains(text, word) {
			t.Errorf("%s stands in the metrics", word)
		}
	}
	s.end(os.Interrupt)
}

// TestStatus_ShowsWhatAddsUp looks at what a person sees, and at --json and --watch.
func TestStatus_ShowsWhatAddsUp(t *testing.T) {
	w := newWire(t)
	m := w.serve()
	s := w.sniff()
	if err := w.send("192.0.2.25:25", "m", 2); err != nil {
		t.Fatal(err)
	}
	r := s.atRest(len(m.taken))
	shown := asked(t, "status", "--control", s.control, "--interval", "50ms")
	number := func(name string) (n int64) {
		t.Helper()
		m := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(name) + ` +([\d,]+) +[\d,]+/s( .*)?$`).FindStringSubmatch(shown)
		if m == nil {
			t.Fatalf("no %s in:\n%s", name, shown)
		}
		n, _ = strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
		return n
	}
	if number("frames seen") != number("= dropped by design")+number("+ ring full")+number("+ delivered") ||
		number("+ delivered") != number("= read")+number("+ waiting in rings") || number("rows") != 4 ||
		number("= read") != r.Read {
		t.Errorf("it does not add up:\n%s", shown)
	}
	if !strings.Contains(shown, "interface tap0: native XDP, up") {
		t.Error(shown)
	}
	if as := asked(t, "status", "--control", s.control, "--json"); !strings.Contains(as,
		fmt.Sprintf("\"read\": %d,", r.Read)) {
		t.Error(as)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out capturetest.Buffer
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"status", "--control", s.control, "--watch", "--interval", "20ms", "--json"}, nil,
			&out, io.Discard)
	}()
	await(t, "three looks", func() bool { return strings.Count(out.String(), "\n") >= 3 })
	cancel()
	if status := <-ended; status != statusDone {
		t.Errorf("status %d", status)
	}
	s.end(os.Interrupt)
	var diag capturetest.Buffer
	if status := run(t.Context(), []string{"status", "--control", s.control}, nil, io.Discard,
		&diag); status != statusFailed || !strings.Contains(diag.String(), "no tap25 sniff runs here") {
		t.Errorf("without a sniff: %d %s", status, diag.String())
	}
}

func TestSniff_WarnsOfMetricsThatOtherHostsReach(t *testing.T) {
	w := newWire(t)
	for address, warns := range map[string]bool{metricsAddress: false, "0.0.0.0:9425": true} {
		s := w.sniff("--metrics", address, "--metrics-host", "tap.example")
		await(t, "an answer at "+address, func() bool { status, _ := w.get("/livez"); return status == 200 })
		s.end(os.Interrupt)
		if strings.Contains(s.diag.String(), "in the clear and without a password") != warns {
			t.Errorf("%s: %s", address, s.diag.String())
		}
	}
}
