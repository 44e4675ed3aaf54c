package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tap25/store"
)

const dbUpLong = `
up starts the private PostgreSQL cluster, which then runs until 'tap25 db down'.

With --share and --share-group, members of a group of the operating system may connect too: up makes the directory,
gives it to the user who runs the server and to the group, and stores it, so that every later start listens there. Each
member connects as the role that has the name of his or her login, without a password, if that role is a member of
tap25_auditor, tap25_approver or tap25_admin, and as no other role. Who may connect as the cluster's owner does not
change. Choose a directory that a reboot does not remove. It stays when the server stops, without the socket.`

// noShare is the value of --share that ends the sharing.
const noShare = "none"

func dbUp() *cobra.Command {
	var dir, group string
	cmd := &cobra.Command{
		Use: "up", Short: "Start the private PostgreSQL cluster and leave it running", Args: usageArgs(cobra.NoArgs),
		Long:    dbUpLong[1:],
		Example: "  tap25 db up\n  tap25 db up --share /var/lib/tap25-auditors --share-group auditors",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (dir == "" || dir == noShare) != (group == "") {
				return &usageError{errors.New("--share DIR and --share-group GROUP go together; --share none takes no group")}
			}
			d, err := store.NewDatabase(store.Local)
			if err != nil {
				return err
			}
			d.Cluster.Unshared = tellUnshared(cmd.ErrOrStderr())
			switch dir {
			case "":
			case noShare:
				err = d.Cluster.Unshare(cmd.Context())
			default:
				err = d.Cluster.Share(cmd.Context(), dir, group)
			}
			if err != nil {
				return err
			}
			if err = up(cmd.Context(), d, cmd.OutOrStdout()); err != nil && dir != "" {
				return fmt.Errorf("--share is stored, and takes effect at the next start of the cluster: %w", err)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "share", "",
		"directory through which the members of --share-group connect to the cluster, stored until --share none")
	cmd.Flags().StringVar(&group, "share-group", "", "group of the operating system whose members may connect")
	return cmd
}

// up starts the cluster, migrates it, and prints how to connect.
func up(ctx context.Context, d *store.Database, out io.Writer) error {
	if err := d.Cluster.Up(ctx); err != nil {
		return err
	}
	defer d.Release(ctx)
	db, err := d.Open(ctx)
	if err != nil {
		return err
	}
	db.Close()
	fmt.Fprintf(out, "PostgreSQL is running: %s\n", d.DSN)
	dir, err := d.Cluster.Shared()
	switch {
	case err != nil || dir == "":
	case d.Cluster.Listens(dir):
		fmt.Fprintf(out, "Members of the group connect, each as the role of their own name, with one of\n"+
			"  tap25 db psql --db 'postgres:///postgres?host=%s'\n  psql -h %[1]s postgres\n", dir)
	default:
		fmt.Fprintf(out, "It listens in %s from its next start on: tap25 db down && tap25 db up\n", dir)
	}
	return nil
}

// tellUnshared returns a function that prints why members of the group cannot connect.
func tellUnshared(stderr io.Writer) func(error) {
	return func(reason error) { fmt.Fprintf(stderr, "tap25: %v\n", reason) }
}
