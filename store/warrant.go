package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Warrant opens the mail of its targets in a period to its auditors, once somebody else than its applicant and its
// auditors has approved it.
type Warrant struct {
	ID                int64
	Case, Basis       string
	Auditors, Targets []string // a target is user@domain, a domain, an IP address or subnet, also "10.0.0.5 in vlan 12"
	Since, Before     time.Time
	ValidUntil        time.Time // as it is now: when it was ended, if it was
	ByOrigin          bool      // whether an IP address is that of a client that a proxy names, too
	State             string    // applied, valid, refused or ended
	Applicant         string
	GrantedBy         *string // who approved it; nil: nobody
}

// ApplyForWarrant applies for a warrant and returns its number. It opens nothing yet.
func (db *DB) ApplyForWarrant(ctx context.Context, w Warrant) (id int64, err error) {
	err = db.conn.QueryRow(ctx, "select tap25.apply_for_warrant($1, $2, $3, $4, $5, $6, $7, $8)", w.Case, w.Basis,
		w.Auditors, w.Targets, w.Since, w.Before, w.ValidUntil, w.ByOrigin).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("apply for the warrant: %w", err)
	}
	return id, nil
}

// ApproveWarrant approves a warrant that others have applied for; the note may be empty.
func (db *DB) ApproveWarrant(ctx context.Context, id int64, note string) error {
	if _, err := db.conn.Exec(ctx, "select tap25.approve_warrant($1, nullif($2, ''))", id, note); err != nil {
		return fmt.Errorf("approve the warrant: %w", err)
	}
	return nil
}

// RefuseWarrant refuses a warrant that others have applied for.
func (db *DB) RefuseWarrant(ctx context.Context, id int64, reason string) error {
	if _, err := db.conn.Exec(ctx, "select tap25.refuse_warrant($1, $2)", id, reason); err != nil {
		return fmt.Errorf("refuse the warrant: %w", err)
	}
	return nil
}

// EndWarrant ends a warrant, or an application for one, at once. It is an error if none of that number is in force.
func (db *DB) EndWarrant(ctx context.Context, id int64, reason string) error {
	var found bool
	if err := db.conn.QueryRow(ctx, "select tap25.end_warrant($1, $2)", id, reason).Scan(&found); err != nil {
		return fmt.Errorf("end the warrant: %w", err)
	}
	if !found {
		return fmt.Errorf("there is no warrant %d in force: 'tap25 warrant ls' lists them", id)
	}
	return nil
}

// Warrants lists the warrants that are valid or applied for, or all that there ever were, in the order in which they
// were applied for.
func (db *DB) Warrants(ctx context.Context, all bool) ([]Warrant, error) {
	rows, err := db.conn.Query(ctx, `
		select id, case_id, reason, array_agg(distinct auditor::text),
		       array_agg(distinct coalesce(mailbox, domain, abbrev(network) || coalesce(' in ' || seen_in, ''))),
		       since, before, valid_until, bool_or(by_origin), state, applicant::text, granted_by::text
		from tap25.warrants where $1 or state in ('applied', 'valid')
		group by id, case_id, reason, since, before, valid_until, state, applicant, granted_by order by id`, all)
	if err != nil {
		return nil, fmt.Errorf("list the warrants: %w", err)
	}
	warrants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Warrant])
	if err != nil {
		return nil, fmt.Errorf("list the warrants: %w", err)
	}
	return warrants, nil
}
