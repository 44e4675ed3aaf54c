package sniff

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/store"
	"tap25/store/spool"
	"tap25/store/stream"
)

func TestLoadHealth_JudgesProgressNotPresence(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	type step struct {
		after time.Duration
		stats stream.Stats
	}
	waiting := func(loaded, lost int64, dbErr, fault error) stream.Stats {
		return stream.Stats{Spool: spool.Stats{Waiting: 5, Loaded: loaded, Lost: lost, LastFault: fault},
			Loader: store.LoaderStats{Err: dbErr}}
	}
	away := errors.New("away")
	for name, c := range map[string]struct {
		steps            []step
		notLive, refusal string
	}{
		"loads go on": {[]step{{0, waiting(1, 0, nil, nil)}, {loadStuck, waiting(2, 0, nil, nil)},
			{2 * loadStuck, waiting(3, 0, nil, nil)}}, "", ""},
		"loads make no progress": {[]step{{0, waiting(1, 0, nil, nil)},
			{loadStuck + time.Second, waiting(1, 0, nil, nil)}}, "loads make no progress", ""},
		"nothing waits": {[]step{{0, stream.Stats{}}, {9 * loadStuck, stream.Stats{}}}, "", ""},
		"the database is away for days": {[]step{{0, waiting(1, 0, away, nil)},
			{99 * loadStuck, waiting(1, 0, away, nil)}}, "", ""},
		"it was away until now": {[]step{{0, waiting(1, 0, away, nil)},
			{99 * loadStuck, waiting(1, 0, away, nil)}, {99*loadStuck + time.Second, waiting(1, 0, nil, nil)}}, "", ""},
		"the spool is full": {[]step{{0, waiting(1, 0, away, spool.ErrFull)}}, "",
			"the spool is full: rows wait in memory"},
		"the disk of the spool fails": {[]step{{0, waiting(1, 0, nil, unix.EIO)}}, "",
			"the spool's disk fails: rows wait in memory"},
		"rows are lost": {[]step{{0, waiting(1, 7, away, spool.ErrFull)}}, "",
			"the spool is full: rows are lost"},
		"rows were lost a minute ago": {[]step{{0, waiting(1, 7, away, nil)}, {time.Minute, waiting(1, 7, away, nil)}},
			"", ""},
	} {
		h := &loadHealth{}
		var notLive []string
		refusal := ""
		for _, s := range c.steps {
			notLive, refusal = h.judge(start.Add(s.after), s.stats)
		}
		if strings.Join(notLive, ";") != c.notLive || refusal != c.refusal {
			t.Errorf("%s: not live for %q, no rows accepted for %q", name, notLive, refusal)
		}
	}
}

// TestTurns_ABatchThatGetsOnIsNotStuck looks each second, as the goroutine does that looks after the interfaces.
func TestTurns_ABatchThatGetsOnIsNotStuck(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	slow := &tap{out: &toStdout{}, workers: []*worker{{}, {}}}
	slow.checked.made(begin)
	at := begin
	second := func() []string {
		at = at.Add(time.Second)
		slow.checked.made(at)
		return slow.notLive(at)
	}
	for i := range 100 { // one frame in fifteen seconds each, of a batch that never ends
		if i%15 == 0 {
			slow.workers[0].turns.made()
			slow.workers[1].turns.made()
		}
		if list := second(); len(list) > 0 {
			t.Fatalf("after %d s: %q", i, list)
		}
	}
	var list []string
	since := 0
	for ; len(list) == 0 && since < 60; since++ {
		slow.workers[0].turns.made()
		list = second()
	}
	if strings.Join(list, ";") != "a worker makes no progress" || since > 25 {
		t.Errorf("%q after %d s without a frame of one of two", list, since)
	}
	slow.workers[1].turns.made()
	if list := second(); len(list) > 0 {
		t.Errorf("it gets on again, but %q", list)
	}
}

func TestVerdict_ComplaintsAreUnavailable(t *testing.T) {
	for want, complaints := range map[int][]string{200: nil, 503: {"a worker makes no progress"}} {
		w := httptest.NewRecorder()
		verdict(w, complaints)
		if w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
}
