package store

import (
	"context"
	"fmt"
	"time"
)

// Health is what of a database decides whether, and for how long, a tap can load into it.
type Health struct {
	Have, Want int32 // versions of the schema: the database's, 0 for none, and this program's
	User       string
	ReadOnly   bool // a standby, or a server that takes no writes
	Here       bool // the server runs on this machine

	MaxLocks      int   // max_locks_per_transaction
	SharedBuffers int64 // bytes
	MaxWAL        int64 // bytes
	JIT           bool
	Size          int64 // of the database, bytes

	// The rest is known only if Have is Want.
	MayLoad bool   // this user has the rights of a sensor
	Owner   bool   // this user can change everything of tap25's
	MayDrop bool   // this user may drop days
	Counted bool   // this user may see the following
	Growth  int64  // bytes a day, by the days with rows among the seven before today
	Stored  string // the retention, such as "2 years", or "for ever"; "": none is stored
	Differs int    // the retention asked for is shorter (-1) or longer (1) than the stored one
	DropsIn int    // days until the stored retention drops as much as comes; -1: it never does
}

const healthQuery = `
select current_user::text, pg_is_in_recovery() or current_setting('transaction_read_only')::bool,
       coalesce(inet_server_addr() <<= any ('{127.0.0.0/8,::1}'::inet[]), true),
       current_setting('max_locks_per_transaction')::int, pg_size_bytes(current_setting('shared_buffers')),
       pg_size_bytes(current_setting('max_wal_size')), current_setting('jit')::bool,
       pg_database_size(current_database())`

const healthRightsQuery = `
select has_table_privilege('tap25_internal.envelopes', 'insert'),
       (select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'tap25_internal'),
       has_table_privilege('tap25_internal.days', 'select') and has_table_privilege('tap25.retentions', 'select')`

const healthDaysQuery = `
select coalesce(sum(rows), 0)::bigint, min(day) filter (where rows > 0),
       coalesce(sum(rows) filter (where recent) / nullif(count(distinct day) filter (where recent), 0), 0)::bigint
from (select day, rows, rows > 0 and (now() at time zone 'UTC')::date - day between 1 and 7 as recent
      from tap25_internal.days) d`

// Health asks for what a tap with a retention needs to know; a zero retention drops nothing. It changes nothing, and
// reads no envelope.
func (db *DB) Health(ctx context.Context, asked Retention, now time.Time) (h Health, err error) {
	if h.Have, h.Want, err = db.Version(ctx); err != nil {
		return h, err
	}
	err = db.conn.QueryRow(ctx, healthQuery).Scan(&h.User, &h.ReadOnly, &h.Here, &h.MaxLocks, &h.SharedBuffers, &h.MaxWAL,
		&h.JIT, &h.Size)
	if err == nil && h.Have == h.Want {
		err = db.conn.QueryRow(ctx, healthRightsQuery).Scan(&h.MayLoad, &h.Owner, &h.Counted)
		if err == nil {
			h.MayDrop, err = db.mayExpire(ctx)
		}
		if err == nil && h.Counted {
			err = db.healthOfDays(ctx, &h, asked, now)
		}
	}
	if err != nil {
		return h, fmt.Errorf("ask for the health of the database: %w", err)
	}
	return h, nil
}

// healthOfDays asks for the growth, and compares the retention with the stored one.
func (db *DB) healthOfDays(ctx context.Context, h *Health, asked Retention, now time.Time) error {
	var rows, aDay int64
	var oldest *time.Time
	if err := db.conn.QueryRow(ctx, healthDaysQuery).Scan(&rows, &oldest, &aDay); err != nil {
		return err
	}
	h.Growth = aDay * (h.Size / max(rows, 1))
	h.DropsIn = -1
	stored, err := db.storedAt(ctx, now)
	if err != nil || stored == nil {
		return err
	}
	h.Stored = stored.Kept
	if !stored.Cutoff.Equal(forEver) && oldest != nil {
		h.DropsIn = max(int(oldest.Sub(stored.Cutoff).Hours()/24), 0)
	}
	first := forEver
	if asked != (Retention{}) {
		if first, err = db.firstKept(ctx, asked, now); err != nil {
			return err
		}
	}
	h.Differs = stored.Cutoff.Compare(first)
	return nil
}
