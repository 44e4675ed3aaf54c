package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tap25/store"
	"tap25/store/spool"
)

func dbStatus() *cobra.Command {
	var dsn string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what the database holds", Args: usageArgs(cobra.NoArgs),
		Long: "status shows what the database holds, and what waits to be loaded in the spools of this machine. The number of rows is\n" +
			"the sum of what each load counted, so that status takes no longer on a billion rows.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				s, err := db.Status(ctx)
				if err != nil {
					return err
				}
				waiting, err := waitingInSpools()
				if err != nil {
					return err
				}
				if asJSON {
					e := json.NewEncoder(cmd.OutOrStdout())
					e.SetIndent("", "  ")
					return e.Encode(struct {
						store.Status
						Spool spoolStatus `json:"spool"`
					}{s, waiting})
				}
				loaded := when(s.Loaded)
				if s.Lag != nil {
					loaded = fmt.Sprintf("%s (%.0f s ago)", loaded, *s.Lag)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				fmt.Fprintf(w, "PostgreSQL\t%s\nschema\t%d\npartitions\t%d\nrows\t%d\nbytes\t%d (%d a row)\noldest\t%s\nnewest\t%s\n",
					s.Server, s.Version, s.Partitions, s.Rows, s.Bytes, s.BytesPerRow, when(s.Oldest), when(s.Newest))
				fmt.Fprintf(w, "finished days\t%d summarized, %d reindexed\n", s.Summarized, s.Reindexed)
				fmt.Fprintf(w, "held\t%d\nmisdated\t%d\nexpired days\t%d\nloads\t%d\nlast load\t%s\n", s.Held, s.Misdated, s.Expired, s.Loads, loaded)
				fmt.Fprintf(w, "retention\t%s\naccesses\t%d, and %d rolled back or refused\n", s.Retention, s.Accesses, s.Missing)
				fmt.Fprintf(w, "spool\t%d segments with %d rows waiting, %d bytes in all files\noldest waiting\t%s\nset aside\t%d rows\n",
					waiting.Segments, waiting.Rows, waiting.Bytes, when(waiting.Oldest), waiting.SetAside)
				fmt.Fprintf(w, "kept\t%d segments with %d loaded rows\n", waiting.Kept, waiting.KeptRows)
				for _, day := range s.Late {
					fmt.Fprintf(w, "warning\t%s\n", day)
				}
				if s.Warning != "" {
					fmt.Fprintf(w, "warning\t%s\n", s.Warning)
				}
				return w.Flush()
			})
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// spoolStatus sums up the spools in the state directory.
type spoolStatus struct {
	Segments int        `json:"waiting_segments"`
	Rows     int64      `json:"waiting_rows"`
	Bytes    int64      `json:"bytes"` // of all files
	Oldest   *time.Time `json:"oldest_waiting"`
	SetAside int64      `json:"set_aside"` // rows that the database refused
	Kept     int        `json:"kept_segments"`
	KeptRows int64      `json:"kept_rows"` // loaded, and kept in case a failover loses them
}

func waitingInSpools() (s spoolStatus, err error) {
	files, err := spoolFiles(nil)
	if err != nil {
		return s, err
	}
	for _, f := range files {
		s.Bytes += f.Bytes
		switch f.State {
		case spool.Waiting:
			if at := time.UnixMicro(int64(f.Sequence)).UTC(); s.Oldest == nil {
				s.Oldest = &at
			}
			s.Segments++
			s.Rows += int64(f.Records)
		case spool.Kept:
			s.Kept++
			s.KeptRows += int64(f.Records)
		case spool.Refused:
			if file, _, _, err := spool.ReadFile(f.Path); err == nil {
				s.SetAside += int64(file.Records)
			}
		}
	}
	return s, nil
}

// when formats a time, or "-" for none.
func when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
