package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tap25/store"
)

const dbMigrateLong = `
migrate creates the schema or brings it to the version of this tap25, creates the roles, and grants them their rights.
If this user owns the database, migrate revokes the right to connect from PUBLIC: then only the owner and members of
the roles may connect. If others may create objects in a schema on the search path, migrate fails and prints the
statements that stop them. It prints the version that the schema had and has.

The indexes of addresses have as many bits of a hash as the volume needs: for more rows a day, wider ones cost less time
and more room. --rows-a-day chooses them for the days to come; days that have rows keep theirs. The default is a
million. 'tap25 db status' shows what is in force, and advises if the volume has outgrown it.`

func dbMigrate() *cobra.Command {
	var dsn string
	var rowsADay int64
	cmd := &cobra.Command{
		Use: "migrate", Short: "Create the database's schema, or bring it to the version of this tap25",
		Args: usageArgs(cobra.NoArgs),
		Long: dbMigrateLong[1:],
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("rows-a-day") && rowsADay < 1 {
				return &usageError{errors.New("--rows-a-day: want a number above 0")}
			}
			dsn = resolveDB(dsn)
			if dsn == store.Local {
				db, err := openDatabase(cmd.Context(), cmd.ErrOrStderr(), dsn) // which migrates
				if err != nil {
					return err
				}
				have, _, err := db.Version(cmd.Context())
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "the schema of the private cluster has version %d\n", have)
					err = setVolume(cmd.Context(), db.DB, rowsADay, cmd.OutOrStdout())
				}
				return errors.Join(err, db.close(cmd.Context()))
			}
			db, err := store.Open(cmd.Context(), dsn)
			if err != nil {
				return err
			}
			defer db.Close()
			err = migrateAndReport(cmd.Context(), db, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return setVolume(cmd.Context(), db, rowsADay, cmd.OutOrStdout())
		},
	}
	dbFlag(cmd.Flags(), &dsn)
	cmd.Flags().Int64Var(&rowsADay, "rows-a-day", 0, "rows a day for which the indexes of new days are made")
	return cmd
}

// setVolume chooses the indexes of new days if a number of rows is given.
func setVolume(ctx context.Context, db *store.DB, rowsADay int64, out io.Writer) error {
	if rowsADay == 0 {
		return nil
	}
	bits, err := db.SetVolume(ctx, rowsADay)
	if err == nil {
		fmt.Fprintf(out, "the indexes of addresses of new days have %d bits of a hash\n", bits)
	}
	return err
}

// migrateAndReport migrates a database, and reports what it did, what its users will notice and what an administrator
// has to do.
func migrateAndReport(ctx context.Context, db *store.DB, out, diag io.Writer) error {
	wasOpen, err := db.OpenToAll(ctx)
	if err != nil {
		return err
	}
	had, want, err := db.Version(ctx)
	if err == nil {
		err = db.Migrate(ctx)
	}
	if err == nil {
		err = db.Guard(ctx)
	}
	if err == nil {
		err = db.GrantRoles(ctx)
	}
	if err != nil {
		return err
	}
	switch had {
	case 0:
		fmt.Fprintf(out, "made the schema, version %d\n", want)
	case want:
		fmt.Fprintf(out, "the schema has version %d already\n", want)
	default:
		fmt.Fprintf(out, "migrated the schema from version %d to %d\n", had, want)
	}
	missing, err := db.MissingRoles(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Fprintf(diag, "tap25: this user may not create roles, so these are missing: %s. The owner can do "+
			"everything without them.\n"+
			"To get them, have an administrator run CREATE ROLE for each, then run 'tap25 db migrate' again.\n",
			strings.Join(missing, ", "))
	}
	return reportAccess(ctx, db, diag, wasOpen)
}

// reportAccess reports who may connect, and if the search path lacks tap25's schema.
func reportAccess(ctx context.Context, db *store.DB, diag io.Writer, wasOpen bool) error {
	open, err := db.OpenToAll(ctx)
	if err != nil {
		return err
	}
	path, err := db.SearchPath(ctx)
	if err != nil {
		return err
	}
	name := pgx.Identifier{db.Conn().Config().Database}.Sanitize()
	switch {
	case open:
		fmt.Fprintf(diag,
			"tap25: any login of the server may connect to this database. To stop that, have its owner run:\n"+
				"REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC; GRANT CONNECT ON DATABASE %[1]s TO "+
				"tap25_sensor, tap25_auditor, tap25_approver, tap25_admin;\n", name)
	case wasOpen:
		fmt.Fprintf(diag, "tap25: from now on, only the owner of this database and members of tap25_sensor, "+
			"tap25_auditor, tap25_approver and tap25_admin may connect to it.\n"+
			"To let others connect: GRANT CONNECT ON DATABASE %s TO ...;\n", name)
	}
	if !strings.Contains(path, "tap25") {
		fmt.Fprintf(diag, "tap25: queries that name tables without a schema need tap25 in the search_path. Have the "+
			"database's owner run:\n"+
			"ALTER DATABASE %s SET search_path = tap25, public;\n", name)
	}
	return nil
}
