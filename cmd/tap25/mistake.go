package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// unlike is in how many letters a word may differ from the one that was meant.
const unlike = 2

// didYouMean names those of the names that a word may stand for, as the end of a sentence; "" if none is like it.
func didYouMean(word string, names []string) string {
	like := &cobra.Command{SuggestionsMinimumDistance: unlike}
	for _, name := range names {
		like.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	var quoted []string
	for _, name := range like.SuggestionsFor(word) {
		quoted = append(quoted, strconv.Quote(name))
	}
	if quoted == nil {
		return ""
	}
	return "; did you mean " + strings.Join(quoted, " or ") + "?"
}

// flagNames lists the names of flags.
func flagNames(flags *pflag.FlagSet) (names []string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// unknownCommand is the error of a word that is no command of cmd.
func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return &usageError{fmt.Errorf("unknown command %q%s", word, didYouMean(word, names))}
}

// explainFlag says what was meant by a flag that does not exist, and what a flag takes.
func explainFlag(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		hint := habit(cmd, e.GetSpecifiedName())
		if e.GetSpecifiedShortnames() != "" {
			return &usageError{fmt.Errorf("%w%s", err, hint)}
		}
		hint = cmp.Or(hint, didYouMean(e.GetSpecifiedName(), flagNames(cmd.Flags())))
		return &usageError{fmt.Errorf("unknown flag: --%s%s", e.GetSpecifiedName(), hint)}
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return &usageError{fmt.Errorf("--%s: %w", e.GetFlag().Name, explainValue(e.GetFlag(), e.GetValue(), e.Unwrap()))}
	}
	return &usageError{err}
}

// explainValue says what a flag takes instead of a value that its type does not read.
func explainValue(f *pflag.Flag, value string, err error) error {
	takes := map[string]string{"uintSlice": "a number", "int": "a whole number", "int64": "a whole number",
		"float64": "a number", "duration": "a time such as 10s, 5m or 720h", "bool": "true or false"}[f.Value.Type()]
	if takes == "" {
		return err
	}
	return fmt.Errorf("%q is not %s", value, takes)
}
