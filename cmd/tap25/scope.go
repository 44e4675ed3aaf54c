package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/scope"
)

const scopeLong = `
A scope file says which rows tap25 sniff and tap25 replay may record (--scope FILE). It is YAML with these keys, of
which none is needed:

  domains: [.be, example.org]     a row with an address in the domain; .be is every domain below be, and not be itself
  clients: [192.0.2.0/24]         a row with such a client
  servers: [198.51.100.25]        a row with such a server
  origins: [2001:db8::/32]        a row whose origin, the client that a proxy names, is one of these
  leave_out: [192.0.2.7]          no row with such a client, server or origin, whatever else has it
  encrypted: networks             encrypted sessions: those of clients, servers and origins (networks), all or none
  no_address: networks            likewise other rows in which no address is known
  keep_other_side: false          of a row that only a domain has: also the addresses in other domains

A row is in scope if one of the lists has it and leave_out has not. Of a row that only a domain has, the addresses in
other domains are null, with what was given with them, unless keep_other_side is true. Domains are compared as A-labels
and in lower case: bücher.example and xn--bcher-kva.example are one. An address without a domain, or with an IP address
in its place, is in no domain. A key that is not known, or an entry that is malformed or there twice, is an error.`

func scopeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scope", Short: "Check a scope file, which says which rows may be recorded", Args: usageArgs(cobra.NoArgs),
		Long: scopeLong[1:],
		RunE: func(*cobra.Command, []string) error {
			return &usageError{errors.New("no scope command given: name check")}
		},
	}
	cmd.AddCommand(scopeCheck())
	return cmd
}

const scopeCheckLong = `
check reads a scope file, and says of each mail address and IP address what would happen to a row that has it, and by
which rule, if no other rule had the row. The exit status is 0 if the file is in order and each of them would be
recorded, 1 if not, and 2 if the command line is wrong.`

func scopeCheck() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "check --scope FILE [ADDRESS | IP]...",
		Short:   "Say what a scope does with mail addresses and IP addresses",
		Long:    scopeCheckLong[1:],
		Example: "  tap25 scope check --scope scope.yaml someone@example.org 192.0.2.1",
		Args:    usageArgs(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if path == "" {
				return &usageError{errors.New("--scope is missing: name the scope file")}
			}
			s, err := scope.Load(path)
			if err != nil {
				return err
			}
			if s.KeepsNothing() {
				fmt.Fprintln(cmd.ErrOrStderr(), "tap25: "+scope.KeepsNothingText)
			}
			return checkScope(cmd.OutOrStdout(), s, args)
		},
	}
	scopeFlag(cmd.Flags(), &path)
	return cmd
}

// checkScope writes a line for each address. The error is that some would not be recorded.
func checkScope(w io.Writer, s *scope.Scope, args []string) error {
	var lines []string
	out := 0
	for _, arg := range args {
		var text string
		keeps := false
		if ip, err := netip.ParseAddr(arg); err == nil {
			text, keeps = hostVerdict(s, ip)
		} else if strings.Contains(arg, "@") {
			v := s.Address(arg)
			text, keeps = verdictText(v), v.Keep
		} else {
			return &usageError{fmt.Errorf("%q is neither a mail address nor an IP address", arg)}
		}
		lines = append(lines, arg+": "+text)
		if !keeps {
			out++
		}
	}
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	if out > 0 {
		return fmt.Errorf("out of scope: %d of %d", out, len(args))
	}
	return nil
}

// hostVerdict says what happens to rows of a host. It keeps them if it does in one of the host's roles.
func hostVerdict(s *scope.Scope, ip netip.Addr) (text string, keeps bool) {
	client, server, origin := s.Host(ip)
	if client.Rule == scope.LeftOut {
		return verdictText(client), false
	}
	var roles []string
	for i, v := range []scope.Verdict{client, server, origin} {
		roles = append(roles, [...]string{"as client ", "as server ", "as origin "}[i]+verdictText(v))
		keeps = keeps || v.Keep
	}
	return strings.Join(roles, "; "), keeps
}

func verdictText(v scope.Verdict) string {
	text := "dropped"
	if v.Keep {
		text = "recorded"
	}
	switch {
	case v.Rule == scope.LeftOut:
		return fmt.Sprintf("%s by leave_out, %s (line %d)", text, v.Entry.Text, v.Entry.Line)
	case v.Entry.Line > 0:
		return fmt.Sprintf("%s by %s, %s (line %d)", text, v.Rule, v.Entry.Text, v.Entry.Line)
	}
	return text + ": no rule has it"
}
