package report

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"tap25/store/numeral"
)

// Counter is a counter with its name.
type Counter struct {
	name string
	n    int64
}

// Count returns a counter with its name, for Counts.
func Count(name string, n int64) Counter { return Counter{name, n} }

// Counts lists counters in the order given.
func Counts(list ...Counter) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, c := range list {
			if !yield(c.name, c.n) {
				return
			}
		}
	}
}

// Named lists counters in the order of their names.
func Named(m map[string]int64) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// NonZero lists the counters that are not 0, in parentheses, after a blank; it returns "" if all are 0.
func NonZero(counts iter.Seq2[string, int64]) string {
	var parts []string
	for name, n := range counts {
		if n != 0 {
			parts = append(parts, strings.ReplaceAll(name, "_", " ")+" "+numeral.Grouped(n))
		}
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// Line writes a line of a summary, which begins with its name. Arguments of type int64 are written by Grouped.
func Line(w io.Writer, name, format string, args ...any) {
	for i, arg := range args {
		if n, ok := arg.(int64); ok {
			args[i] = numeral.Grouped(n)
		}
	}
	fmt.Fprintf(w, "%-10s"+format+"\n", append([]any{name}, args...)...)
}

// Sum adds counters up.
func Sum(counts map[string]int64) (n int64) {
	for _, k := range counts {
		n += k
	}
	return n
}
