package main

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// entry is a term of a list and what it means.
type entry struct{ term, text string }

var (
	exitStatus = []entry{
		{"0", "done"},
		{"1", "failed; standard error has the reason, and what to do"},
		{"2", "a mistake in the command line, the environment, the configuration file or the scope file"},
		{"130", "tap25 replay or tap25 explain was ended by SIGINT or SIGTERM before the end of its input"},
	}
	environment = []entry{
		{"TAP25_NAME", "sets the flag --name of tap25 sniff, tap25 replay, tap25 explain and tap25 scope check, unless " +
			"the command line does; - in the name of the flag is _"},
		{"DATABASE_URL", "the database, unless --db names it"},
		{"PGPASSWORD, PGPASSFILE, PGSSLROOTCERT", "as for psql(1)"},
		{"XDG_STATE_HOME", "the directory of the state directory tap25"},
	}
	files = []entry{
		{settingsFile, "the settings of the service: tap25.yaml(5)"},
		{"/var/lib/tap25", "the state directory of root and of the service: the private PostgreSQL cluster and the " +
			"spools; of other users ~/.local/state/tap25"},
		{"/run/tap25/control.sock", "the socket that tap25 status asks; of other users control.sock in the state " +
			"directory"},
		{"~/.pgpass", "passwords of databases"},
	}
)

// list adds a section of entries.
func (p *roff) list(title string, entries []entry) {
	p.section(title)
	for _, e := range entries {
		p.item(bold(e.term), e.text)
	}
}

// commandPage is the page of a command.
func commandPage(cmd *cobra.Command) string {
	p := newRoff(pageName(cmd), "1", cmd.Short)
	p.section("SYNOPSIS")
	p.WriteString(bold(cmd.UseLine()) + "\n")
	p.section("DESCRIPTION")
	p.text(cmp.Or(cmd.Long, cmd.Short))
	p.options(cmd)
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.text(cmd.Example)
	}
	p.list("EXIT STATUS", exitStatus)
	p.list("ENVIRONMENT", environment)
	p.list("FILES", files)
	var also []string
	if cmd.HasParent() {
		also = append(also, pageName(cmd.Parent())+"(1)")
	}
	for _, c := range cmd.Commands() {
		if hasPage(c) {
			also = append(also, pageName(c)+"(1)")
		}
	}
	p.seeAlso(append(also, settingsName+"(5)", sqlName+"(7)")...)
	return p.String()
}

// options adds the flags of a command.
func (p *roff) options(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	p.section("OPTIONS")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, text := pflag.UnquoteUsage(f)
		term := bold("--" + f.Name)
		if f.Shorthand != "" {
			term = bold("-"+f.Shorthand) + ", " + term
		}
		if kind != "" {
			term += " " + italic(kind)
		}
		text, value := defaultOf(f, text)
		if value != "" {
			text += " (default: " + value + ")"
		}
		p.item(term, text)
	})
}

// defaultOf separates the text of a flag from the default that it names. If it names none, the default is that of the
// flag's value; empty: there is none.
func defaultOf(f *pflag.Flag, text string) (rest, value string) {
	if before, after, ok := strings.Cut(text, " (default: "); ok {
		value, after, _ = strings.Cut(after, ")") // which no default has
		return before + after, value
	}
	if slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
		return text, ""
	}
	value = strings.Trim(f.DefValue, "[]")
	for _, zero := range []string{"m0s", "h0m"} { // of 1h0m0s
		if strings.HasSuffix(value, zero) {
			value = value[:len(value)-2]
		}
	}
	return text, value
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// hasPage reports whether a command has a page of its own. Those of completion, one for each shell,
// have none.
func hasPage(c *cobra.Command) bool {
	return c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() && c.Parent().Name() != "completion"
}

// commitTime is the time of the commit that the program was built from; the beginning of Unix time if that is unknown.
func commitTime() time.Time {
	made := time.Unix(0, 0)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				made = t
			}
		}
	}
	return made.UTC()
}

// writePages writes all pages below dir, as man(1) finds them below a directory of its path: man1/tap25.1.
func writePages(root *cobra.Command, dir string) error {
	if err := writePage(dir, settingsName, "5", settingsPage(root)); err != nil {
		return err
	}
	if err := writePage(dir, sqlName, "7", sqlPage); err != nil {
		return err
	}
	return writeCommands(root, dir)
}

func writeCommands(cmd *cobra.Command, dir string) error {
	for _, c := range cmd.Commands() {
		if hasPage(c) {
			if err := writeCommands(c, dir); err != nil {
				return err
			}
		}
	}
	return writePage(dir, pageName(cmd), "1", commandPage(cmd))
}

func writePage(dir, name, section, text string) error {
	path := filepath.Join(dir, "man"+section, name+"."+section)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
