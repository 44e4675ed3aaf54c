package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"tap25/cmd/tap25/secret"
)

// changedFlags returns the flags that the command line sets, with their values.
func changedFlags(flags *pflag.FlagSet) map[string][]string {
	given := map[string][]string{}
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = flagValues(f) })
	return given
}

func flagValues(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func setFlag(f *pflag.Flag, values []string) error {
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	if len(values) != 1 {
		return errors.New("takes one value, not a list")
	}
	return f.Value.Set(values[0])
}

// fromFile sets the flags that neither the command line nor the environment sets. It reports whether the file holds a
// password that any user may read.
func fromFile(flags *pflag.FlagSet, path string) (exposed bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read configuration: %w", err)
	}
	k := koanf.New("\x00") // a delimiter that no key has, so that dots mean nothing
	if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		return false, fmt.Errorf("read configuration %s: %w", path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(k.All())) {
		f := flags.Lookup(name)
		if f == nil || name == "config" || name == "help" {
			return false, fmt.Errorf("read configuration %s: unknown setting %q; settings have the names of the "+
				"flags of tap25 sniff",
				path, name)
		}
		if f.Changed {
			continue
		}
		if err := setFlag(f, fileValues(k.Get(name))); err != nil {
			return false, fmt.Errorf("read configuration %s: %s: %w", path, name, err)
		}
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode().Perm()&0o004 != 0 && secret.InDSN(k.String("db")), nil
}

func fileValues(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var values []string
	for _, e := range list {
		values = append(values, fmt.Sprint(e))
	}
	return values
}
