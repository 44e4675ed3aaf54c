package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/report"
	"tap25/store"
	"tap25/store/numeral"
)

const dbPackLong = `
pack packs days that are over, those named or all older than --older-than, into which nothing was loaded for ten
minutes. A packed day takes a quarter of its size, and is asked as before. Rows that come later are packed beside the
others. Readers and loads go on while a day is packed, and a crash leaves the day as it was.

tap25 sniff does this every hour (--pack-after), and so does tap25 replay --follow.`

func dbPack() *cobra.Command {
	var dsn, older string
	var days []time.Time
	cmd := &cobra.Command{
		Use: "pack [DAY...]", Short: "Pack days that are over, to a quarter of their size",
		Long: dbPackLong[1:], Example: "  tap25 db pack\n  tap25 db pack --older-than 1mo\n  tap25 db pack 2026-11-01",
		Args: usageArgs(func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				day, err := time.Parse(time.DateOnly, a)
				if err != nil {
					return fmt.Errorf("%q is no day: write it as 2026-11-01", a)
				}
				days = append(days, day)
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg := store.PackConfig{Days: days}
			if len(days) == 0 {
				if cfg.OlderThan, err = store.ParseRetention(older); err != nil {
					return &usageError{fmt.Errorf("--older-than: %w", err)}
				}
			}
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				packed, err := db.PackDays(ctx, cfg)
				printPacked(cmd.OutOrStdout(), packed)
				if err == nil {
					printNotPacked(cmd.OutOrStdout(), packed, days, older)
				}
				return err
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().StringVar(&older, "older-than", "7d", "how old a day is at least, such as 7d or 1mo, if no day is named")
	return cmd
}

func printPacked(w io.Writer, packed []store.PackedDay) {
	for _, d := range packed {
		if d.Busy != nil {
			fmt.Fprintf(w, "skipped %s: %v\n", d.Day.Format(time.DateOnly), d.Busy)
			continue
		}
		fmt.Fprintf(w, "packed %s: %s, %s to %s, in %s\n", d.Day.Format(time.DateOnly), numeral.Count(d.Rows, "row"),
			report.Bytes(d.Before), report.Bytes(d.After), report.Span(d.Took))
	}
}

// printNotPacked names the days that were asked for and were not due. Without any, it reports that no day was due.
func printNotPacked(w io.Writer, packed []store.PackedDay, named []time.Time, older string) {
	for _, day := range named {
		if !slices.ContainsFunc(packed, func(d store.PackedDay) bool { return d.Day.Equal(day) }) {
			fmt.Fprintf(w, "skipped %s: it has no unpacked rows, is not over, got rows in the last ten minutes, or was "+
				"restored from a dump\n", day.Format(time.DateOnly))
		}
	}
	if len(packed) == 0 && len(named) == 0 {
		fmt.Fprintf(w, "no day to pack: none that is older than %s has unpacked rows from more than ten minutes ago "+
			"that were loaded here, and not restored from a dump\n", older)
	}
}
