package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tap25/store"
)

// local is the value of --db that means the private cluster.
const local = "local"

// database is an open database and, where it is the private cluster, the use of it.
type database struct {
	*store.DB
	cluster *store.Cluster
}

// dbFlag adds --db to a command.
func dbFlag(cmd *cobra.Command, dsn *string) {
	cmd.Flags().StringVar(dsn, "db", "", "PostgreSQL URL, or local for tap25's private cluster (default: $DATABASE_URL, else local); "+
		"of several hosts, tap25 uses the one that accepts writes; put the password into ~/.pgpass, or into the file that passfile=PATH in the URL names")
}

func resolveDB(dsn string) string {
	if dsn == "" {
		dsn = os.Getenv("DATABASE_URL")
	}
	if dsn == "" {
		dsn = local
	}
	return dsn
}

func privateCluster() (*store.Cluster, error) {
	dir, err := store.StateDir()
	if err != nil {
		return nil, err
	}
	cluster, err := store.NewCluster(dir)
	if err == nil {
		cluster.Memory = availableMemory()
	}
	return cluster, err
}

// openDatabase opens the database that --db names. The private cluster is started and migrated as needed; the schema of
// another is only looked at.
func openDatabase(ctx context.Context, stderr io.Writer, dsn string) (*database, error) {
	db := &database{}
	dsn = resolveDB(dsn)
	if dsn == local {
		cluster, err := privateCluster()
		if err != nil {
			return nil, err
		}
		cluster.Waiting = func() {
			fmt.Fprintln(stderr, "tap25: done; waiting for other tap25 processes that use the private cluster, because it stops when this one ends")
		}
		if err := cluster.Use(ctx); err != nil {
			return nil, err
		}
		db.cluster, dsn = cluster, cluster.DSN()
	}
	var err error
	if db.DB, err = store.Open(ctx, dsn); err == nil && db.cluster != nil {
		err = db.Migrate(ctx)
	}
	if err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

func (db *database) close() error {
	if db.DB != nil {
		db.DB.Close()
	}
	if db.cluster != nil {
		return db.cluster.Release()
	}
	return nil
}

func dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "Start, stop, query, migrate and inspect the database",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no db command given: name up, down, psql, status, migrate or expire")}
		},
	}
	cmd.AddCommand(dbUp(), dbDown(), dbPsql(), dbStatus(), dbMigrate(), dbExpire())
	return cmd
}

func dbUp() *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Start the private PostgreSQL cluster and leave it running", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := privateCluster()
			if err != nil {
				return err
			}
			if err := cluster.Up(cmd.Context()); err != nil {
				return err
			}
			defer cluster.Release()
			db, err := store.Open(cmd.Context(), cluster.DSN())
			if err != nil {
				return err
			}
			defer db.Close()
			if err := db.Migrate(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "PostgreSQL is running: %s\n", cluster.DSN())
			return nil
		},
	}
}

func dbDown() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop the private PostgreSQL cluster", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := privateCluster()
			if err != nil {
				return err
			}
			return cluster.Down()
		},
	}
}

func dbPsql() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use: "psql [-- PSQL-ARGUMENTS]", Short: "Open the database with psql", Args: usageArgs(cobra.ArbitraryArgs),
		Example: "  tap25 db psql -- -c \"select * from mail_to('someone@example.org')\"",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			path, err := exec.LookPath("psql")
			if err != nil {
				return errors.New("psql is not installed: run apt-get install postgresql-client")
			}
			db, err := openDatabase(cmd.Context(), cmd.ErrOrStderr(), dsn)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.close()) }()
			psql := exec.Command(path, args...)
			psql.Stdin, psql.Stdout, psql.Stderr = cmd.InOrStdin(), unescaped(cmd.OutOrStdout()), unescaped(cmd.ErrOrStderr())
			if err := psqlConnection(psql, resolveDB(dsn), db.Conn().Config()); err != nil {
				return err
			}
			defer closeAll(psql.ExtraFiles)
			if db.TakesPath() { // else the database's own setting has to do
				psql.Env = append(psql.Env, "PGOPTIONS="+strings.TrimSpace(os.Getenv("PGOPTIONS")+" -c search_path=tap25,public"))
			}
			// Ctrl-C is psql's, each time: it ends a query there, not tap25.
			interrupts := make(chan os.Signal, 1)
			signal.Notify(interrupts, os.Interrupt)
			defer signal.Stop(interrupts)
			psql.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
			if err := psql.Run(); err != nil {
				return fmt.Errorf("psql: %w", err)
			}
			return nil
		},
	}
	dbFlag(cmd, &dsn)
	return cmd
}
