package stream

import (
	"context"
	"time"
)

// sizeEvery is how often the database is asked for its size, which looks at each of its files.
const sizeEvery = time.Minute

// watchSize asks the database for its size until ctx ends. After an error the size is not known: the loader logs what
// is wrong with the database.
func (s *Stream) watchSize(ctx context.Context) {
	tick := time.NewTicker(sizeEvery)
	defer tick.Stop()
	for {
		s.size.Store(s.askSize(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
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
