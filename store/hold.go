package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tap25/reassembly/smtp"
)

// Hold is a legal hold: rows that concern its subject are kept when their day is dropped.
type Hold struct {
	ID int64
	// One of these is set: a mailbox, in any case; a domain (its subdomains are others); an IP address or subnet of
	// either side, or of the client that a proxy names.
	Mailbox, Domain *string
	Network         *netip.Prefix
	// with Network: only rows of the network of this name, in the form of [smtp.IsNetwork]; nil: of any
	SeenIn        *string
	Since, Before *time.Time // of seen_at, Before excluded; nil: unbounded
	Until         *time.Time // when the hold ends by itself; nil: when it is dropped
	Reason        string
	AddedBy       string
	AddedAt       time.Time
	DroppedAt     *time.Time
	Rows          *int64 // kept of days that are dropped already; nil: this user is not to know
}

// Subject sets what a hold is about from user@domain, a domain, an IP address or a subnet. It returns an error for any
// other form.
func (h *Hold) Subject(s string) error {
	h.Mailbox, h.Domain, h.Network = nil, nil, nil
	if strings.Contains(s, "@") {
		h.Mailbox = &s
		return nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		p := netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		h.Network = &p
		return nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if p != p.Masked() {
			return fmt.Errorf("the subnet has bits set after its prefix: write %s", p.Masked())
		}
		h.Network = &p
		return nil
	}
	if s == "" || strings.ContainsAny(s, "/: \t") {
		return errors.New("the subject of a hold must be user@domain, a domain, an IP address or a subnet such as " +
			"192.0.2.0/24")
	}
	h.Domain = &s
	return nil
}

// In bounds a hold on an IP address or subnet to rows that were seen in the network of a name, such as "vlan 12". It
// returns an error for a hold on something else, and for a name of a form that no row has.
func (h *Hold) In(network string) error {
	switch {
	case h.Network == nil:
		return errors.New("only a hold on an IP address or subnet can name the network that the mail was seen in")
	case !smtp.IsNetwork(network):
		return errors.New("the network must be written as the column network shows it, such as 'vlan 12' or 'vxlan " +
			"5001/vlan 3'")
	}
	h.SeenIn = &network
	return nil
}

// AddHold adds a hold and returns its number.
func (db *DB) AddHold(ctx context.Context, h Hold) (id int64, err error) {
	err = db.conn.QueryRow(ctx, "select tap25.add_hold($1, $2, $3, $4, $5, $6, $7, $8)",
		h.Mailbox, h.Domain, h.Network, h.Since, h.Before, h.Until, h.Reason, h.SeenIn).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("add the hold: %w", err)
	}
	return id, nil
}

// Concerned returns how many rows of mail a hold concerns now; nil if this login may not read mail.
func (db *DB) Concerned(ctx context.Context, h Hold) (rows *int64, err error) {
	err = db.conn.QueryRow(ctx, `
		select count(*) from tap25_internal.mail_concerning($1, $2, $3, $4, $5)
		where $6::text is null or network = $6`,
		h.Mailbox, h.Domain, h.Network, h.Since, h.Before, h.SeenIn).Scan(&rows)
	if LacksRight(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("count the rows that the hold concerns: %w", err)
	}
	return rows, nil
}

// DropHold ends a hold; its rows go with the next [DB.Expire]. It is an error if no hold of that number is in force.
func (db *DB) DropHold(ctx context.Context, id int64) error {
	var found bool
	if err := db.conn.QueryRow(ctx, "select tap25.drop_hold($1)", id).Scan(&found); err != nil {
		return fmt.Errorf("drop the hold: %w", err)
	}
	if !found {
		return fmt.Errorf("there is no hold %d in force: 'tap25 hold ls' lists the holds", id)
	}
	return nil
}

// Holds lists the holds in force, or all that there ever were, in the order in which they were added.
func (db *DB) Holds(ctx context.Context, all bool) ([]Hold, error) {
	rows, err := db.conn.Query(ctx, `
		select id, mailbox, domain, network, seen_in, nullif(since, '-infinity'), nullif(before, 'infinity'),
		       nullif(until, 'infinity'), reason, added_by::text, added_at,
		       coalesce(dropped_at, case when until <= now() then until end),
		       tap25_internal.rows_held(id)
		from tap25.holds where $1 or (dropped_at is null and until > now()) order by id`, all)
	if err != nil {
		return nil, fmt.Errorf("list the holds: %w", err)
	}
	holds, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Hold])
	if err != nil {
		return nil, fmt.Errorf("list the holds: %w", err)
	}
	return holds, nil
}
