package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tap25/store"
)

const warrantLong = `
warrant manages warrants: what auditors may read. Administrators, auditors and approvers apply for one; it opens nothing
until a member of the role tap25_approver, who is neither its applicant nor one of its auditors, has approved it.`

func warrantCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "warrant", Short: "Apply for, approve, list and end what auditors may read",
		Args: usageArgs(cobra.NoArgs),
		Long: warrantLong[1:],
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no warrant command given: name add, ls, approve, refuse or end")}
		},
	}
	cmd.AddCommand(warrantAdd(), warrantLs(), warrantApprove(), warrantRefuse(), warrantEnd())
	return cmd
}

func warrantAdd() *cobra.Command {
	var dsn, from, to, until string
	var w store.Warrant
	cmd := &cobra.Command{
		Use: "add TARGET...", Short: "Apply for a warrant on mailboxes, domains, IP addresses or subnets",
		Args: usageArgs(cobra.MinimumNArgs(1)),
		Example: "  tap25 warrant add --case 2026-17 --basis 'order of 12 May' --auditor paula \\\n" +
			"      --from 2026-11-01 --to 2026-12-01 --until 2027-06-01 someone@example.org example.net\n" +
			"  tap25 warrant add --case 2026-18 --basis 'order of 14 May' --auditor paula \\\n" +
			"      --from 2026-11-01 --to 2026-12-01 --until 2027-06-01 '10.0.0.5 in vlan 12'",
		RunE: func(cmd *cobra.Command, args []string) error {
			w.Targets = args
			if err := warrantFlags(&w, from, to, until); err != nil {
				return &usageError{err}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				id, err := db.ApplyForWarrant(ctx, w)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(),
						"warrant %d is applied for; 'tap25 warrant approve %d' by an approver "+
							"opens it\n", id, id)
				}
				return err
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().StringVar(&w.Case, "case", "", "name of the case that the warrant belongs to; required")
	cmd.Flags().StringVar(&w.Basis, "basis", "", "what the warrant rests on, such as a court's order; required")
	cmd.Flags().StringSliceVar(&w.Auditors, "auditor", nil, "login or role that may read; repeat it for more; required")
	cmd.Flags().StringVar(&from, "from", "",
		"only mail seen at this time or later (2026-01-31, or RFC 3339; UTC); required")
	cmd.Flags().StringVar(&to, "to", "", "only mail seen before this time; required")
	cmd.Flags().StringVar(&until, "until", "", "time from which on the warrant opens nothing; required")
	cmd.Flags().BoolVar(&w.ByOrigin, "by-origin", true, "an IP address is also that of a client that a proxy names")
	return cmd
}

// warrantFlags sets the times of a warrant from its flags, and names the first that is missing.
func warrantFlags(w *store.Warrant, from, to, until string) error {
	for _, f := range []struct{ name, value string }{{"case", w.Case}, {"basis", w.Basis},
		{"auditor", strings.Join(w.Auditors, "")}, {"from", from}, {"to", to}, {"until", until}} {
		if f.value == "" {
			return fmt.Errorf("--%s is missing", f.name)
		}
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"from", from, &w.Since}, {"to", to, &w.Before}, {"until", until, &w.ValidUntil}} {
		var err error
		if *t.to, err = parseTime(t.text); err != nil {
			return fmt.Errorf("--%s: %w", t.flag, err)
		}
	}
	if !w.Since.Before(w.Before) {
		return errors.New("--from must be earlier than --to")
	}
	return nil
}

func warrantLs() *cobra.Command {
	var dsn string
	var all bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List the warrants that are valid or applied for", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				warrants, err := db.Warrants(ctx, all)
				if err != nil {
					return err
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				fmt.Fprintln(out,
					"WARRANT\tCASE\tSTATE\tAUDITORS\tTARGETS\tFROM\tTO\tUNTIL\tAPPLICANT\tAPPROVED BY\tBASIS")
				for _, w := range warrants {
					by := "-"
					if w.GrantedBy != nil {
						by = *w.GrantedBy
					}
					fmt.Fprintf(out, "%d\t%q\t%s\t%s\t%q\t%s\t%s\t%s\t%s\t%s\t%q\n", w.ID, w.Case, w.State,
						strings.Join(w.Auditors, ","), strings.Join(w.Targets, ", "), when(&w.Since), when(&w.Before),
						when(&w.ValidUntil), w.Applicant, by, w.Basis)
				}
				return out.Flush()
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().BoolVar(&all, "all", false, "list refused and ended warrants too")
	return cmd
}

func warrantApprove() *cobra.Command {
	return warrantDecision{
		name: "approve", short: "Approve a warrant that others have applied for",
		flag: "note", usage: "what is to be recorded with it",
		do: (*store.DB).ApproveWarrant, done: "is approved: it is open to its auditors",
	}.command()
}

func warrantRefuse() *cobra.Command {
	return warrantDecision{
		name: "refuse", short: "Refuse a warrant that others have applied for",
		flag: "reason", usage: "what it is refused for; required", required: true,
		do: (*store.DB).RefuseWarrant, done: "is refused: it opens nothing",
	}.command()
}

func warrantEnd() *cobra.Command {
	return warrantDecision{
		name: "end", short: "End a warrant, or an application for one, at once",
		flag: "reason", usage: "what it is ended for; required", required: true,
		do: (*store.DB).EndWarrant, done: "has ended: it opens nothing any more",
	}.command()
}

// warrantDecision is what a command does with the warrant of a number, and records with the text of a flag.
type warrantDecision struct {
	name, short string
	flag, usage string
	required    bool // the text is
	do          func(db *store.DB, ctx context.Context, id int64, text string) error
	done        string // printed after the warrant's number
}

func (d warrantDecision) command() *cobra.Command {
	var dsn, text string
	cmd := &cobra.Command{
		Use: d.name + " NUMBER", Short: d.short, Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			switch {
			case err != nil:
				return &usageError{fmt.Errorf("%q is not the number of a warrant: 'tap25 warrant ls' lists them",
					args[0])}
			case d.required && text == "":
				return &usageError{fmt.Errorf("--%s is missing", d.flag)}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				err := d.do(db.DB, ctx, id, text)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "warrant %d %s\n", id, d.done)
				}
				return err
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().StringVar(&text, d.flag, "", d.usage)
	return cmd
}
