package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const manLong = `
man prints a manual page to standard output. With --dir, it writes the pages of all commands into a directory.`

func manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:               "man [COMMAND]...",
		Short:             "Print the manual page of tap25 or of one of its commands",
		Long:              manLong[1:],
		Example:           "  tap25 man replay | man -l -\n  tap25 man --dir /usr/local/share/man/man1",
		ValidArgsFunction: completeCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir != "" {
				if len(args) > 0 {
					return &usageError{fmt.Errorf("--dir writes the pages of all commands: do not name a command " +
						"with it")}
				}
				if err := writeManTree(cmd.Root(), dir); err != nil {
					return fmt.Errorf("write manual pages: %w; create the directory first", err)
				}
				return nil
			}
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{fmt.Errorf("unknown command %q", strings.Join(args, " "))}
			}
			return writeMan(of, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write the pages of all commands into this directory")
	return cmd
}
