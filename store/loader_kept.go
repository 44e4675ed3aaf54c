package store

import (
	"context"
	"time"
)

const (
	// askEvery is how often a server that got no rows lately is pinged, while segments are kept or LoaderConfig.Idle.
	askEvery = 10 * time.Second

	// answersWithin bounds such a ping.
	answersWithin = 10 * time.Second
)

// Recheck makes the loader connect anew and ask for what is kept. It is called after another connection has found that
// the database lacks some of it.
func (l *Loader) Recheck() {
	l.recheck.Store(true)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// asks reports whether the database is asked also while no segment waits.
func (l *Loader) asks() bool { return l.cfg.Idle || l.cfg.Spool.Stats().KeptSegments > 0 }

// due reports whether the database is to be asked now although no segment waits.
func (l *Loader) due() bool {
	if !l.asks() {
		return false
	}
	return l.db == nil || l.recheck.Load() || time.Since(l.answered) >= l.askEvery
}

// wait waits until a segment is sealed or the database is to be asked.
func (l *Loader) wait(ctx context.Context) {
	var due <-chan time.Time
	if l.asks() {
		due = time.After(l.askEvery - time.Since(l.answered))
	}
	select {
	case <-ctx.Done():
	case <-l.cfg.Spool.Notify():
	case <-l.wake:
	case <-due:
	}
}

// connect makes a connection if there is none, and asks its server for all that is kept. What the server has lost waits
// again, and is to be loaded before what came later: lost reports that.
func (l *Loader) connect(ctx context.Context) (lost bool, err error) {
	if l.db != nil && (l.db.conn.IsClosed() || l.recheck.Load()) {
		l.disconnect()
	}
	if l.db != nil {
		return false, nil
	}
	db, err := l.cfg.Connect(ctx)
	if err != nil {
		return false, err
	}
	l.recheck.Store(false)
	begun := time.Now()
	missing, err := db.Missing(ctx, l.cfg.Spool.Kept())
	if err != nil {
		db.Close()
		return false, err
	}
	l.cfg.Spool.Reenter(missing)
	l.db = db
	l.db.signer = l.cfg.Signer
	l.answers(begun)
	return len(missing) > 0, nil
}

// ask pings the server.
func (l *Loader) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	return l.db.ping(ctx)
}

// answers notes that the server has answered after that moment: what was loaded long before is safe.
func (l *Loader) answers(after time.Time) {
	l.answered = time.Now()
	l.cfg.Spool.Expire(after)
}
