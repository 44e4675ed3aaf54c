package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

const regionsLong = `
regions manages the databases that the questions with national in their names ask, such as mail_national_to() and
case_national(). Each region keeps its rows, its warrants and its records. The server of this database connects to the
others: a password stands in a password file of the user who runs it, which passfile= in the URL names. The user of the
URL asks there what needs no warrant; auditors are asked for by their own names.`

func dbRegions() *cobra.Command {
	cmd := &cobra.Command{
		Use: "regions", Short: "Add, list and remove the databases that national questions ask",
		Args: usageArgs(cobra.NoArgs),
		Long: regionsLong[1:],
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no regions command given: name add, ls or rm")}
		},
	}
	cmd.AddCommand(regionsAdd(), regionsLs(), regionsRm())
	return cmd
}

func regionsAdd() *cobra.Command {
	var dsn, url string
	cmd := &cobra.Command{
		Use: "add NAME --url URL", Short: "Add a region, or give it another URL", Args: usageArgs(cobra.ExactArgs(1)),
		Example: "  tap25 db regions add north \\\n" +
			"      --url 'postgres://national@db.north.example/mail?passfile=/etc/tap25/regions.pgpass'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if url == "" {
				return &usageError{errors.New("--url is missing: name the region's database")}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				return db.AddRegion(ctx, args[0], url)
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().StringVar(&url, "url", "", "URL of the region's database, without a password; required")
	return cmd
}

func regionsLs() *cobra.Command {
	var dsn string
	var patience time.Duration
	cmd := &cobra.Command{
		Use: "ls", Short: "List the regions, and whether each answers", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				regions, err := db.Regions(ctx, patience)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				fmt.Fprintln(w, "REGION\tANSWER\tSERVER")
				for _, r := range regions {
					fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, cmp.Or(r.Failure, "yes"), r.Server)
				}
				return w.Flush()
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().DurationVar(&patience, "patience", 10*time.Second, "how long to wait for the regions")
	return cmd
}

func regionsRm() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use: "rm NAME", Short: "Remove a region", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				return db.DropRegion(ctx, args[0])
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	return cmd
}
