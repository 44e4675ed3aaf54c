package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

const manLong = `
man prints a manual page to standard output: that of tap25, of one of its commands, of the configuration file
(tap25.yaml), or of the views and functions of the database (tap25-sql). With --dir, it writes all pages below a
directory, in which man(1) finds them.`

func manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man [COMMAND... | tap25.yaml | tap25-sql]",
		Short: "Print the manual page of tap25, of a command, of the configuration file or of the SQL",
		Long:  manLong[1:],
		Example: "  tap25 man replay | man -l -\n  tap25 man tap25.yaml | man -l -\n" +
			"  tap25 man --dir /usr/local/share/man",
		ValidArgsFunction: completePage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir != "" {
				if len(args) > 0 {
					return &usageError{fmt.Errorf("--dir writes all pages: do not name one with it")}
				}
				if err := writePages(cmd.Root(), dir); err != nil {
					return fmt.Errorf("write manual pages: %w", err)
				}
				return nil
			}
			page, err := pageOf(cmd.Root(), args)
			if err == nil {
				_, err = io.WriteString(cmd.OutOrStdout(), page)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write all pages below this directory, in man1, man5 and man7")
	return cmd
}

// pageOf is the page that the arguments name.
func pageOf(root *cobra.Command, args []string) (string, error) {
	switch name := strings.Join(args, " "); name {
	case settingsName:
		return settingsPage(root), nil
	case sqlName:
		return sqlPage, nil
	default:
		of, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return "", &usageError{fmt.Errorf("unknown command %q", name)}
		}
		return commandPage(of), nil
	}
}

// completePage completes the next word of the name of a page.
func completePage(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	names, directive := completeCommand(cmd, args, word)
	if len(args) == 0 {
		names = append(names, cobra.CompletionWithDesc(settingsName, "The configuration file"),
			cobra.CompletionWithDesc(sqlName, "The views and functions of the database"))
	}
	return names, directive
}
