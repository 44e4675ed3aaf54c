package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"tap25/cmd/tap25/rows"
)

// rowFlags are the flags that have rows written to standard output, and say in which form.
type rowFlags struct {
	json        bool
	format      string
	fields      []string
	communityID bool
}

func (r *rowFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&r.json, "json", false, "write the rows to standard output as JSON lines, without database and spool")
	f.StringVar(&r.format, "format", "",
		"write the rows to standard output in this form, without database and spool: json, as --json does, csv or tsv")
	f.StringSliceVar(&r.fields, "fields", nil,
		"columns of --json or --format, by their names in JSON, in the order wanted, such as seen_at,mail_from,rcpt_to "+
			"(default: all)")
	f.BoolVar(&r.communityID, "community-id", false,
		"add the column community_id to --json or --format: the connection's name in Zeek, Suricata, Arkime and Wireshark")
}

// form reports whether rows go to standard output, and in which form.
func (r *rowFlags) form(db string) (toStdout bool, form rows.Form, err error) {
	form = rows.Form{Format: r.format, Columns: r.fields, CommunityID: r.communityID}
	toStdout = r.json || r.format != ""
	switch {
	case r.json && r.format != "" && r.format != rows.JSON:
		err = fmt.Errorf("--json and --format %s cannot be used together", r.format)
	case r.format != "" && !slices.Contains(rows.Formats(), r.format):
		err = fmt.Errorf("--format %q is not json, csv or tsv%s", r.format, didYouMean(r.format, rows.Formats()))
	case r.json && db != "":
		err = errors.New("--json and --db cannot be used together")
	case toStdout && db != "":
		err = errors.New("--format and --db cannot be used together")
	case !toStdout && len(r.fields) > 0:
		err = errors.New("--fields chooses columns of --json or --format: give one of these")
	case !toStdout && r.communityID:
		err = errors.New("--community-id adds a column to --json or --format: give one of these")
	default:
		err = checkFields(r.fields)
	}
	return toStdout, form, usage(err)
}

// checkFields finds names that are no columns, and those that are given twice.
func checkFields(fields []string) error {
	for i, name := range fields {
		if !slices.Contains(rows.Columns(), name) {
			return fmt.Errorf("--fields: no column has the name %q%s", name, didYouMean(name, rows.Columns()))
		}
		if slices.Contains(fields[:i], name) {
			return fmt.Errorf("--fields: %s is given twice", name)
		}
	}
	return nil
}
