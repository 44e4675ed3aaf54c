package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// habits are what people write who come from tcpdump and the like: a flag that does not exist, a flag of the commands
// that the hint is for, and the hint.
var habits = []struct{ flag, of, hint string }{
	{"w", "format", "rows go to a file with --json or --format, and > FILE"},
	{"o", "format", "rows go to a file with --json or --format, and > FILE"},
	{"output", "format", "rows go to a file with --json or --format, and > FILE"},
	{"v", "summary", "'tap25 --version' prints the version; --quiet and --summary json change what is reported"},
	{"v", "log-level", "'tap25 --version' prints the version; --log-level debug reports more"},
	{"csv", "format", "write --format csv"},
	{"tsv", "format", "write --format tsv"},
	{"from", "since", "write --since TIME"},
	{"to", "before", "write --before TIME"},
	{"until", "before", "write --before TIME"},
}

// habit returns the hint for a flag that cmd does not have; "" if there is none.
func habit(cmd *cobra.Command, flag string) string {
	for _, h := range habits {
		if h.flag == flag && cmd.Flags().Lookup(h.of) != nil {
			return "; " + h.hint
		}
	}
	return ""
}

// filterWords may begin an expression of pcap-filter(7).
var filterWords = []string{"host", "net", "port", "portrange", "src", "dst", "ether", "ip", "ip6", "tcp", "udp",
	"icmp", "icmp6", "vlan", "mpls", "proto", "less", "greater", "not", "!", "and", "or"}

// errFilter is the error of a filter among the names of captures.
var errFilter = errors.New("replay takes no filter expression: let tcpdump choose the packets, " +
	"tcpdump -r FILE -w - 'FILTER' | tap25 replay -")

// isFilter reports whether a name is no file, and the beginning of a filter.
func isFilter(name string) bool {
	words := strings.Fields(strings.TrimLeft(name, "( "))
	_, err := os.Lstat(name)
	return err != nil && len(words) > 0 && slices.Contains(filterWords, words[0])
}
