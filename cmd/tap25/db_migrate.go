package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"tap25/store"
)

func dbMigrate() *cobra.Command {
	var dsn string
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema to this tap25's version", Args: usageArgs(cobra.NoArgs),
		Long: "Brings the database's schema to this tap25's version, makes the roles and gives them their rights, and closes the database\n" +
			"to PUBLIC where this user owns it: nobody but its owner and members of the roles may connect then. It refuses where others\n" +
			"may create objects in a schema that statements search, and says what to run.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			dsn = resolveDB(dsn)
			if dsn == store.Local {
				db, err := openDatabase(cmd.Context(), cmd.ErrOrStderr(), dsn) // which migrates
				if err != nil {
					return err
				}
				return db.close()
			}
			db, err := store.Open(cmd.Context(), dsn)
			if err != nil {
				return err
			}
			defer db.Close()
			return migrateAndSay(cmd.Context(), db, cmd.ErrOrStderr())
		},
	}
	dbFlag(cmd, &dsn)
	return cmd
}

// migrateAndSay migrates a database and says what its users will notice, and what an administrator has to do.
func migrateAndSay(ctx context.Context, db *store.DB, diag io.Writer) error {
	wasOpen, err := db.OpenToAll(ctx)
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
	missing, err := db.MissingRoles(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Fprintf(diag, "tap25: this user may not make roles, so these are missing: %s; all works for the owner without them.\n"+
			"To have them, let an administrator run 'create role NAME' for each, then run this again.\n", strings.Join(missing, ", "))
	}
	return sayWhoConnects(ctx, db, diag, wasOpen)
}

// sayWhoConnects tells of the settings of the database itself.
func sayWhoConnects(ctx context.Context, db *store.DB, diag io.Writer, wasOpen bool) error {
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
		fmt.Fprintf(diag, "tap25: any login of the server may connect to this database. Let its owner run:\n"+
			"REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC; GRANT CONNECT ON DATABASE %[1]s TO tap25_sensor, tap25_auditor, tap25_admin;\n", name)
	case wasOpen:
		fmt.Fprintf(diag, "tap25: only the owner of this database and members of tap25_sensor, tap25_auditor and tap25_admin may connect to it from now on.\n"+
			"To let others in: GRANT CONNECT ON DATABASE %s TO ...;\n", name)
	}
	if !strings.Contains(path, "tap25") {
		fmt.Fprintf(diag, "tap25: SELECT ... FROM mail needs the schema tap25 in the search_path. Let the database's owner run:\n"+
			"ALTER DATABASE %s SET search_path = tap25, public;\n", name)
	}
	return nil
}
