package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tap25/store"
	"tap25/store/numeral"
)

const holdLong = `
hold manages legal holds. Before a day is dropped, tap25 copies the rows that match a hold to the table held; the view
mail still shows them. When the last hold on a row has ended, 'tap25 db expire' removes the row. 'hold add' shows how
many rows the hold concerns now to a login that may read mail.`

func holdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hold", Short: "Keep rows of an address, domain or subnet for longer than the retention",
		Args: usageArgs(cobra.NoArgs),
		Long: holdLong[1:],
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no hold command given: name add, ls or drop")}
		},
	}
	cmd.AddCommand(holdAdd(), holdLs(), holdDrop())
	return cmd
}

// withDatabase opens the database that --db names, checks that its schema has the version of this program, and calls
// do.
func withDatabase(cmd *cobra.Command, dsn string, do func(context.Context, *database) error) (err error) {
	db, err := openExisting(cmd.Context(), cmd.ErrOrStderr(), dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(cmd.Context())) }()
	if err = db.Check(cmd.Context()); err == nil {
		err = do(cmd.Context(), db)
	}
	for _, w := range db.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "tap25: warning:", w)
	}
	if store.LacksRight(err) {
		return errors.New("this login may not do that: " + whoMay(cmd))
	}
	return err
}

// whoMay says who may run a command on a database.
func whoMay(cmd *cobra.Command) string {
	switch cmd.CommandPath() {
	case "tap25 db pack":
		return "the owner of the database, administrators (tap25_admin) and sensors (tap25_sensor) pack days"
	case "tap25 db expire":
		return "the owner of the database and administrators (tap25_admin) drop days"
	case "tap25 import":
		return "the owner of the database imports any rows, and a sensor's login (tap25_sensor) those of its own name"
	case "tap25 db distribute", "tap25 verify", "tap25 db regions add", "tap25 db regions ls", "tap25 db regions rm":
		return "only the owner of the database may"
	}
	return "administrators keep holds and apply for warrants (tap25_admin), approvers approve them (tap25_approver), " +
		"auditors ask in 'tap25 db psql', where my_cases lists their cases"
}

func holdAdd() *cobra.Command {
	var dsn, from, to, until, network string
	var h store.Hold
	cmd := &cobra.Command{
		Use: "add SUBJECT", Short: "Add a hold on user@domain, a domain, an IP address or a subnet",
		Args: usageArgs(cobra.ExactArgs(1)),
		Example: "  tap25 hold add someone@example.org --from 2026-01-01 --to 2026-04-01 --reason 'case 17'\n" +
			"  tap25 hold add 192.0.2.0/24 --until 2028-01-01 --reason 'order of 12 May'\n" +
			"  tap25 hold add 10.0.0.5 --network 'vlan 12' --reason 'case 18'",
		RunE: func(cmd *cobra.Command, args []string) error {
			err := h.Subject(args[0])
			if err == nil && cmd.Flags().Changed("network") {
				err = h.In(network)
			}
			if err == nil && h.Reason == "" {
				err = errors.New("--reason is missing: say why the rows are held")
			}
			if err == nil {
				err = holdTimes(&h, from, to, until)
			}
			if err != nil {
				return &usageError{err}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				id, err := db.AddHold(ctx, h)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "hold %d\n", id)
				rows, err := db.Concerned(ctx, h)
				if rows != nil {
					fmt.Fprintf(cmd.OutOrStdout(), "it concerns %s now\n", numeral.Count(*rows, "row"))
				}
				return err
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().StringVar(&from, "from", "", "hold only mail seen at this time or later (2026-01-31, or RFC 3339; UTC)")
	cmd.Flags().StringVar(&to, "to", "", "hold only mail seen before this time")
	cmd.Flags().StringVar(&until, "until", "", "time at which the hold ends (default: when it is dropped)")
	cmd.Flags().StringVar(&network, "network", "",
		"with an IP address or subnet: hold only mail that was seen in this network, as the column network names it")
	cmd.Flags().StringVar(&h.Reason, "reason", "", "why the rows are held; required")
	return cmd
}

// holdTimes sets the times of a hold from the text of its flags; an empty text sets none.
func holdTimes(h *store.Hold, from, to, until string) error {
	for _, t := range []struct {
		flag, text string
		to         **time.Time
	}{{"from", from, &h.Since}, {"to", to, &h.Before}, {"until", until, &h.Until}} {
		if t.text == "" {
			continue
		}
		when, err := parseTime(t.text)
		if err != nil {
			return fmt.Errorf("--%s: %w", t.flag, err)
		}
		*t.to = &when
	}
	if h.Since != nil && h.Before != nil && !h.Since.Before(*h.Before) {
		return errors.New("--from must be earlier than --to")
	}
	return nil
}

// parseTime parses a day, which means its midnight UTC, or a time of RFC 3339.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is not a time: write 2026-01-31 or 2026-01-31T12:00:00Z", s)
	}
	return t, nil
}

func holdLs() *cobra.Command {
	var dsn string
	var all bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List the holds in force", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				holds, err := db.Holds(ctx, all)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				fmt.Fprintln(w, "HOLD\tSUBJECT\tFROM\tTO\tUNTIL\tADDED\tBY\tENDED\tROWS\tREASON")
				for _, h := range holds {
					fmt.Fprintf(w, "%d\t%q\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%q\n", h.ID, subject(h),
						when(h.Since), when(h.Before), when(h.Until), when(&h.AddedAt), h.AddedBy, when(h.DroppedAt),
						rowsHeld(h), h.Reason)
				}
				return w.Flush()
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().BoolVar(&all, "all", false, "list ended holds too")
	return cmd
}

// rowsHeld is how many rows a hold keeps, or "-" for a user who may not know.
func rowsHeld(h store.Hold) string {
	if h.Rows == nil {
		return "-"
	}
	return numeral.Grouped(*h.Rows)
}

func subject(h store.Hold) string {
	switch {
	case h.Mailbox != nil:
		return *h.Mailbox
	case h.Domain != nil:
		return *h.Domain
	}
	address := h.Network.String()
	if h.Network.IsSingleIP() {
		address = h.Network.Addr().String()
	}
	if h.SeenIn != nil {
		return address + " in " + *h.SeenIn
	}
	return address
}

func holdDrop() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use: "drop NUMBER", Short: "End a hold; the next 'tap25 db expire' removes the rows that only this hold kept",
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return &usageError{fmt.Errorf("%q is not the number of a hold: 'tap25 hold ls' lists them", args[0])}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				err := db.DropHold(ctx, id)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "hold %d has ended; 'tap25 db expire' removes what only it kept\n",
						id)
				}
				return err
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	return cmd
}
