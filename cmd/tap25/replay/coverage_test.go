package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/capture"
	"tap25/store"
)

// coverFrames reads frames at these times, each of which counts as a row.
func coverFrames(times ...time.Time) (c *coverer) {
	var counts store.CoverageCounts
	c = &coverer{totals: func() store.CoverageCounts { return counts }}
	for _, at := range times {
		c.frame(&capture.Frame{Time: at, Data: []byte("frame"), Length: 5})
		counts.FramesSeen++
		counts.Rows++
	}
	return c
}

func TestCoverer_ARecordForEachDay(t *testing.T) {
	at := func(text string) time.Time {
		t, err := time.Parse("2006-01-02 15:04:05.000000", text)
		if err != nil {
			panic(err)
		}
		return t
	}
	c := coverFrames(at("2026-03-01 10:00:00.000000"), at("2026-03-01 09:59:59.000000"),
		at("2026-03-01 23:00:00.000000"), at("2026-03-02 01:00:00.000000"), at("2026-03-05 00:00:00.000000"), at("1969-12-31 23:59:59.000000"))
	c.end()
	c.frame(&capture.Frame{Time: at("2026-03-02 00:00:00.000000"), File: 1})
	c.end()
	c.end()
	var got []string
	for _, f := range c.take() {
		for _, d := range f.days {
			const form = "02T15:04:05.000000"
			got = append(got, fmt.Sprint(d.since.Format(form), " ", d.before.Format(form), " ", d.counts.Rows))
		}
	}
	want := []string{
		"31T23:59:59.000000 31T23:59:59.000001 1",
		"01T09:59:59.000000 02T00:00:00.000000 3", "02T00:00:00.000000 02T01:00:00.000001 1",
		"05T00:00:00.000000 05T00:00:00.000001 1", "02T00:00:00.000000 02T00:00:00.000001 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A capture of wild clocks gives a bounded number of records, and loses no count.
func TestCoverer_WildClocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var times []time.Time
	for range 20000 {
		times = append(times, time.Unix(r.Int64N(1<<33)-1<<31, r.Int64N(1e9)))
	}
	c := coverFrames(times...)
	c.end()
	files := c.take()
	sum := int64(0)
	for _, d := range files[0].days {
		sum += d.counts.FramesSeen
		if !d.since.Before(d.before) {
			t.Errorf("from %s to %s", d.since, d.before)
		}
	}
	if n := len(files[0].days); n != mostCovered || sum != int64(len(times)) {
		t.Errorf("%d records of %d frames", n, sum)
	}
}

// The digest is of the frames, not of how they are cut or named.
func TestCoverer_DigestIsOfTheFrames(t *testing.T) {
	digest := func(f capture.Frame) string {
		c := coverFrames()
		c.frame(&f)
		c.end()
		return c.take()[0].digest
	}
	at := time.Unix(1_700_000_000, 1)
	frame := capture.Frame{Time: at, Data: []byte(strings.Repeat("x", 200)), Length: 200}
	same := frame
	same.File, same.LinkType = 7, 1
	if digest(frame) != digest(same) {
		t.Error("the same frames differ")
	}
	for name, change := range map[string]func(*capture.Frame){
		"time":   func(f *capture.Frame) { f.Time = at.Add(1) },
		"length": func(f *capture.Frame) { f.Length++ },
		"octets": func(f *capture.Frame) { f.Data = []byte("y" + strings.Repeat("x", 199)) },
	} {
		other := frame
		if change(&other); digest(frame) == digest(other) {
			t.Errorf("another %s is not seen", name)
		}
	}
}
