package main

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tap25/cmd/tap25/page/browsertest"
	"tap25/cmd/tap25/report"
	"tap25/store/numeral"
)

// sumOf adds the values of a metric up, over all labels that are not given.
func sumOf(t testing.TB, metrics, name string) (sum int64) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^tap25_`+regexp.QuoteMeta(name)+`(?:\{[^}]*\})? (\S+)$`).
		FindAllStringSubmatch(metrics, -1)
	if found == nil {
		t.Errorf("there is no %s", name)
	}
	for _, m := range found {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Error(err)
		}
		sum += int64(v)
	}
	return sum
}

// TestSniff_PageShowsWhatTheMetricsDo looks at the page of a live tap in a browser, which reaches it by a proxy.
func TestSniff_PageShowsWhatTheMetricsDo(t *testing.T) {
	b := browsertest.Open(t)
	w := newWire(t)
	stateHome(t)
	m := w.serve()
	s := w.sniff("--db", "local", "--metrics", metricsAddress, "--retention", "never")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: metricsAddress})
	proxy.Transport = w.transport()
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	if err := w.send("192.0.2.25:25", "m", 30); err != nil {
		t.Fatal(err)
	}
	if err := w.noise(1200); err != nil { // more than a thousand frames, for the commas
		t.Fatal(err)
	}
	await(t, "rows to be loaded", func() bool {
		r, err := report.Ask(t.Context(), s.control)
		return err == nil && rowsLoaded(r) == int64(len(m.taken))
	})
	b.Screen(1280, 720, "light", true)
	var shown map[string]string
	var metrics string
	await(t, "a moment in which no frame comes", func() bool {
		_, before := w.get("/metrics")
		b.Visit(server.URL)
		shown = browsertest.Eval[map[string]string](b,
			`Object.fromEntries([...document.querySelectorAll('span[id]')].map(e => [e.id, e.textContent]))`)
		_, metrics = w.get("/metrics")
		return sumOf(t, before, "frames_seen_total") == sumOf(t, metrics, "frames_seen_total") &&
			shown["seen-total"] == numeral.Grouped(sumOf(t, metrics, "frames_seen_total"))
	})
	for id, metric := range map[string]string{
		"seen-total": "frames_seen_total", "other-total": "frames_dropped_total", "ring-total": "frames_delivered_total",
		"ring-lost": "frames_ring_full_total", "decoded-total": "frames_read_total", "sessions-total": "sessions_total",
		"rows-total": "rows_total", "spool-total": "rows_spooled_total", "spool-lost": "rows_lost_total",
		"database-total": "rows_loaded_total", "accepted-total": `rows_total{outcome="accepted"}`,
	} {
		if want := numeral.Grouped(sumOf(t, metrics, metric)); shown[id] != want {
			t.Errorf("%s shows %q, and %s is %s", id, shown[id], metric, want)
		}
	}
	if n := sumOf(t, metrics, "rows_total"); n != int64(len(m.taken)) || sumOf(t, metrics, "mails_total") != 30 {
		t.Errorf("%d rows of %d", n, len(m.taken))
	}
	if !strings.Contains(shown["rows-note"], "30 mails") ||
		shown["seen-note"] != "tap0 up" || shown["full"] != "not known yet" {
		t.Errorf("the page shows %q", shown)
	}
	b.Clean(strings.TrimPrefix(server.URL, "http://"))
	s.end(os.Interrupt)
}
