package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tap25/cmd/tap25/psql"
	"tap25/cmd/tap25/terminal"
	"tap25/store"
)

// database is an open database, and the way to it.
type database struct {
	*store.DB
	source *store.Database
}

// dbFlag adds --db to a command.
func dbFlag(f *pflag.FlagSet, dsn *string) {
	f.StringVar(dsn, "db", "",
		"PostgreSQL URL, or local for tap25's private cluster (default: $DATABASE_URL, else local); "+
			"of several hosts, tap25 uses the one that accepts writes; put the password into ~/.pgpass, or into the "+
			"file that passfile=PATH in the URL names")
}

func resolveDB(dsn string) string {
	if dsn == "" {
		dsn = os.Getenv("DATABASE_URL")
	}
	if dsn == "" {
		dsn = store.Local
	}
	return dsn
}

// tellWaiting returns a function that prints that the end has to wait for other processes.
func tellWaiting(stderr io.Writer) func() {
	return func() {
		fmt.Fprintln(stderr, "tap25: done; waiting for other tap25 processes that use the private cluster, because "+
			"it stops when this one ends")
	}
}

// openDatabase opens the database that --db names. The private cluster is started and migrated as needed; the schema of
// another is only looked at.
func openDatabase(ctx context.Context, stderr io.Writer, dsn string) (*database, error) {
	source, err := store.NewDatabase(resolveDB(dsn))
	if err != nil {
		return nil, err
	}
	if source.Cluster != nil {
		source.Cluster.Waiting = tellWaiting(stderr)
		source.Cluster.Unshared = tellUnshared(stderr)
	}
	db, err := source.Open(ctx)
	if err != nil {
		return nil, errors.Join(err, source.Release(ctx))
	}
	return &database{db, source}, nil
}

// openExisting is openDatabase, but makes no private cluster: a hold, for example, would be in an empty one of this
// user's, and keep nothing.
func openExisting(ctx context.Context, stderr io.Writer, dsn string) (*database, error) {
	d, err := store.NewDatabase(resolveDB(dsn))
	if err == nil && d.Cluster != nil && !d.Cluster.Made() {
		return nil, fmt.Errorf("there is no private cluster in %s: name the database with --db URL or $DATABASE_URL, or "+
			"make a cluster by 'tap25 db up' or 'tap25 replay'", d.Cluster.DataDir())
	}
	return openDatabase(ctx, stderr, dsn)
}

func (db *database) close(ctx context.Context) error {
	db.DB.Close()
	return db.source.Release(ctx)
}

func dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "Start, stop, query, migrate and inspect the database",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no db command given: name up, down, psql, status, migrate, expire, pack, " +
				"distribute or regions")}
		},
	}
	cmd.AddCommand(dbUp(), dbDown(), dbPsql(), dbStatus(), dbMigrate(), dbExpire(), dbPack(), dbDistribute(),
		dbRegions())
	return cmd
}

func dbDown() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop the private PostgreSQL cluster", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := store.NewDatabase(store.Local)
			if err != nil {
				return err
			}
			return d.Cluster.Down()
		},
	}
}

func dbPsql() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use: "psql [-- PSQL-ARGUMENTS]", Short: "Open the database with psql", Args: usageArgs(cobra.ArbitraryArgs),
		Example: "  tap25 db psql -- -c \"select * from mail_to('someone@example.org')\"",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			path, err := psql.Find()
			if err != nil {
				return err
			}
			db, err := openExisting(cmd.Context(), cmd.ErrOrStderr(), dsn)
			if err != nil {
				return err
			}
			// Ctrl-C is psql's, each time: it ends a query there, not tap25. SIGTERM ends both.
			interrupts := make(chan os.Signal, 1)
			signal.Notify(interrupts, os.Interrupt)
			defer signal.Stop(interrupts)
			terminated, stop := signal.NotifyContext(context.WithoutCancel(cmd.Context()), syscall.SIGTERM)
			defer stop()
			defer func() {
				ctx := cmd.Context()
				if ctx.Err() != nil { // by a Ctrl-C that was psql's
					ctx = terminated
				}
				err = errors.Join(err, db.close(ctx))
			}()
			if db.source.Cluster != nil {
				if err := db.RecordOpening(cmd.Context(), psql.Opener()); err != nil {
					return err
				}
			}
			s := psql.Session{
				Path: path, Args: args, DSN: resolveDB(dsn), DB: db.DB,
				Stdin: cmd.InOrStdin(), Stdout: terminal.Unescaped(cmd.OutOrStdout()),
				Stderr: terminal.Unescaped(cmd.ErrOrStderr()),
			}
			return s.Run(terminated)
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	return cmd
}
