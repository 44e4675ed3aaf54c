package store

import (
	"context"
	"fmt"
	"math"
)

// maxSharing is how many rows of a day may share an entry of an index of addresses before the status advises wider
// entries. A question about one address reads all of them. A width is chosen for 16 at most.
const maxSharing = 64

// SetVolume sets for how many rows a day the indexes of addresses of new days are made, and returns how many bits of a
// hash these have from now on: more for more rows. Days that have rows keep theirs. Only the owner may.
func (db *DB) SetVolume(ctx context.Context, rowsADay int64) (bits int, err error) {
	err = db.conn.QueryRow(ctx, "select tap25_internal.set_volume($1)", rowsADay).Scan(&bits)
	if err != nil {
		return 0, fmt.Errorf("set the rows a day: %w", err)
	}
	return bits, nil
}

// warnOfVolume adds a warning if days have outgrown the indexes of addresses, unless there are no wider ones.
func (s *Status) warnOfVolume() {
	if sharing := s.RowsADay >> s.IndexBits; sharing > maxSharing && s.IndexBits < 24 {
		s.warn(fmt.Sprintf("%d rows of a day share an entry of an index of addresses, and each question reads them "+
			"all: run 'tap25 db migrate --rows-a-day %d'", sharing, roundUp(s.RowsADay)))
	}
}

// roundUp rounds a number up to two digits and zeros.
func roundUp(n int64) int64 {
	unit := int64(math.Pow10(max(0, int(math.Log10(float64(n)))-1)))
	return (n + unit - 1) / unit * unit
}
