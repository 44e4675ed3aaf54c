package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tap25/store"
)

func dbExpire() *cobra.Command {
	var dsn, retention string
	var endReaders time.Duration
	cfg := store.ExpireConfig{Version: version()}
	cmd := &cobra.Command{
		Use: "expire", Short: "Drop the days that are older than the retention, and finish those that are over", Args: usageArgs(cobra.NoArgs),
		Long: "Drops the days that are wholly older than the retention, after copying what legal holds keep, and removes what ended\n" +
			"holds kept. Each is recorded in the table expired, with the user. A day that is being read or loaded is left for the next\n" +
			"time; but a transaction of an auditor or an administrator that has kept it for --end-readers-after is ended, and that recorded. A\n" +
			"database's owner who is no superuser needs the roles pg_signal_backend and pg_read_all_stats for that.\n\n" +
			"The database stores the first retention that it is given, and drops nothing that it keeps. A longer --retention is\n" +
			"obeyed, a shorter one is refused until --change-retention stores it, which takes the owner; the table retentions says who\n" +
			"did so, and when.\n\n" +
			"Then it finishes the days that are over and got no row for ten minutes, each once, beside readers and loads: a summary\n" +
			"lets questions about an address leave out the days that do not have it; where this user owns the tables, indexes are\n" +
			"rebuilt, which packs them. sniff and replay --follow do all of this by themselves, every hour.",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if retention != "" {
				if cfg.Retention, err = store.ParseRetention(retention); err != nil {
					return &usageError{err}
				}
			} else if cfg.Change {
				return &usageError{errors.New("--change-retention needs the --retention to store")}
			}
			cfg.EndReaders = afterwards(endReaders)
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				report, err := db.Expire(ctx, cfg)
				printExpired(cmd.OutOrStdout(), report, cfg.DryRun)
				if err != nil || cfg.DryRun {
					return err
				}
				finished, err := db.FinishDays(ctx, store.FinishConfig{})
				for _, d := range finished {
					fmt.Fprintf(cmd.OutOrStdout(), "finished %s\n", d)
				}
				if errors.Is(err, store.ErrPooled) {
					fmt.Fprintf(cmd.ErrOrStderr(), "tap25: %v\n", err)
					return nil
				}
				return err
			})
		},
	}
	dbFlag(cmd, &dsn)
	cmd.Flags().StringVar(&retention, "retention", "", "how long days are kept: days, months or years, such as 730d, 24mo, 2y (default: as the database has stored, else 2y)")
	cmd.Flags().BoolVar(&cfg.Change, "change-retention", false, "store --retention in the database, even if it is shorter than the one stored")
	endReadersFlag(cmd.Flags(), &endReaders)
	cmd.Flags().BoolVar(&cfg.DryRun, "dry-run", false, "only show what would be dropped")
	return cmd
}

// endReadersFlag adds --end-readers-after to a command that expires days.
func endReadersFlag(f *pflag.FlagSet, d *time.Duration) {
	f.DurationVar(d, "end-readers-after", time.Hour, "how long an auditor's or administrator's open transaction may keep a day from being dropped, before it is ended; 0 ends none")
}

// afterwards is --end-readers-after as store.ExpireConfig has it, where zero is the default.
func afterwards(d time.Duration) time.Duration {
	if d <= 0 {
		return -1
	}
	return d
}

func printExpired(w io.Writer, report store.ExpireReport, dry bool) {
	did := "dropped"
	if dry {
		did = "would drop"
	}
	var rows, bytes int64
	for _, d := range report.Dropped {
		fmt.Fprintf(w, "%s %s %s: %d rows, %d bytes", did, d.Kind, d.Day.Format(time.DateOnly), d.Rows, d.Bytes)
		if d.Kept > 0 {
			fmt.Fprintf(w, ", %d of them held", d.Kept)
		}
		fmt.Fprintln(w)
		rows, bytes = rows+d.Rows, bytes+d.Bytes
	}
	for _, u := range report.Ended {
		fmt.Fprintf(w, "ended the session of %s, which kept a day from being dropped\n", u)
	}
	for _, d := range report.Busy {
		fmt.Fprintf(w, "left %s: run this again\n", d)
	}
	fmt.Fprintf(w, "%s %d rows, %d bytes; days from %s on are kept\n", did, rows, bytes, report.Cutoff.Format(time.DateOnly))
}
