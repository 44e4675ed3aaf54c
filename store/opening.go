package store

import (
	"context"
	"fmt"
)

// Opener is who opens the private cluster as its owner, as that program says: the server has its own account of it in
// its log.
type Opener struct {
	User     string // of the process
	Login    string // who had logged in; "": not known
	Terminal string // "": none
}

// RecordOpening records, before anything is shown, that somebody opens the database as its owner.
func (db *DB) RecordOpening(ctx context.Context, o Opener) error {
	_, err := db.conn.Exec(ctx, "select tap25_internal.record_opening($1, nullif($2, ''), nullif($3, ''))", o.User,
		o.Login, o.Terminal)
	if err != nil {
		return fmt.Errorf("record that the database is opened as its owner: %w", err)
	}
	return nil
}
