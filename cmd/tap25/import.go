package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/archive"
	"tap25/store"
	"tap25/store/numeral"
)

const importLong = `
import loads files that 'tap25 export --format parquet' has written, or all of a directory. A row that the database has
already, the same in all columns, is not added again. If the import is interrupted, run the same command again: it adds
the missing rows.

If there is a manifest beside a file, its signature and the file's SHA-256 must fit. Compare the key that is printed
with that of whoever exported. A file is checked as a whole before any row of it is loaded.

The rows are loaded as a sensor's are. tap25 signs them with the key of this machine: that shows that they were imported
from a file with that SHA-256. The evidence of the database that they were exported from stays there. A sensor's login
imports the rows of its own sensor, the owner of the database all.`

func importCommand() *cobra.Command {
	var dsn, key string
	cmd := &cobra.Command{
		Use:     "import FILE|DIRECTORY...",
		Short:   "Load Parquet files that were exported, each row once",
		Long:    importLong[1:],
		Example: "  tap25 import mail-2026-01\n  tap25 import mail-2026-01/mail-2026-01-31.parquet",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, paths []string) (err error) {
			for _, path := range paths { // before the first file is loaded
				if _, err := os.Stat(path); err != nil {
					return fmt.Errorf("import: %w", err)
				}
			}
			source, err := store.NewDatabase(resolveDB(dsn))
			if err != nil {
				return err
			}
			if source.Cluster != nil {
				source.Cluster.Waiting = tellWaiting(cmd.ErrOrStderr())
				source.Cluster.Unshared = tellUnshared(cmd.ErrOrStderr())
			}
			defer func() { err = errors.Join(err, source.Release(cmd.Context())) }()
			db, err := source.Connect(cmd.Context())
			if err != nil {
				return err
			}
			defer db.Close()
			signer, err := openSigner(key)
			if err != nil {
				return err
			}
			if err = importFiles(cmd, db, signer, paths); store.LacksRight(err) {
				return errors.New("this login may not do that: " + whoMay(cmd))
			}
			return err
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	keyFlag(cmd.Flags(), &key)
	return cmd
}

// importFiles imports, and prints what became of each file and of all.
func importFiles(cmd *cobra.Command, db *store.DB, signer *store.Signer, paths []string) error {
	ctx, w, begun := cmd.Context(), cmd.OutOrStdout(), time.Now()
	keptFrom, err := db.KeptFrom(ctx)
	if err != nil {
		return err
	}
	var files, added, held int64
	i := archive.Importer{DB: db, Signer: signer, Done: func(f archive.FileReport) {
		files, added, held = files+1, added+f.Added, held+f.Held
		fmt.Fprintf(w, "%s: %s added", f.Path, numeral.Count(f.Added, "row"))
		if f.Held > 0 {
			fmt.Fprintf(w, ", %s already there", numeral.Grouped(f.Held))
		}
		if f.Broken {
			fmt.Fprint(w, ", the rest is missing")
		}
		if f.SignedBy != "" {
			fmt.Fprintf(w, "; signed with the key %s", f.SignedBy)
		}
		fmt.Fprintln(w)
		if f.Added > 0 && f.First.Before(keptFrom) {
			fmt.Fprintf(cmd.ErrOrStderr(), "tap25: warning: the retention keeps no rows of before %s: expiry will "+
				"drop those of %s\n", keptFrom.Format(time.DateOnly), f.Path)
		}
	}}
	for _, path := range paths {
		if err = i.Import(ctx, path); err != nil {
			break
		}
	}
	for _, warning := range db.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "tap25: warning:", warning)
	}
	if err != nil && ctx.Err() != nil {
		err = errors.New("import: interrupted; to add the rest, run the same command again")
	}
	if err == nil || files > 0 {
		seconds := max(time.Since(begun), time.Microsecond).Seconds()
		fmt.Fprintf(w, "%s: %s added, %s already there, in %.1f s (%.0f rows/s)\n", numeral.Count(files, "file"),
			numeral.Count(added, "row"), numeral.Grouped(held), seconds, float64(added+held)/seconds)
	}
	return err
}

// readRowsCommand is for import alone: see archive.ServeRows.
func readRowsCommand() *cobra.Command {
	return &cobra.Command{
		Use: archive.ReaderCommand, Short: "Read an exported file for 'tap25 import'", Hidden: true,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return archive.ServeRows(os.Stdout) },
	}
}
