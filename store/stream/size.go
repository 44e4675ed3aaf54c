package stream

import (
	"context"
	"time"
)

const (
	// sizeEvery is how often the database is asked for its size, which looks at each of its files.
	sizeEvery = time.Minute
	// sizeAgain is how long after an error it is asked again.
	sizeAgain = 5 * time.Second
)

// watchSize asks the database for its size until ctx ends. After an error the size is not known: the loader logs what
// is wrong with the database.
func (s *Stream) watchSize(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		n := s.askSize(ctx)
		s.size.Store(n)
		next.Reset(sizeEvery)
		if n == 0 {
			next.Reset(sizeAgain)
		}
	}
}

// askSize returns 0 if the database does not answer.
func (s *Stream) askSize(ctx context.Context) int64 {
	db, err := s.db.Connect(ctx)
	if err != nil {
		return 0
	}
	defer db.Close()
	n, err := db.Size(ctx)
	if err != nil {
		return 0
	}
	return n
}
