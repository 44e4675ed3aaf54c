package store

import (
	"context"
	"fmt"
	"time"
)

// ScopeChange is that another scope is in force: which rows a sensor may record.
type ScopeChange struct {
	Program string    `json:"program"` // that has the scope: sniff, replay or follow
	Since   time.Time `json:"since"`   // by the clock, not by the packets
	Rules   *string   `json:"rules"`   // the scope file; nil: every row is recorded
}

// RecordScope records a change in the table scopes, if it is one: not if the rules are those that are in force, and not
// if it was recorded before. The error has the SQLSTATE 42501 if this login has not the sensor's name.
func (db *DB) RecordScope(ctx context.Context, sensor, version string, c ScopeChange) error {
	_, err := db.conn.Exec(ctx, "select tap25_internal.record_scope($1, $2, $3, $4, $5)", sensor, c.Program, c.Since,
		c.Rules, version)
	if err != nil {
		return fmt.Errorf("record the scope: %w", err)
	}
	return nil
}
