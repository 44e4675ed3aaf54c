package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	settingsName = "tap25.yaml"
	settingsFile = "/etc/tap25/tap25.yaml"
)

const settingsLong = `
This file has the settings of tap25 sniff. The service reads /etc/tap25/tap25.yaml. If tap25 sniff is started by hand,
--config names the file.

The file is a YAML mapping. Each key is a setting, and has the name of a flag of tap25 sniff without its two hyphens. A
setting whose value is a list takes a single value too. Values are read as text: sensor: 1.10 is not 1.1.

If a setting does not exist, has no value, or has a value that it does not take, tap25 sniff names the setting and ends
with status 2. systemd does not start the service again after that.`

const settingsPrecedence = `
The command line overrides the environment, the environment overrides the file, and the file overrides the default. A
list replaces the list that it overrides.`

const settingsReload = `
After SIGHUP, tap25 sniff reads the file again: systemctl reload tap25. port and log-level change at once; other
changes take effect at the next start, and the log names them. The file that scope names is read again too. If there is
a mistake, nothing changes, and the log has the reason.`

const settingsSecurity = `
Put the database's password into ~/.pgpass, into a file that passfile=PATH in the URL names, or into a credential of the
service (LoadCredential=). If db contains a password, make sure that only the user of the service can read the file:
tap25 sniff warns if others can.`

// settingsExamples are files, each with what it is for.
var settingsExamples = []struct{ about, file string }{
	{"A mirror port and the private cluster. Days older than two years are dropped:", `
  interface: [eth1]
  retention: 24mo`},
	{"Two taps, a database on two hosts, of which tap25 uses the one that accepts writes, and the page at port 9425:", `
  interface: [eth1, eth2]
  sensor: fra-1
  db: postgres://sensor@db1.example,db2.example/mail
  retention: never
  spool-bytes: 107374182400
  metrics: 127.0.0.1:9425`},
	{"The host of a mail server: its own traffic is captured, also that of the submission port:", `
  interface: eth0
  inline: true
  port: [25, 587]
  retention: 730d
  pack-after: 1mo
  end-readers-after: 90m`},
}

// valuesOf says what values the flags of a type take.
var valuesOf = map[string]string{
	"bool": "true or false", "string": "text", "stringSlice": "a text, or a list of texts",
	"int": "a whole number", "int64": "a whole number", "uintSlice": "a whole number, or a list of whole numbers",
	"duration": "a time with its unit (ms, s, m, h): 90s, 10m, 1h30m",
}

// settingsPage is the page of the configuration file, made from the flags of tap25 sniff.
func settingsPage(root *cobra.Command) string {
	p := newRoff(settingsName, "5", "settings of tap25 sniff and its service")
	p.section("SYNOPSIS")
	p.WriteString(bold(settingsFile) + "\n.br\n" + bold("tap25 sniff --config ") + italic("FILE") + "\n")
	for _, s := range []struct{ title, text string }{{"DESCRIPTION", settingsLong}, {"PRECEDENCE", settingsPrecedence},
		{"CHANGES WHILE IT RUNS", settingsReload}, {"PASSWORDS", settingsSecurity}} {
		p.section(s.title)
		p.text(s.text)
	}
	p.section("SETTINGS")
	sniff, _, err := root.Find([]string{"sniff"})
	if err != nil {
		panic(err) // rootCommand adds it
	}
	sniff.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !unsettable(f.Name) {
			p.setting(f)
		}
	})
	p.section("EXAMPLES")
	for _, e := range settingsExamples {
		p.text(e.about + "\n\n" + e.file[1:])
		p.WriteString(".PP\n")
	}
	p.list("ENVIRONMENT", environment)
	p.list("FILES", append([]entry{{"/etc/tap25/scope.yaml", "a usual place for the file that scope names; " +
		"tap25-scope(1) describes it"}}, files...))
	p.seeAlso("tap25(1)", "tap25-sniff(1)", "tap25-scope(1)", sqlName+"(7)", "systemd.exec(5)")
	return p.String()
}

func (p *roff) setting(f *pflag.Flag) {
	_, text := pflag.UnquoteUsage(f)
	text, value := defaultOf(f, text)
	switch {
	case f.Name == "interface":
		value = "none: it must be given"
	case f.Name == "retention":
		value = "none: it must be given, unless json or format is"
	case value == "" && f.Value.Type() == "bool":
		value = "false"
	case value == "":
		value = "none"
	}
	values := valuesOf[f.Value.Type()]
	if strings.HasSuffix(f.Name, "bytes") {
		values += " of bytes"
	}
	p.item(bold(f.Name+":"), strings.TrimSuffix(text, "; may be repeated"), "Value: "+values, "Default: "+value,
		"Environment: "+variableOf(f.Name))
}
