package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/report"
	"tap25/cmd/tap25/spools"
	"tap25/cmd/tap25/terminal"
	"tap25/store"
	"tap25/store/numeral"
)

const dbStatusLong = `
status shows what the database holds, and what waits to be loaded in the spools of this machine. The number of rows is
the sum of what each load counted, so that status takes no longer on a billion rows. If the database does not answer,
status shows only the spools, and fails. The rows of the last seven days show when the disk will be full. A login that
is not an administrator, such as a sensor's, sees the size of the database, and not what it holds.`

func dbStatus() *cobra.Command {
	var dsn string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what the database holds", Args: usageArgs(cobra.NoArgs),
		Long: dbStatusLong[1:],
		RunE: func(cmd *cobra.Command, _ []string) error {
			waiting, err := spools.Sum()
			if err != nil {
				return err
			}
			answered := false
			err = withDatabase(cmd, dsn, func(ctx context.Context, db *database) error {
				around := statusAround{Spool: waiting}
				if c := db.source.Cluster; c != nil {
					around.Disk = report.DiskOf(c.DataDir())
				}
				s, err := db.Status(ctx)
				if store.LacksRight(err) {
					limited, err := db.LimitedStatus(ctx)
					if answered = err == nil; !answered {
						return err
					}
					if asJSON {
						return indented(cmd.OutOrStdout(), struct {
							store.LimitedStatus
							statusAround
						}{limited, around})
					}
					return writeLimited(cmd.OutOrStdout(), &limited, &around)
				}
				if answered = err == nil; !answered {
					return err
				}
				if asJSON {
					return indented(cmd.OutOrStdout(), struct {
						store.Status
						statusAround
					}{s, around})
				}
				return writeStatus(cmd.OutOrStdout(), &s, &around)
			})
			if !answered && !asJSON {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				writeSpools(w, &waiting)
				err = errors.Join(err, w.Flush())
			}
			return err
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statusAround is what this machine shows beside the status of the database.
type statusAround struct {
	Disk  *report.Disk  `json:"disk,omitempty"` // of the database; nil: another host's
	Spool spools.Status `json:"spool"`
}

func indented(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeLimited writes what a login sees that may not ask what the database holds.
func writeLimited(out io.Writer, s *store.LimitedStatus, around *statusAround) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "PostgreSQL\t%s\nschema\t%d\npartitions\t%s\nbytes\t%s (%s)\n", s.Server, s.Version,
		numeral.Grouped(s.Partitions), numeral.Grouped(s.Size), report.Bytes(s.Size))
	if around.Disk != nil {
		fmt.Fprintf(w, "disk\t%s free\n", report.Bytes(around.Disk.Free))
	}
	if s.KeptFrom != nil {
		fmt.Fprintf(w, "retention\tkeeps %s and later days\n", s.KeptFrom.Format(time.DateOnly))
	}
	writeSpools(w, &around.Spool)
	fmt.Fprintln(w, "not shown\trows, growth, loads and accesses, which only an administrator may see (tap25_admin)")
	return w.Flush()
}

// writeStatus writes what the database holds, and what waits in spools.
func writeStatus(out io.Writer, s *store.Status, around *statusAround) error {
	loaded := when(s.Loaded)
	if s.Lag != nil {
		loaded = fmt.Sprintf("%s (%s ago)", loaded, report.Span(time.Duration(*s.Lag*float64(time.Second))))
	}
	n := numeral.Grouped
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "PostgreSQL\t%s\nschema\t%d\npartitions\t%s\nrows\t%s\nbytes\t%s (%s, %s a row)\n", s.Server, s.Version,
		n(s.Partitions), n(s.Rows), n(s.Bytes), report.Bytes(s.Bytes), perRow(s.BytesPerRow, s.Rows))
	if s.Servers > 0 {
		fmt.Fprintf(w, "distributed\tover %d servers; days are not packed\n", s.Servers)
	} else {
		fmt.Fprintf(w, "packed\t%s with %s, %s bytes a row; %s a row in other days\n", numeral.Count(s.PackedDays, "day"),
			numeral.Count(s.PackedRows, "row"), perRow(s.PackedBytesPerRow, s.PackedRows),
			perRow(s.HotBytesPerRow, s.Rows-s.PackedRows))
	}
	fmt.Fprintf(w, "growth\t%s\n", growth(s))
	if disk := around.Disk; disk != nil {
		fmt.Fprintf(w, "disk\t%s free, %s\n", report.Bytes(disk.Free), fullOn(disk, s))
	}
	fmt.Fprintf(w, "oldest\t%s\nnewest\t%s\n", when(s.Oldest), when(s.Newest))
	fmt.Fprintf(w, "finished days\t%s summarized, %s reindexed, %s frozen\n", n(s.Summarized), n(s.Reindexed),
		n(s.Frozen))
	fmt.Fprintf(w, "indexes of new days\t%d bits of an address, for %s rows a day\n", s.IndexBits, n(s.IndexedFor))
	fmt.Fprintf(w, "held\t%s\nmisdated\t%s\nexpired days\t%s\nloads\t%s\nlast load\t%s\n", n(s.Held), n(s.Misdated),
		n(s.Expired), n(s.Loads), loaded)
	fmt.Fprintf(w, "coverage\t%s\n", coveredTo(s))
	fmt.Fprintf(w, "retention\t%s\naccesses\t%s, and %s rolled back or refused\n", s.Retention, n(s.Accesses),
		n(s.Missing))
	writeSpools(w, &around.Spool)
	for _, day := range s.Late {
		fmt.Fprintf(w, "warning\t%s\n", day)
	}
	if s.Warning != "" {
		fmt.Fprintf(w, "warning\t%s\n", s.Warning)
	}
	return w.Flush()
}

// perRow writes how many octets each of some rows takes, and "-" if there are none: what there is then is no row's.
func perRow(octets, rows int64) string {
	if rows == 0 {
		return "-"
	}
	return numeral.Grouped(octets)
}

// writeSpools writes what waits in spools.
func writeSpools(w io.Writer, s *spools.Status) {
	n := numeral.Grouped
	fmt.Fprintf(w,
		"spool\t%s segments with %s rows waiting, %s in all files\noldest waiting\t%s\nset aside\t%s rows\n",
		n(int64(s.Segments)), n(s.Rows), report.Bytes(s.Bytes), when(s.Oldest), n(s.SetAside))
	fmt.Fprintf(w, "kept\t%s segments with %s loaded rows\n", n(int64(s.Kept)), n(s.KeptRows))
}

// growth reports how much a day adds: the mean of those of the seven days before today that have rows.
func growth(s *store.Status) string {
	switch text := numeral.Grouped(s.RowsADay) + " rows a day, " + report.Bytes(s.Growth); {
	case s.RowsADay == 0:
		return "not known: none of the seven days before today has rows"
	case s.Servers > 0:
		return text
	default:
		return text + ", and " + report.Bytes(s.HotGrowth) + " until they are packed"
	}
}

// fullOn says when a disk will be full if mail keeps coming as in the last week.
func fullOn(disk *report.Disk, s *store.Status) string {
	days, full := s.FullIn(disk.Free)
	if s.RowsADay == 0 {
		return "not known when it is full"
	}
	if !full {
		return "not full within ten years, by the retention in force"
	}
	return "full on " + time.Now().AddDate(0, 0, days).UTC().Format(time.DateOnly) + ", by the retention in force"
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
