package report

import (
	"testing"
	"time"
)

func TestForecast_OfDisksAndDatabase(t *testing.T) {
	none := []int64{-1, -1}
	disk := func(free int64) *Disk {
		if free < 0 {
			return nil
		}
		return &Disk{Free: free}
	}
	for _, c := range []struct {
		name            string
		minutes         int
		free, later     []int64
		size, laterSize int64
		days            float64 // until a disk is full; 0: not within ten years
		known           bool
		growth          int64
		text            string
	}{
		{"too soon", 9, []int64{100, 100}, []int64{50, 50}, 1, 2, 0, false, 0, "not known in the first ten minutes"},
		{"a day with a hundredth", 1440, []int64{100, 100}, []int64{99, 99}, 7 << 20, 8 << 20, 99, true, 1 << 20,
			"1.0 MiB a day; a disk is full on 2027-04-25"},
		{"half a day", 720, []int64{100, 100}, []int64{99, 99}, 7 << 20, 8 << 20, 49.5, true, 2 << 20,
			"2.0 MiB a day; a disk is full on 2027-03-06"},
		{"the first of two", 1440, []int64{100, 1000}, []int64{99, 990}, 5, 4, 99, true, -1,
			"0 B a day; a disk is full on 2027-04-25"},
		{"the database's", 1440, []int64{100, 100}, []int64{100, 90}, 0, 4, 9, true, 0,
			"not known yet; a disk is full on 2027-01-25"},
		{"another host's database", 1440, []int64{100, -1}, []int64{50, -1}, 5, 9, 1, true, 4,
			"4 B a day; a disk is full on 2027-01-17"},
		{"it empties", 1440, []int64{100, 100}, []int64{200, 200}, 5, 5, 0, true, 0,
			"0 B a day; no disk is full within ten years"},
		{"in a thousand years", 1440, []int64{1e9, 1e9}, []int64{1e9 - 1, 1e9 - 1}, 5, 6, 0, true, 1,
			"1 B a day; no disk is full within ten years"},
		{"no disk", 1440, none, none, 5, 6, 0, false, 0, "not known in the first ten minutes"},
	} {
		var f Forecaster
		begin := time.Unix(1_800_000_000, 0) // 2027-01-15
		f.look(begin, &Store{SpoolDisk: disk(c.free[0]), DatabaseDisk: disk(c.free[1]), DatabaseBytes: c.size})
		now := begin.Add(time.Duration(c.minutes) * time.Minute)
		got := f.look(now, &Store{SpoolDisk: disk(c.later[0]), DatabaseDisk: disk(c.later[1]), DatabaseBytes: c.laterSize})
		if (got != nil) != c.known || got.text() != c.text {
			t.Errorf("%s: %v, %q", c.name, got, got.text())
			continue
		}
		if got == nil {
			continue
		}
		days := 0.0
		if !got.Full.IsZero() {
			days = got.Full.Sub(now).Hours() / 24
		}
		if days != c.days || got.Growth != nil && *got.Growth != c.growth || (got.Growth == nil) != (c.size == 0) {
			t.Errorf("%s: in %v days, growth %v", c.name, days, got.Growth)
		}
	}
}

// TestForecast_KeepsADay looks each second for two days, as the page does.
func TestForecast_KeepsADay(t *testing.T) {
	var f Forecaster
	begin := time.Unix(1_800_000_000, 0)
	var last *Forecast
	for s := range 2 * 86400 {
		now := &Store{SpoolDisk: &Disk{Free: 1 << 40}, DatabaseBytes: 1 + int64(s)}
		last = f.look(begin.Add(time.Duration(s)*time.Second), now)
	}
	if len(f.past) != mostRooms || *last.Growth != 86400 {
		t.Errorf("%d moments, %d bytes a day", len(f.past), *last.Growth)
	}
	f.look(begin, &Store{}) // the clock was set back
	if len(f.past) != 1 {
		t.Errorf("%d moments after the clock was set back", len(f.past))
	}
}
