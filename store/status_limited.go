package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// LimitedStatus is what 'tap25 db status' shows to a login that may not read what [Status] counts, such as a sensor's.
type LimitedStatus struct {
	Server     string     `json:"server"`
	Version    int32      `json:"schema"`
	Partitions int64      `json:"partitions"`
	Size       int64      `json:"database_bytes"` // as DB.Size
	KeptFrom   *time.Time `json:"kept_from"`      // the first day that the retention keeps; nil: all are kept, or not known
}

// LimitedStatus asks what any login of a role of tap25's may know. Errors are the server's.
func (db *DB) LimitedStatus(ctx context.Context) (s LimitedStatus, err error) {
	if s.Version, _, err = db.Version(ctx); err != nil {
		return s, err
	}
	if s.Size, err = db.Size(ctx); err != nil {
		return s, err
	}
	err = db.conn.QueryRow(ctx, `select current_setting('server_version'),
		(select count(*) from pg_inherits where inhparent = 'tap25_internal.envelopes'::regclass)`).
		Scan(&s.Server, &s.Partitions)
	if err == nil {
		err = db.conn.QueryRow(ctx, "select tap25_internal.kept_from()").Scan(&s.KeptFrom)
		if LacksRight(err) { // of a sensor alone
			err = nil
		}
	}
	if err != nil {
		return s, fmt.Errorf("ask for the status: %w", err)
	}
	s.Server, _, _ = strings.Cut(s.Server, " ")
	return s, nil
}
