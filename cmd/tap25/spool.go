package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/spools"
)

const spoolLong = `
spool inspects the rows that wait on this machine to be loaded into the database. It only reads, also while tap25 runs.`

func spoolCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spool",
		Short: "List, verify and print the rows that wait to be loaded",
		Long:  spoolLong[1:],
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no spool command given: name ls, verify or dump")}
		},
	}
	for _, c := range []struct {
		use, short string
		run        func(files *spools.Files, stdout, stderr io.Writer) error
	}{
		{"ls [DIR]", "List all files of the spools, oldest first: waiting, kept, refused and damaged ones",
			(*spools.Files).List},
		{"verify [DIR]", "Read every segment and report damage", (*spools.Files).Verify},
		{"dump [DIR]", "Print the waiting rows as JSON lines; DIR may also be one file, even of kept or refused rows",
			(*spools.Files).Dump},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: c.use, Short: c.short, Args: usageArgs(cobra.MaximumNArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				path := ""
				if len(args) > 0 {
					path = args[0]
				}
				files, err := spools.Find(path)
				if err != nil {
					return err
				}
				return c.run(files, cmd.OutOrStdout(), cmd.ErrOrStderr())
			},
		})
	}
	return cmd
}
