package store

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tap25/store/spool"
)

const (
	// batchRows is about how many rows one transaction takes if several segments wait. More is no faster.
	batchRows = 50000

	// batchSegments bounds the segments of one transaction, each of which is a savepoint: PostgreSQL keeps 64 of a
	// transaction in memory, and beyond that every snapshot costs a look at pg_subtrans.
	batchSegments = 50

	// maxPause is the longest wait between two attempts: a standby may have been promoted meanwhile, at any address.
	maxPause = 5 * time.Second

	// loadTimeout bounds one attempt, in case the server has vanished silently.
	loadTimeout = 10 * time.Minute
)

// LoaderConfig configures a [Loader].
type LoaderConfig struct {
	Spool *spool.Spool
	// such as [Database.Connect]; called again whenever the connection was lost
	Connect func(context.Context) (*DB, error)

	// Idle has the loader connect at the start, and ask the server from time to time, although no row waits: so Stats
	// tells of a database that would not accept one.
	Idle bool

	MaxPause time.Duration // between two attempts; default 5 s
	Signer   *Signer       // signs what is loaded; nil: nobody does
}

// LoaderStats counts what a [Loader] has done. Records that a segment has lost or that the server refused are in
// [spool.Stats].
type LoaderStats struct {
	Added    int64 // rows that were committed
	Held     int64 // rows of segments that an earlier load had committed
	Coverage int64 // records of coverage that this or an earlier load has committed

	Reloaded int64 // rows and coverage committed once more, since the database had lost them; in no other count

	Err      error     // why loading fails now, without anything of the rows; nil when it goes well
	Since    time.Time // when it began to fail
	Hopeless bool      // waiting will not help: somebody must change the database or the configuration
	Unread   int64     // segments that could not be read; they stay until the next start

	Last  time.Time     // when the last load that succeeded ended; zero: none has
	Loads LoadDurations // of the loads that succeeded
}

// LoadBounds are the upper bounds of the classes in [LoadDurations], in seconds.
var LoadBounds = [...]float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100}

// LoadDurations counts loads by how long they took.
type LoadDurations struct {
	Each  [len(LoadBounds) + 1]int64 // by the first bound that is not exceeded; the last: longer
	Total time.Duration
}

func (l *LoadDurations) add(d time.Duration) {
	class, _ := slices.BinarySearch(LoadBounds[:], d.Seconds())
	l.Each[class]++
	l.Total += d
}

// Loader takes the sealed segments of a spool, oldest first, and loads each once. Run is for one goroutine, the other
// methods for any.
type Loader struct {
	cfg LoaderConfig
	db  *DB // nil: not connected

	mu     sync.Mutex
	stats  LoaderStats
	unread map[string]bool // by path

	recheck  atomic.Bool
	wake     chan struct{}
	askEvery time.Duration

	answered time.Time // when the server of db last answered; for Run's goroutine

	// For Run's goroutine, by path.
	ahead map[string]segment  // what was read before its turn
	left  map[string][][]byte // what this process has not set aside of a segment
}

// NewLoader makes a loader. [Loader.Run] does its work.
func NewLoader(cfg LoaderConfig) *Loader {
	if cfg.MaxPause == 0 {
		cfg.MaxPause = maxPause
	}
	return &Loader{cfg: cfg, unread: map[string]bool{}, left: map[string][][]byte{}, wake: make(chan struct{}, 1),
		askEvery: askEvery}
}

// Stats returns what was done so far.
func (l *Loader) Stats() LoaderStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Idle reports whether no segment waits that can be read.
func (l *Loader) Idle() bool {
	next, _ := l.next(l.cfg.Spool.Sealed())
	return len(next) == 0
}

// Run loads until ctx ends. It retries what fails, with growing pauses; Stats.Err is the last error.
func (l *Loader) Run(ctx context.Context) {
	defer l.disconnect()
	for attempt := 0; ctx.Err() == nil; {
		segments, behind := l.next(l.cfg.Spool.Sealed())
		if len(segments) == 0 && !l.due() {
			l.wait(ctx)
			continue
		}
		err := l.try(ctx, segments, behind)
		if ctx.Err() != nil {
			return
		}
		l.note(err)
		if err == nil {
			attempt = 0
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause(attempt, l.cfg.MaxPause)):
		}
		attempt++
	}
}

// pause returns how long to wait before the next attempt: little at first, then twice as long each time, with a random
// part, so that many sensors do not come back at once.
func pause(attempt int, longest time.Duration) time.Duration {
	d := min(20*time.Millisecond<<min(attempt, 20), longest)
	return d/2 + rand.N(d/2+1)
}

func (l *Loader) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.stats.Err, l.stats.Since, l.stats.Hopeless = nil, time.Time{}, false
		return
	}
	if l.stats.Since.IsZero() {
		l.stats.Since = time.Now()
	}
	l.stats.Err, l.stats.Hopeless = plain(err), hopeless(err)
}

func (l *Loader) disconnect() {
	if l.db != nil {
		l.db.Close()
		l.db = nil
	}
}

// next returns the first segments that can be read, of one sensor, that together have no more than about batchRows; one
// at least; and those after them.
func (l *Loader) next(sealed []spool.Segment) (next, behind []spool.Segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for i, seg := range sealed {
		if l.unread[seg.Path] {
			continue
		}
		if n += seg.Records; len(next) > 0 &&
			(n > batchRows || len(next) == batchSegments || seg.Sensor != next[0].Sensor) {
			return next, sealed[i:]
		}
		next = append(next, seg)
	}
	return next, nil
}

// try connects and loads segments, while it reads those after them. If none waits, it pings the server.
func (l *Loader) try(ctx context.Context, segments, behind []spool.Segment) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	if lost, err := l.connect(ctx); err != nil || lost {
		return err
	}
	begun := time.Now()
	var err error
	if len(segments) > 0 {
		if err = l.loadWhileReading(ctx, segments, behind); err == nil {
			l.took(begun)
		}
	} else {
		err = l.ask(ctx)
	}
	if _, refused := refusedCode(err); err != nil && !refused {
		l.disconnect() // whatever state it is in
	}
	if err == nil {
		l.answers(begun)
	}
	return err
}

// took counts a load that has just succeeded.
func (l *Loader) took(begun time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Last = time.Now()
	l.stats.Loads.add(l.stats.Last.Sub(begun))
}

// loadWhileReading loads segments, one by one if together they are refused.
func (l *Loader) loadWhileReading(ctx context.Context, segments, behind []spool.Segment) error {
	defer l.readAhead(behind)()
	err := l.load(ctx, segments)
	if _, refused := refusedCode(err); !refused || len(segments) == 1 {
		return err
	}
	for _, seg := range segments { // which of them it is
		if err := l.load(ctx, []spool.Segment{seg}); err != nil {
			return err
		}
	}
	return nil
}

// load loads segments in one transaction, and one that has rows to be refused without them.
func (l *Loader) load(ctx context.Context, segments []spool.Segment) error {
	var read []segment
	for _, seg := range segments {
		s, ok := l.ahead[seg.Path]
		if !ok {
			var err error
			if s, err = l.read(seg); err != nil {
				l.leave(seg)
				continue
			}
		}
		if !s.sound {
			if err := l.loadPart(ctx, s); err != nil {
				return err
			}
			continue
		}
		read = append(read, s)
	}
	if len(read) == 0 {
		return nil
	}
	var batches []batch
	for _, s := range read {
		batches = append(batches, s.batch())
	}
	added, err := l.db.load(ctx, batches)
	if _, refused := refusedCode(err); refused && len(read) == 1 {
		return l.loadPart(ctx, read[0])
	}
	if err != nil {
		return err
	}
	for i, s := range read {
		if err := l.done(s, s.rows, added[i]); err != nil {
			return err
		}
	}
	return nil
}

// loadPart loads what the server takes of a segment and sets the rest aside, in a file that is durable before the load
// is committed. A crash in between repeats both: the file is replaced. If a load was committed, that file must not be.
func (l *Loader) loadPart(ctx context.Context, s segment) error {
	loaded, err := l.db.loaded(ctx, s.batch())
	if err != nil {
		return err
	}
	if loaded {
		return l.done(s, s.rows, false)
	}
	if l.left[s.Path] == nil {
		l.left[s.Path] = s.rows
	}
	good, bad, err := l.db.bisect(ctx, s.Sensor, l.left[s.Path])
	if err != nil {
		return err
	}
	for reason, rows := range bad {
		if err := l.cfg.Spool.SetAside(s.Segment, rows, reason); err != nil {
			return err
		}
		delete(bad, reason)
		l.left[s.Path] = bad.and(good) // for another attempt
	}
	added, err := l.db.load(ctx, []batch{{sensor: s.Sensor, key: s.Key, records: good, roots: rootsOf(good)}})
	if err != nil {
		return err
	}
	return l.done(s, good, added[0])
}
