package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tap25/store/numeral"
)

const dbDistributeLong = `
distribute divides the rows of mail among several PostgreSQL servers by session. It needs Citus, an extension that an
administrator installs: the database is that of the coordinator, which knows its workers. Loads, questions, holds,
warrants, expiry and verify go on as before, through the coordinator. All other tables stay there.

It is done once, as the owner of the tables, in one transaction; nobody reads or loads meanwhile. Rows that are there
are copied to the workers. There is no way back but 'tap25 export' and 'tap25 import'. Packed days cannot be
distributed, and no day of a distributed database is packed. docs/operating.md says what else is different.`

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
