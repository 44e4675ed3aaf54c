package sniff

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"tap25/cmd/tap25/report"
	"tap25/store/stream"
)

// httpHandler serves the page, /metrics, /livez and /readyz.
func (t *tap) httpHandler(l *boundedListener) http.Handler {
	registry := prometheus.NewRegistry()
	evicted := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tap25_http_connections_evicted_total",
		Help: "HTTP connections that were closed to make room for others."}, func() float64 {
		return float64(l.evicted.Load())
	})
	registry.MustRegister(report.Collector(t.report), evicted, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	t.page.Register(mux)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: mostAnswered}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { verdict(w, t.notLive(time.Now())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		complaints := append(t.notLive(time.Now()), t.notReady()...)
		if len(complaints) == 0 && r.URL.Query().Has("verbose") {
			if notes := t.degraded(t.out.report()); len(notes) > 0 {
				fmt.Fprintf(w, "degraded\n%s\n", strings.Join(notes, "\n"))
				return
			}
		}
		verdict(w, complaints)
	})
	return mux
}

// verdict answers 200 if there are no complaints, else 503 with the complaints.
func verdict(w http.ResponseWriter, complaints []string) {
	if len(complaints) > 0 {
		http.Error(w, strings.Join(complaints, "\n"), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// serveHTTP serves until ctx ends.
func (t *tap) serveHTTP(ctx context.Context, w *web) {
	if err := w.serve(ctx, w.server(t.httpHandler(w.listener),
		log.New(&httpComplaints{log: *t.log}, "", 0))); err != nil {
		t.log.Error().Err(err).Msg("the HTTP server has failed: metrics are not served any more")
	}
}

// httpComplaints logs that the HTTP server reports an error, at most once a minute. It leaves out the text of the
// error, which may hold addresses of clients.
type httpComplaints struct {
	log  zerolog.Logger
	said stream.Alarm
}

// Write implements io.Writer.
func (c *httpComplaints) Write(p []byte) (int, error) {
	if c.said.Rings(true) {
		what := "cannot answer a request"
		if strings.Contains(string(p), "Accept error") {
			what = "cannot accept connections: check the limit of open files"
		}
		c.log.Error().Msg("metrics: " + what)
	}
	return len(p), nil
}
