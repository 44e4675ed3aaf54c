package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"tap25/cmd/tap25/report"
)

//go:embed files
var files embed.FS

// policy lets the page load what the same listener serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// freshFor is how long one report answers all requests.
const freshFor = time.Second

// Page serves the page. Its methods may be called by any goroutine, Run once.
type Page struct {
	of   func() *report.Report
	html *template.Template

	mu     sync.Mutex
	past   history
	now    *report.Report
	asked  time.Time // when now was made, by the monotonic clock
	curves []byte    // of past, as JSON; nil: nobody has asked since the last sample
}

// New makes a page of reports, which of returns.
func New(of func() *report.Report) *Page {
	return &Page{of: of, html: template.Must(template.ParseFS(files, "files/index.html"))}
}

// Run keeps the past until ctx ends.
func (p *Page) Run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		p.sample()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Page) sample() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.asked = p.of(), time.Now()
	p.past.add(sampleOf(p.now))
	p.curves = nil
}

// view returns what to show, which is at most freshFor old.
func (p *Page) view() *view {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || time.Since(p.asked) > freshFor {
		p.now, p.asked = p.of(), time.Now()
	}
	return viewOf(p.now, &p.past)
}

// pasts returns the curves of the past. One sample's are made once, however many ask.
func (p *Page) pasts() (text []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.curves == nil {
		p.curves, err = json.Marshal(map[string]*curve{"hour": curveOf(p.past.hour), "day": curveOf(p.past.day)})
	}
	return p.curves, err
}

// Register adds the page, at /, and what it loads to a mux.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", secured(p.serveHTML))
	mux.HandleFunc("GET /state.json", secured(func(w http.ResponseWriter, _ *http.Request) {
		text, err := json.Marshal(p.view())
		answer(w, "application/json", text, err)
	}))
	mux.HandleFunc("GET /curves.json", secured(func(w http.ResponseWriter, _ *http.Request) {
		text, err := p.pasts()
		answer(w, "application/json", text, err)
	}))
	for name, kind := range map[string]string{"page.css": "text/css; charset=utf-8", "uPlot.min.css": "text/css",
		"page.js": "text/javascript; charset=utf-8", "uPlot.iife.min.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			panic(err) // it is in the binary
		}
		tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(text)))
		mux.HandleFunc("GET /"+name, secured(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-cache") // ask whether it has changed
			w.Header().Set("ETag", tag)
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
		}))
	}
}

func (p *Page) serveHTML(w http.ResponseWriter, _ *http.Request) {
	var text bytes.Buffer
	err := p.html.Execute(&text, p.view())
	answer(w, "text/html; charset=utf-8", text.Bytes(), err)
}

func answer(w http.ResponseWriter, kind string, text []byte, err error) {
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text)
}

// secured sets what browsers may do with an answer.
func secured(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		h(w, r)
	}
}
