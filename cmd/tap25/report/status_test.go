package report

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestReport_WatchedOnATerminalIsDrawnOverTheLast(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	before, now := &Report{Started: start, At: start, Seen: 100, Store: &Store{}},
		&Report{Started: start, At: start.Add(2 * time.Second), Seen: 300, Store: &Store{},
			Degraded: []string{"full rings lost 2 of 300 frames"}}
	var plain, drawn strings.Builder
	if err := errors.Join(now.show(&plain, before, nil), now.show(&drawn, before, trend{})); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`frames seen +300 +100/s\n`).MatchString(plain.String()) ||
		!strings.Contains(plain.String(), "\ndegraded: full rings lost 2 of 300 frames\n") {
		t.Error(plain.String())
	}
	over := drawn.String()
	if !strings.HasPrefix(over, "\x1b[H") || !strings.HasSuffix(over, "\x1b[J") ||
		strings.Count(over, "\x1b[K\n") != strings.Count(plain.String(), "\n") {
		t.Errorf("%q", over)
	}
}

// TestReport_ShowsSharesBarsAndATrend looks at three reports of a tap that begins to lose.
func TestReport_ShowsSharesBarsAndATrend(t *testing.T) {
	past, before := trend{}, &Report{}
	var lines string
	for i, seen := range []int64{1_000_000, 1_500_000, 3_500_000} {
		now := &Report{At: time.Unix(int64(i), 0), Seen: seen, Delivered: seen - int64(i)*500, RingFull: int64(i) * 500}
		before.At = now.At.Add(-time.Second)
		var shown strings.Builder
		if err := now.write(&shown, before, past); err != nil {
			t.Fatal(err)
		}
		before, lines = now, shown.String()
	}
	for _, want := range []string{
		`frames seen  3,500,000  2,000,000/s {2,}▅▃█`,
		`\+ ring full      1,000        500/s  0\.03 %  █·········   ██`,
		`\+ delivered  3,499,000  1,999,500/s   100 %  ██████████  ▅▂█`,
		`= read          0          0/s     0 %  ··········`,
	} {
		if !regexp.MustCompile(`(?m)^ *` + want + `$`).MatchString(lines) {
			t.Errorf("no %s in\n%s", want, lines)
		}
	}
	for range 100 {
		past.columns("frames seen", 1, 0, 0)
	}
	if n := len(past["frames seen"]); n != mostTrend {
		t.Errorf("the past has %d rates", n)
	}
}

func TestFit_ShowsWhatMattersMost(t *testing.T) {
	const all = "tap25 sniff, running\ndegraded: rings\n frames seen  10   0/s\n   ring full   0   0/s     0 %  ····\n" +
		"      loaded  10  10/s  100 %  ████\n     waiting   0   0/s\n"
	for _, c := range []struct {
		columns, rows int
		want          string
	}{
		{0, 0, all},
		{80, 7, all},
		{20, 6, "tap25 sniff, running\ndegraded: rings\n frames seen  10   …\n      loaded  10  1…\n"},
		{36, 5, "tap25 sniff, running\ndegraded: rings\n frames seen  10   0/s\n      loaded  10  10/s  100 %  ████\n"},
		{80, 4, "tap25 sniff, running\ndegraded: rings\n(2 more lines need a higher window)\n"},
		{8, 3, "tap25 s…\n(3 more…\n"},
	} {
		if got := fit(all, c.columns, c.rows); got != c.want {
			t.Errorf("%d columns, %d rows:\n%s\nwant\n%s", c.columns, c.rows, got, c.want)
		}
	}
}

func TestReport_SaysWhatRoomThereIs(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &Report{At: now, Clock: &Clock{}, Store: &Store{SpoolBytes: 3 << 20, SpoolLimit: 10 << 30, Age: 2 * time.Minute,
		SpoolDisk: &Disk{Free: 5 << 30}, DatabaseBytes: 7 << 30, LastLoad: now.Add(-90 * time.Second), Retention: "24mo",
		Forecast: &Forecast{Growth: new(int64(3 << 20)), Full: now}}}
	var shown strings.Builder
	r.writeState(&shown)
	_, state, _ := strings.Cut(shown.String(), "\n")
	if want := "the clock is not synchronized: the times of rows may be wrong\n" +
		"spool: 3.0 MiB of 10.0 GiB, the oldest rows wait for 2 min, 5.0 GiB of the disk are free\n" +
		"database: 7.0 GiB, last load 1 min ago\n" +
		"growth: 3.0 MiB a day; a disk is full on 2027-01-15\nretention: 24mo\n"; state != want {
		t.Errorf("%s\nwant\n%s", state, want)
	}
}

// unopened is a report of frames in a tunnel that is not read, some of which the kernel dropped.
func unopened() *Report {
	r := &Report{}
	r.SetUnopened(
		[]Unopened{{"udp port 4341", 3}, {"ethertype 0x88f7", 20}},
		[]Unopened{{"udp port 4341", 40}})
	return r
}

func TestReport_NamesWhatIsNotRead(t *testing.T) {
	var summary, status strings.Builder
	r := unopened()
	r.Summary(&summary)
	if err := r.write(&status, &Report{}, nil); err != nil {
		t.Fatal(err)
	}
	const list = "udp port 4341: 43, ethertype 0x88f7: 20\n"
	if !strings.Contains(summary.String(), "unopened  "+list) {
		t.Error(summary.String())
	}
	if !strings.HasSuffix(status.String(), "frames that may hold tunnels which tap25 does not read: "+list) {
		t.Error(status.String())
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(Collector(unopened))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "tap25_frames_unopened" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if want := map[string]float64{"udp_port_4341": 43, "ethertype_0x88f7": 20}; !maps.Equal(got, want) {
		t.Errorf("metrics %v, want %v", got, want)
	}
}

func TestReport_NamesSixteenKindsAtMost(t *testing.T) {
	var lists [][]Unopened
	for n := range 3 {
		var c []Unopened
		for i := range 500 {
			c = append(c, Unopened{fmt.Sprint("udp port ", 1000+i), int64(n * i)})
		}
		lists = append(lists, c)
	}
	r := &Report{}
	r.SetUnopened(lists...)
	if len(r.Unopened) != 16 || r.Unopened[0] != (Unopened{"udp port 1499", 3 * 499}) {
		t.Errorf("%v", r.Unopened)
	}
}
