package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tap25/store/numeral"
)

const dbDistributeLong = `
distribute divides the rows of mail among several PostgreSQL servers by session. It needs Citus, an extension of
PostgreSQL. An administrator first installs Citus and adds the workers to a coordinator. --db names the database of the
coordinator. Loads, questions, holds, warrants, expiry and verify go on as before, through the coordinator. All other
tables stay there.

Run distribute once, as the owner of the tables. It is one transaction, and copies the rows that are there to the
workers. Nobody can read or load meanwhile. To undo it, use 'tap25 export', and 'tap25 import' into another database.
Packed days cannot be distributed, and no day of a distributed database is packed. docs/operating.md describes what else
is different.`

func dbDistribute() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use: "distribute", Short: "Divide the rows among several servers, with Citus",
		Long: dbDistributeLong[1:], Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				d, err := db.Distribute(ctx)
				if err != nil {
					return err
				}
				what := "distributed " + numeral.Grouped(d.Rows) + " rows"
				if !d.Before.IsZero() {
					what = fmt.Sprintf("nothing to do: the database has been distributed since %s; it has %s rows",
						d.Before.UTC().Format(time.RFC3339), numeral.Grouped(d.Rows))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s\nenvelopes, misdated and held: %d shards each on %d servers, by "+
					"session_id (Citus %s)\nall other tables, the views and the functions: on this server\n", what,
					d.Shards, d.Workers, d.Citus)
				return nil
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	return cmd
}
