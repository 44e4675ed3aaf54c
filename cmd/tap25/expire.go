package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/report"
	"tap25/store"
	"tap25/store/numeral"
)

const dbExpireLong = `
expire drops the days that are wholly older than the retention, after it has copied the rows under a legal hold. It
also removes the rows that only ended holds kept. The table expired records each of these, with the user.

expire skips a day that is being read or loaded; the next run drops it. If an open transaction of an auditor or an
administrator has kept a day for --end-readers-after, expire ends that session and records it. An owner of the
database who is not a superuser needs the roles pg_signal_backend and pg_read_all_stats for this.

The database stores the first retention that it gets, and drops nothing that this one keeps. A longer --retention
keeps more. A shorter one is refused until the owner stores it with --change-retention; the table retentions
records who did so, and when.

expire signs a certificate of what it drops, with the key of this machine; 'tap25 verify' checks it.

Then expire finishes each day that is over and has got no row for ten minutes, while readers and loads go on. It
writes a summary, with which queries about an address skip the days without that address. If this user owns the
tables, it also rebuilds their indexes, which makes them smaller.

A capture file whose rows were all dropped is forgotten: replaying it adds its rows again.

tap25 sniff does all of this every hour, and so does tap25 replay --follow, which drops days only with --retention.`

func dbExpire() *cobra.Command {
	var dsn, retention, key string
	var endReaders time.Duration
	cfg := store.ExpireConfig{Version: version()}
	cmd := &cobra.Command{
		Use: "expire", Short: "Drop days that are older than the retention, and finish days that are over",
		Args: usageArgs(cobra.NoArgs),
		Long: dbExpireLong[1:],
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if retention != "" {
				if cfg.Retention, err = store.ParseRetention(retention); err != nil {
					return &usageError{fmt.Errorf("--retention: %w", err)}
				}
			} else if cfg.Change {
				return &usageError{errors.New("--change-retention stores a retention: give it with --retention")}
			}
			cfg.EndReaders = afterwards(endReaders)
			if !cfg.DryRun {
				if cfg.Signer, err = openSigner(key); err != nil {
					return err
				}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				return expireNow(ctx, db.DB, cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().StringVar(&retention, "retention", "",
		"how long to keep days, such as 730d, 24mo or 2y (default: the stored retention)")
	cmd.Flags().BoolVar(&cfg.Change, "change-retention", false,
		"store --retention in the database, even if it is shorter than the stored one")
	endReadersFlag(cmd.Flags(), &endReaders)
	keyFlag(cmd.Flags(), &key)
	cmd.Flags().BoolVar(&cfg.DryRun, "dry-run", false, "show what would be dropped, and drop nothing")
	return cmd
}

// expireNow drops and finishes days, and prints which.
func expireNow(ctx context.Context, db *store.DB, cfg store.ExpireConfig, out, diag io.Writer) error {
	report, err := db.Expire(ctx, cfg)
	if err == nil || len(report.Dropped)+len(report.Ended)+len(report.Busy) > 0 {
		printExpired(out, report, cfg.DryRun)
	}
	if err != nil || cfg.DryRun {
		return err
	}
	finished, err := db.FinishDays(ctx, store.FinishConfig{Signer: cfg.Signer})
	for _, d := range finished {
		fmt.Fprintf(out, "finished %s\n", d)
	}
	if errors.Is(err, store.ErrPooled) {
		fmt.Fprintf(diag, "tap25: %v\n", err)
		return nil
	}
	return err
}

// afterwards converts --end-readers-after for store.ExpireConfig, in which zero means the default.
func afterwards(d time.Duration) time.Duration {
	if d <= 0 {
		return -1
	}
	return d
}

func printExpired(w io.Writer, expired store.ExpireReport, dry bool) {
	did := "dropped"
	if dry {
		did = "would drop"
	}
	var rows, bytes int64
	for _, d := range expired.Dropped {
		fmt.Fprintf(w, "%s %s %s: %s, %s", did, d.Kind, d.Day.Format(time.DateOnly),
			numeral.Count(d.Rows, "row"), report.Bytes(d.Bytes))
		if d.Kept > 0 {
			fmt.Fprintf(w, ", %s of them held", numeral.Grouped(d.Kept))
		}
		fmt.Fprintln(w)
		rows, bytes = rows+d.Rows, bytes+d.Bytes
	}
	for _, u := range expired.Ended {
		fmt.Fprintf(w, "ended the session of %s, which kept a day from being dropped\n", u)
	}
	for _, d := range expired.Busy {
		fmt.Fprintf(w, "skipped %s: run expire again later\n", d)
	}
	fmt.Fprintf(w, "%s %s, %s; days from %s on stay\n", did, numeral.Count(rows, "row"), report.Bytes(bytes),
		expired.Cutoff.Format(time.DateOnly))
}
