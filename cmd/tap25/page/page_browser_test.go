package page

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tap25/cmd/tap25/page/browsertest"
	"tap25/cmd/tap25/report"
)

// quiet is a report of a tap that has run well for some seconds.
func quiet(seconds int64) *report.Report {
	frames := 1200*seconds + int64(9000*math.Sin(float64(seconds)/300))
	rows := frames / 40
	r := &report.Report{
		Version: "v0.1.0", Sensor: "tap1", Started: time.Unix(1_800_000_000, 0).UTC(),
		At:         time.Unix(1_800_000_000+seconds, 0).UTC(),
		Interfaces: []report.Interface{{Name: "eth1", Up: true, Native: true}, {Name: "eth2", Up: true, Native: true}},
		Seen:       31 * frames, Dropped: map[string]int64{"not_tcp": 10 * frames, "other_port": 20 * frames},
		Delivered: frames, Read: frames, Frames: map[string]int64{"tcp": frames}, Sessions: rows / 2, Rows: rows,
		Workers: []report.Worker{{Ring: report.Ring{Delivered: frames}, Read: frames, Capacity: 32 << 20},
			{Capacity: 32 << 20}},
		Outcomes: map[string]int64{"accepted": rows - 3*(rows/10), "deferred": rows / 10, "refused": rows / 10,
			"encrypted": rows / 10},
		Mails: map[string]int64{"accepted": rows / 2, "deferred": rows / 20, "refused": rows / 20},
		Clock: &report.Clock{Synchronized: true, EstimatedError: 412 * time.Microsecond},
		Store: &report.Store{
			Spooled: rows, Loaded: rows - 60, Waiting: 60, Age: 2 * time.Second, SpoolBytes: 52 << 20, SpoolLimit: 10 << 30,
			SpoolDisk: &report.Disk{Free: 400<<30 - rows*300, Size: 500 << 30}, DatabaseBytes: rows * 250,
			DatabaseDisk: &report.Disk{Free: 400<<30 - rows*300, Size: 500 << 30},
			Forecast:     &report.Forecast{Full: time.Unix(1_800_000_000, 0).AddDate(0, 0, 552)},
		},
	}
	r.LastMail, r.Store.LastLoad = r.At.Add(-time.Second), r.At.Add(-2*time.Second)
	return r
}

// troubled is a report of a tap that loses frames, waits for its database and has a clock that nothing keeps.
func troubled(seconds int64) *report.Report {
	r := quiet(seconds)
	lost := max(seconds-85000, 0) * 150
	r.RingFull, r.Seen, r.LostBytes = lost, r.Seen+lost, lost*700
	r.Clock.Synchronized = false
	r.Store.Away, r.Store.Waiting, r.Store.Age = true, max(seconds-85000, 0)*30, time.Duration(seconds-85000)*time.Second
	r.Unopened = []report.Unopened{{What: "udp port 4341", Frames: 39_204_117}, {What: "ip protocol 50", Frames: 1204}}
	return r
}

// dead is a report of a tap whose interfaces are gone.
func dead(seconds int64) *report.Report {
	r := quiet(seconds)
	r.Interfaces[0].Away, r.Interfaces[1].Up = true, false
	r.NotReady = []string{"interface eth1 is gone", "interface eth2 is down"}
	return r
}

// serve serves the page of a tap that has run for a day.
func serve(t *testing.T, of func(seconds int64) *report.Report) (p *Page, url string) {
	t.Helper()
	const day = 86400
	p = New(func() *report.Report { return of(day) })
	for s := int64(0); s <= day; s += int64(sampleEvery.Seconds()) {
		p.past.add(sampleOf(of(s)))
	}
	mux := http.NewServeMux()
	p.Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return p, server.URL
}

// settled is true once the curves are drawn.
const settled = `document.querySelectorAll('.u-over').length === 3`

func TestPage_IsCleanAndFitsItsScreens(t *testing.T) {
	b := browsertest.Open(t)
	taps := map[string]func(int64) *report.Report{"recording": quiet, "degraded": troubled, "stopped": dead}
	for name, of := range taps {
		_, url := serve(t, of)
		b.Visit("about:blank")
		for _, scheme := range []string{"light", "dark"} {
			b.Screen(1280, 720, scheme, true)
			b.Visit(url)
			b.Await(settled)
			b.Screenshot(name + "-" + scheme + "-1280")
			b.Axe(name + " " + scheme)
			if h := browsertest.Eval[int](b, "document.documentElement.scrollHeight"); h > 720 {
				t.Errorf("%s: %d pixels high", name, h)
			}
			if got := browsertest.Eval[string](b, "document.body.dataset.state"); got != name {
				t.Errorf("it says %s, want %s", got, name)
			}
			b.Screen(390, 844, scheme, true)
			b.Visit(url)
			b.Await(settled)
			b.Screenshot(name + "-" + scheme + "-390")
			b.Axe(name + " " + scheme + " on a phone")
			if w := browsertest.Eval[int](b, "document.documentElement.scrollWidth"); w > 390 {
				t.Errorf("%s: %d pixels wide", name, w)
			}
		}
		b.Clean(strings.TrimPrefix(url, "http://"))
	}
}

func TestPage_KeysReachAndMoveWhatAMouseDoes(t *testing.T) {
	_, url := serve(t, quiet)
	b := browsertest.Open(t)
	b.Screen(1280, 720, "light", true)
	b.Visit(url)
	b.Await(settled)
	press := func(key string) string {
		b.Do(chromedp.KeyEvent(key))
		return browsertest.Eval[string](b, "document.activeElement.id || document.activeElement.textContent")
	}
	for _, want := range []string{"hour", "day", "frames", "recipients", "waiting", "The last hour and day as tables",
		"metrics", "livez", "readyz"} {
		if got := press(kb.Tab); got != want {
			t.Errorf("Tab leads to %q, want %q", got, want)
		}
		if !browsertest.Eval[bool](b, "getComputedStyle(document.activeElement).outlineStyle === 'solid'") {
			t.Errorf("the focus on %s does not show", want)
		}
	}
	b.Do(chromedp.Focus(chromedp.ID("frames")))
	for _, want := range []string{"at 08:00", "at 07:59"} { // the last one, and the one before
		press(kb.ArrowLeft)
		got := browsertest.Eval[string](b, `document.querySelector('#frames-text').textContent`)
		if !strings.HasSuffix(got, want) {
			t.Errorf("the curve is read %q, want %q", got, want)
		}
	}
	b.Do(chromedp.Focus(chromedp.ID("day")))
	press(kb.Enter)
	b.Await(`document.querySelector('[aria-pressed=true]').id === 'day'`)
	b.Clean(strings.TrimPrefix(url, "http://"))
}

// texts are those of a page, by the names of their elements.
const texts = `Object.fromEntries([...document.querySelectorAll('span[id]')].map(e => [e.id, e.textContent]))`

func TestPage_IsTheSameWithoutScriptsAndRefreshesWithThem(t *testing.T) {
	b := browsertest.Open(t)
	b.Screen(1280, 720, "light", false)
	for name, of := range map[string]func(int64) *report.Report{"quiet": quiet, "troubled": troubled} {
		p, url := serve(t, of)
		b.Visit(url)
		b.Screenshot(name + "-plain")
		want := p.view().Texts
		got := browsertest.Eval[map[string]string](b, texts)
		for id, text := range want {
			if got[id] != text {
				t.Errorf("%s: %s is %q, want %q", name, id, got[id], text)
			}
		}
		if len(want) < 50 {
			t.Errorf("%d texts", len(want))
		}
		if rows := browsertest.Eval[int](b, `document.querySelectorAll('#tables tbody tr').length`); rows != 24 {
			t.Errorf("%d rows of the past, want 12 of five minutes and 12 of two hours", rows)
		}
		b.Visit("about:blank") // it would ask again
	}
	p, url := serve(t, quiet)
	b.Screen(1280, 720, "light", true)
	b.Visit(url)
	b.Await(settled)
	p.mu.Lock()
	p.of = func() *report.Report { return troubled(90000) }
	p.mu.Unlock()
	b.Await(`document.body.dataset.state === 'degraded' && document.getElementById('ring-lost').className === 'loud'`)
	want := viewOf(troubled(90000), &p.past)
	if got := browsertest.Eval[map[string]string](b, texts); got["seen-total"] != want.Texts["seen-total"] ||
		got["ring-lost"] != want.Texts["ring-lost"] {
		t.Errorf("after the refresh: %v", got)
	}
	got := browsertest.Eval[[]string](b, `[...document.querySelectorAll('#reasons li')].map(e => e.textContent)`)
	if !slices.Equal(got, want.Reasons) {
		t.Errorf("reasons %q, want %q", got, want.Reasons)
	}
}
