package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unescaped undoes what roff needs: see groff_char(7) and man(7).
var unescaped = strings.NewReplacer(`\-`, `-`, `\(aq`, `'`, `\(ga`, "`", `\(ha`, `^`, `\(ti`, `~`, `\&`, ``, `\e`, `\`,
	`\fB`, ``, `\fI`, ``, `\fP`, ``)

// TestMan_SettingsAreThoseOfTheHelp compares the page of the configuration file with what 'tap25 sniff --help' prints,
// which cobra formats.
func TestMan_SettingsAreThoseOfTheHelp(t *testing.T) {
	page := unescaped.Replace(asked(t, "man", "tap25.yaml"))
	flags := regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+) +(?:\w+ {2,})?(.*)$`).
		FindAllStringSubmatch(asked(t, "sniff", "--help"), -1)
	given := regexp.MustCompile(` \(default:? (.*?)\)`)
	settings := 0
	for _, f := range flags {
		name, text, value := f[1], f[2], "none"
		if name == "config" || name == "help" {
			continue
		}
		settings++
		if m := given.FindStringSubmatch(text); m != nil {
			text, value = strings.Replace(text, m[0], "", 1), strings.Trim(m[1], `"[]`)
		}
		switch name {
		case "interface":
			value += ": it must be given"
		case "retention":
			value += ": it must be given, unless json or format is"
		case "json", "inline", "community-id":
			value = "false"
		case "end-readers-after":
			value = "1h"
		case "spool-keep":
			value = "10m"
		}
		item := ".TP\n" + name + ":\n" + strings.TrimSuffix(text, "; may be repeated") + "\n.br\nValue: "
		_, rest, found := strings.Cut(page, item)
		_, rest, _ = strings.Cut(rest, "\n")
		want := ".br\nDefault: " + value + "\n.br\nEnvironment: TAP25_" +
			strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "\n"
		if !found || !strings.HasPrefix(rest, want) {
			t.Errorf("%s: the page has %.200q; want %q, then %q", name, rest, item, want)
		}
	}
	if settings < 25 || strings.Count(page, "\nEnvironment: TAP25_") != settings {
		t.Errorf("%d settings in the help, %d on the page", settings, strings.Count(page, "\nEnvironment: TAP25_"))
	}
}

// TestMan_ExamplesOfSettingsAreRead reads each example of the page as a configuration file.
func TestMan_ExamplesOfSettingsAreRead(t *testing.T) {
	page := unescaped.Replace(asked(t, "man", "tap25.yaml"))
	_, page, _ = strings.Cut(page, ".SH EXAMPLES\n")
	page, _, _ = strings.Cut(page, ".SH ")
	examples := regexp.MustCompile(`(?s)\.nf\n(.*?)\n\.fi`).FindAllStringSubmatch(page, -1)
	if len(examples) != 3 {
		t.Fatalf("%d examples: %s", len(examples), page)
	}
	for _, e := range examples {
		path := filepath.Join(t.TempDir(), "tap25.yaml")
		if err := os.WriteFile(path, []byte(e[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := settingsOf(t, "--config", path); err != nil || len(s.Interfaces) == 0 {
			t.Errorf("%v, %+v: %s", err, s, e[1])
		}
	}
}
