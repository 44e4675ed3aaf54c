package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

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
	var err error
	if list, ok := f.Value.(pflag.SliceValue); ok {
		err = list.Replace(values)
	} else if len(values) != 1 {
		return errors.New("takes one value, not a list")
	} else {
		err = f.Value.Set(values[0])
	}
	if err != nil {
		return explainValue(f, strings.Join(values, ", "), err)
	}
	if isEmpty(f) && len(values) > 0 {
		return errors.New("is empty: give it a value, or leave it out")
	}
	return nil
}

// readConfig sets the flags that neither the command line nor the environment sets, from the file at path. Its errors
// are mistakes that a new start does not cure.
func readConfig(flags *pflag.FlagSet, path string) (exposed bool, err error) {
	exposed, err = fromFile(flags, path)
	if err != nil {
		return false, &usageError{fmt.Errorf("read configuration %s: %w", path, err)}
	}
	return exposed, nil
}

// fromFile sets the flags that neither the command line nor the environment sets. It reports whether the file holds a
// password that any user may read.
func fromFile(flags *pflag.FlagSet, path string) (exposed bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err // the caller names the path
		}
		return false, err
	}
	var settings map[string]yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(data))
	if err := documents.Decode(&settings); err != nil && err != io.EOF {
		return false, err
	}
	if err := documents.Decode(&yaml.Node{}); err != io.EOF {
		return false, errors.New("what follows a second --- is another document: write all settings in one")
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		f := flags.Lookup(name)
		if f == nil || unsettable(name) {
			return false, fmt.Errorf("unknown setting %q%s; settings have the names of the flags of tap25 sniff", name,
				strings.TrimSuffix(didYouMean(name, slices.DeleteFunc(flagNames(flags), unsettable)), "?"))
		}
		if f.Changed {
			continue
		}
		values, err := fileValues(settings[name])
		if err == nil {
			err = setFlag(f, values)
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode().Perm()&0o004 != 0 && secret.InDSN(settings["db"].Value), nil
}

// unsettable reports whether a flag may not be set in the configuration file.
func unsettable(name string) bool { return name == "config" || name == "help" }

// fileValues returns a value, or those of a list, as they are written: sensor: 1.10 is not 1.1.
func fileValues(n yaml.Node) ([]string, error) {
	list := []*yaml.Node{&n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	var values []string
	for _, e := range list {
		if e.Kind != yaml.ScalarNode || e.ShortTag() == "!!null" {
			return nil, fmt.Errorf("line %d: neither a value nor a list of values", e.Line)
		}
		values = append(values, e.Value)
	}
	return values, nil
}
