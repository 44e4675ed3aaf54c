package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/spools"
	"tap25/cmd/tap25/terminal"
	"tap25/store"
)

const dbStatusLong = `
status shows what the database holds, and what waits to be loaded in the spools of this machine. The number of rows is
the sum of what each load counted, so that status takes no longer on a billion rows.`

func dbStatus() *cobra.Command {
	var dsn string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what the database holds", Args: usageArgs(cobra.NoArgs),
		Long: dbStatusLong[1:],
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				s, err := db.Status(ctx)
				if err != nil {
					return err
				}
				waiting, err := spools.Sum()
				if err != nil {
					return err
				}
				if asJSON {
					e := json.NewEncoder(cmd.OutOrStdout())
					e.SetIndent("", "  ")
					return e.Encode(struct {
						store.Status
						Spool spools.Status `json:"spool"`
					}{s, waiting})
				}
				return writeStatus(cmd.OutOrStdout(), &s, &waiting)
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// writeStatus writes what the database holds, and what waits in spools.
func writeStatus(out io.Writer, s *store.Status, waiting *spools.Status) error {
	loaded := when(s.Loaded)
	if s.Lag != nil {
		loaded = fmt.Sprintf("%s (%.0f s ago)", loaded, *s.Lag)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w,
		"PostgreSQL\t%s\nschema\t%d\npartitions\t%d\nrows\t%d\nbytes\t%d (%d a row)\noldest\t%s\nnewest\t%s\n",
		s.Server, s.Version, s.Partitions, s.Rows, s.Bytes, s.BytesPerRow, when(s.Oldest), when(s.Newest))
	fmt.Fprintf(w, "finished days\t%d summarized, %d reindexed\n", s.Summarized, s.Reindexed)
	fmt.Fprintf(w, "held\t%d\nmisdated\t%d\nexpired days\t%d\nloads\t%d\nlast load\t%s\n", s.Held, s.Misdated,
		s.Expired, s.Loads, loaded)
	fmt.Fprintf(w, "coverage\t%s\n", coveredTo(s))
	fmt.Fprintf(w, "retention\t%s\naccesses\t%d, and %d rolled back or refused\n", s.Retention, s.Accesses, s.Missing)
	fmt.Fprintf(w,
		"spool\t%d segments with %d rows waiting, %d bytes in all files\noldest waiting\t%s\nset aside\t%d rows\n",
		waiting.Segments, waiting.Rows, waiting.Bytes, when(waiting.Oldest), waiting.SetAside)
	fmt.Fprintf(w, "kept\t%d segments with %d loaded rows\n", waiting.Kept, waiting.KeptRows)
	for _, day := range s.Late {
		fmt.Fprintf(w, "warning\t%s\n", day)
	}
	if s.Warning != "" {
		fmt.Fprintf(w, "warning\t%s\n", s.Warning)
	}
	return w.Flush()
}

// coveredTo says until when live taps have recorded coverage, and which of them do so now.
func coveredTo(s *store.Status) string {
	switch {
	case s.Covered == nil:
		return "none of a live tap"
	case len(s.Covering) == 0:
		return "up to " + when(s.Covered) + "; no live tap listens now"
	}
	return "up to " + when(s.Covered) + ": " + terminal.Escape(strings.Join(s.Covering, ", "))
}

// when formats a time, or "-" for none.
func when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
