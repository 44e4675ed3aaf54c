package page

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/cmd/tap25/report"
)

func TestJudge_SaysWhatIsWrong(t *testing.T) {
	before := sampleOf(quiet(1000))
	for _, c := range []struct {
		name   string
		change func(*report.Report)
		state  state
		why    string
	}{
		{"all is well", func(*report.Report) {}, recording, ""},
		{"losses of before do not count", func(r *report.Report) { r.RingFull = 7 }, recording, ""},
		{"a ring is full", func(r *report.Report) { r.RingFull = 7 + 3000; r.Delivered = before.delivered + 7000 }, degraded,
			"3,000 frames were lost in the last 5 min because a ring was full: 30 % of mail traffic."},
		{"the spool is full", func(r *report.Report) {
			r.NotReady, r.Store.Refusal = []string{"it is not ready"}, "the spool is full: rows are lost"
		}, stopped, "The spool is full: rows are lost."},
		{"rows were lost", func(r *report.Report) { r.Store.Lost = 12 }, degraded,
			"12 rows were lost in the last 5 min because the spool was full."},
		{"no database", func(r *report.Report) { r.Store.Away, r.Store.Waiting = true, 1234 }, degraded,
			"The database does not answer: 1,234 rows wait in the spool, which keeps them."},
		{"slow loads", func(r *report.Report) { r.Store.Age = 7 * time.Minute }, degraded,
			"Rows have waited for 7 min to be loaded."},
		{"the spool fills", func(r *report.Report) { r.Store.SpoolBytes = 6 << 30 }, degraded, "The spool is 60 % full."},
		{"the spool fills its disk", func(r *report.Report) {
			r.Store.SpoolBytes, r.Store.SpoolDisk = 3<<20, &report.Disk{Free: 1 << 20, Size: 5 << 20}
		}, degraded, "The spool is 75 % full."},
		{"the clock", func(r *report.Report) { r.Clock.Synchronized = false }, degraded,
			"The clock is not synchronized: the times of rows may be wrong."},
		{"the clock is not known", func(r *report.Report) { r.Clock = nil }, recording, ""},
		{"one interface", func(r *report.Report) {
			r.Interfaces[0].Up, r.NotReady = false, []string{"interface eth1 is down"}
		}, degraded, "Interface eth1 is down."},
		{"no interface", func(r *report.Report) {
			r.Interfaces[0].Away, r.Interfaces[1].Up = true, false
			r.NotReady = []string{"interface eth1 is gone", "interface eth2 is down"}
		}, stopped, "Interface eth1 is gone. Interface eth2 is down."},
		{"what the tap says of itself", func(r *report.Report) { r.Degraded = []string{"it is degraded"} }, degraded,
			"It is degraded."},
		{"a worker hangs", func(r *report.Report) { r.NotLive = []string{"a worker makes no progress"} }, stopped,
			"A worker makes no progress."},
		{"standard output", func(r *report.Report) { r.Store = nil }, recording, ""},
	} {
		r := quiet(1300)
		b := before
		b.ringFull, r.RingFull = 7, 7
		c.change(r)
		if s, why := judge(r, b); s != c.state || strings.Join(why, " ") != c.why {
			t.Errorf("%s: %s, %q", c.name, s, why)
		}
	}
}

func TestHistory_IsBoundedAndTellsRates(t *testing.T) {
	var h history
	const days = 3 * 86400
	for s := int64(0); s <= days; s += 5 {
		h.add(sampleOf(quiet(s)))
	}
	now := sampleOf(quiet(days))
	if len(h.hour) != 720 || len(h.day) != 720 || now.at.Sub(h.hour[0].at) != 719*5*time.Second ||
		now.at.Sub(h.day[0].at) != 719*2*time.Minute {
		t.Errorf("%d and %d samples, the oldest of %s and %s", len(h.hour), len(h.day), h.hour[0].at, h.day[0].at)
	}
	if b := h.before(now, time.Minute); now.at.Sub(b.at) != time.Minute {
		t.Errorf("a minute ago is %s", now.at.Sub(b.at))
	}
	if b := h.before(now, 2*time.Hour); b.at != h.hour[0].at {
		t.Errorf("two hours ago is %s, want the oldest", b.at)
	}
	if b := (&history{}).before(now, time.Minute); b != now {
		t.Errorf("without a past, a minute ago is %+v", b)
	}
	h.add(sampleOf(quiet(10))) // the clock was set back
	if len(h.hour) != 1 || len(h.day) != 1 {
		t.Errorf("after the clock was set back: %d and %d samples", len(h.hour), len(h.day))
	}
}

func TestView_SaysWhenADiskIsFull(t *testing.T) {
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		forecast *report.Forecast
		want     string
		loud     bool
	}{
		{nil, "not known yet", false}, {&report.Forecast{}, "not within ten years", false},
		{&report.Forecast{Full: now.AddDate(0, 0, 100)}, "on 11 May 2027", false},
		{&report.Forecast{Full: now.AddDate(0, 0, 1)}, "on 1 February 2027", true},
		{&report.Forecast{Full: now.Add(8 * time.Hour)}, "in 8 h 0 min", true},
	} {
		v := &view{Texts: map[string]string{}, Loud: map[string]bool{}}
		v.full(now, c.forecast)
		if v.Texts["full"] != c.want || v.Loud["full"] != c.loud {
			t.Errorf("%+v: %q, loud %t", c.forecast, v.Texts["full"], v.Loud["full"])
		}
	}
}

func TestView_SaysWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		change        func(*report.Report)
		verdict, lost string
	}{
		{func(*report.Report) {}, "Mail is being recorded. Nothing is being lost.", "Nothing was lost since the start."},
		{func(r *report.Report) { r.LostBytes = 2048 }, "Mail is being recorded. Some of it does not reach tap25.",
			"Lost since the start: 2.0 KiB of sessions."},
		{func(r *report.Report) { r.RingFull, r.LostBytes, r.Store.Lost, r.Store.Damaged = 3000, 1024, 4, 5 },
			"Mail is being recorded, and some is being lost.",
			"Lost since the start: 3,000 frames, 1.0 KiB of sessions, 9 rows."},
	} {
		past := &history{}
		past.add(sampleOf(quiet(1000)))
		r := quiet(1300)
		c.change(r)
		texts := viewOf(r, past).Texts
		if texts["verdict"] != c.verdict || texts["last"] != "The last mail passed 1 s ago. "+c.lost {
			t.Errorf("%q, %q", texts["verdict"], texts["last"])
		}
	}
}

func TestPage_SendsItsPolicyAndNothingFromElsewhere(t *testing.T) {
	_, url := serve(t, troubled)
	client := http.Client{}
	get := func(path, tag string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-None-Match", tag)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var body strings.Builder
		if err := answer.Write(&body); err != nil {
			t.Fatal(err)
		}
		return answer, body.String()
	}
	for _, path := range []string{"/", "/state.json", "/curves.json", "/page.js", "/page.css", "/uPlot.iife.min.js",
		"/uPlot.min.css", "/icon.svg"} {
		r, _ := get(path, "")
		if h := r.Header; r.StatusCode != 200 || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %s %v", path, r.Status, h)
		}
		if tag := r.Header.Get("ETag"); tag != "" {
			if again, _ := get(path, tag); again.StatusCode != 304 {
				t.Errorf("%s again: %s", path, again.Status)
			}
		}
	}
	for _, path := range []string{"/index.html", "/files/page.js", "/uPlot.LICENSE", "/favicon.ico", "/x"} {
		if r, _ := get(path, ""); r.StatusCode != 404 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// TestPage_AsksOnceForManyRequests counts reports, not time: those of a second are one.
func TestPage_AsksOnceForManyRequests(t *testing.T) {
	asked := 0
	p := New(func() *report.Report { asked++; return quiet(1000) })
	mux := http.NewServeMux()
	p.Register(mux)
	begun := time.Now()
	for range 50 {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/state.json", nil))
	}
	if most := 1 + int(time.Since(begun)/freshFor); asked > most {
		t.Errorf("%d reports for 50 requests, want %d at most", asked, most)
	}
}

func TestView_EscapesNames(t *testing.T) {
	r := quiet(1000)
	r.Sensor = `<script>alert(1)</script>"`
	r.NotReady = []string{"interface <b> is down"}
	p := New(func() *report.Report { return r })
	answer := httptest.NewRecorder()
	p.serveHTML(answer, nil)
	body := answer.Body.String()
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "<b>") ||
		!strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Error(body)
	}
	if len(slices.Collect(strings.SplitSeq(body, "\n"))) < 50 {
		t.Error("the page is short")
	}
}

// A tap that has run for less than a minute has no more in its last minute than since its start.
func TestPerMinute_IsWhatCame(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond: "–", 14 * time.Second: "730", time.Minute: "730", 2 * time.Minute: "365",
	} {
		if got := perMinute(730, d); got != want {
			t.Errorf("730 in %s: %s, want %s", d, got, want)
		}
	}
}
