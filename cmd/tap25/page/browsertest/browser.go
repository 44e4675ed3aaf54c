// Package browsertest looks at pages in headless Chromium, as tests do.
package browsertest

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // axe-core
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"tap25/capture/capturetest"
)

//go:embed axe-core/axe.min.js.gz
var axeCore []byte // 4.14.1, MPL-2.0, from the npm registry

// most is how long a test may take in the browser, and how long the browser may take to start, on a busy machine.
const most = 5 * time.Minute

// Browser is a tab of a browser of its own. It notes what a page must not do.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	wrong  []string // errors on the console
	hosts  map[string]bool
	loaded int // requests
}

// Open starts a browser. A machine without one skips the test.
func Open(t testing.TB) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		capturetest.Missing(t, "chromium", "install it with 'make install-browser'")
	}
	ctx, cancel := context.WithTimeout(t.Context(), most)
	t.Cleanup(cancel)
	// root has no sandbox; the pages are ours
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(most))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Browser{t: t, ctx: ctx, hosts: map[string]bool{}}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	return b
}

func (b *Browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			b.wrong = append(b.wrong, fmt.Sprint(e.Type, " on the console"))
		}
	case *log.EventEntryAdded:
		b.wrong = append(b.wrong, e.Entry.Text+" "+e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil {
			b.hosts[u.Host] = true
			b.loaded++
		}
	}
}

// Do does something in the browser.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

func call[P, R any](b *Browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

// Screen sets the size of the window in pixels, the scheme of colours, light or dark, and whether scripts run.
func (b *Browser) Screen(width, height int64, scheme string, scripts bool) {
	b.t.Helper()
	b.Do(chromedp.EmulateViewport(width, height))
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Visit opens a page.
func (b *Browser) Visit(page string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(page))
}

// Eval returns the value of an expression of JavaScript, which may be a promise. It works on pages without scripts too.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	return value
}

// Await waits until an expression of JavaScript is true.
func (b *Browser) Await(expression string) {
	b.t.Helper()
	for !Eval[bool](b, expression) {
		time.Sleep(10 * time.Millisecond)
	}
}

// Screenshot writes what the window shows to a file in the directory that TAP25_TEST_SCREENSHOTS names, if it is set.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("TAP25_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Axe fails the test for each fault that axe-core finds in the page: contrast, names, roles, order.
func (b *Browser) Axe(what string) {
	b.t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(axeCore))
	if err != nil {
		b.t.Fatal(err)
	}
	script, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	Eval[int](b, string(script)+";0")
	found := Eval[string](b, `axe.run().then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(
		v => [v.id, v.help, ...v.nodes.map(n => n.html + ' ' + n.failureSummary)])}))`)
	var result struct {
		Passes     int
		Violations [][]string
	}
	if err := json.Unmarshal([]byte(found), &result); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range result.Violations {
		b.t.Errorf("%s: %q", what, v)
	}
	if result.Passes < 15 {
		b.t.Errorf("%s: axe-core has looked at %d rules only", what, result.Passes)
	}
}

// Clean fails the test if a page, since the last call, had an error on the console or asked another host than the one
// named.
func (b *Browser) Clean(host string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.wrong {
		b.t.Errorf("on the console: %s", text)
	}
	for h := range b.hosts {
		if !slices.Contains([]string{host, ""}, h) {
			b.t.Errorf("a request to %s", h)
		}
	}
	if b.loaded < 2 {
		b.t.Errorf("the page has made %d requests", b.loaded)
	}
	b.wrong, b.loaded = nil, 0
	clear(b.hosts)
}
