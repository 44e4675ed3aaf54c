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
	if err := errors.Join(now.show(&plain, before, false), now.show(&drawn, before, true)); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`frames seen +300 +100/s\n`).MatchString(plain.String()) ||
		!strings.Contains(plain.String(), "\ndegraded: full rings lost 2 of 300 frames\n") {
		t.Error(plain.String())
	}
	if !strings.HasPrefix(drawn.String(), "\x1b[H") || !strings.HasSuffix(drawn.String(), "\x1b[J") ||
		strings.ReplaceAll(drawn.String()[3:len(drawn.String())-3], "\x1b[K", "") != plain.String() {
		t.Errorf("%q", drawn.String())
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
	if err := r.write(&status, &Report{}); err != nil {
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
