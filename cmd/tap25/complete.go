package main

import (
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/rows"
)

// flagValuesOf are the values that flags take, of all commands.
var flagValuesOf = map[string][]string{
	"checksum": {"auto", "strict", "off"}, "log-level": {"debug", "info", "warn", "error"},
	"retention": {never, "24mo", "2y", "730d"}, "xdp": {"auto", "native", "generic"}, "bodies": {"kernel", "user"},
	"db":      {"local", "postgres://"},
	"summary": {"text", "json"}, "format": rows.Formats(),
}

// takeFiles are the commands whose arguments are files or directories.
var takeFiles = []string{"tap25 replay", "tap25 explain", "tap25 verify", "tap25 db psql", "tap25 spool ls",
	"tap25 spool verify", "tap25 spool dump", "tap25 import"}

// completeValues has shells complete the values of the flags of cmd and its commands, and its arguments.
func completeValues(cmd *cobra.Command) {
	interfaces := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		list, _ := net.Interfaces() // none, if they cannot be listed
		var names []cobra.Completion
		for _, i := range list {
			names = append(names, i.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	for name, values := range flagValuesOf {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	if cmd.Flags().Lookup("interface") != nil {
		_ = cmd.RegisterFlagCompletionFunc("interface", interfaces)
	}
	if cmd.Flags().Lookup("fields") != nil {
		_ = cmd.RegisterFlagCompletionFunc("fields", completeFields)
	}
	for _, name := range []string{"config", "scope"} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.MarkFlagFilename(name, "yaml", "yml")
		}
	}
	for _, name := range []string{"follow", "spool", "dir", "out"} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.MarkFlagDirname(name)
		}
	}
	if cmd.ValidArgsFunction == nil && !slices.Contains(takeFiles, cmd.CommandPath()) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, c := range cmd.Commands() {
		completeValues(c)
	}
}

// completeFields completes the last name of a list of columns with those that it does not have yet.
func completeFields(_ *cobra.Command, _ []string, list string) (lists []cobra.Completion, _ cobra.ShellCompDirective) {
	before := list[:strings.LastIndexByte(list, ',')+1]
	given := strings.Split(before, ",")
	for _, name := range rows.Columns() {
		if !slices.Contains(given, name) {
			lists = append(lists, before+name)
		}
	}
	return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeCommand completes the next word of the name of a command.
func completeCommand(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion,
	_ cobra.ShellCompDirective) {
	of, rest, err := cmd.Root().Find(args)
	if err == nil && len(rest) == 0 {
		for _, c := range of.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
