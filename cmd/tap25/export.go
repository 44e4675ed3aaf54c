package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/archive"
	"tap25/cmd/tap25/disclose"
	"tap25/cmd/tap25/psql"
	"tap25/cmd/tap25/report"
	"tap25/store"
	"tap25/store/numeral"
)

const exportLong = `
export writes mail into a new directory, one file for each UTC day that has some, for programs that analyse it, and to
keep it for longer than the database. The files have the columns of the view mail; Parquet can be imported again. A
signed manifest has the question, the completeness, and rows and SHA-256 of each file. docs/export.md describes them.

The owner of the database exports all mail. An auditor exports what a case opens, after 'select open_case(case,
purpose)': the question is recorded like any other read. Nobody else may export.

A file has its name only once it is whole. If an export was interrupted, the same command goes on after the last whole
file; that of a case begins anew. Each day is exported as one snapshot.`

type exportSettings struct {
	dsn, since, before, caseID, out, form, key string

	sensors []string
}

func exportCommand() *cobra.Command {
	e := &exportSettings{}
	cmd := &cobra.Command{
		Use:   "export --out DIRECTORY [--since DATE] [--before DATE] [--case CASE]",
		Short: "Write mail into files, one for each day, as Parquet, CSV or JSON lines",
		Long:  exportLong[1:],
		Example: "  tap25 export --since 2026-01-01 --before 2026-02-01 --out mail-2026-01\n" +
			"  tap25 export --case 2026-17 --format csv --out 2026-17",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd) },
	}
	f := cmd.Flags()
	dbFlag(f, &e.dsn)
	f.StringVar(&e.out, "out", "", "directory to make, or that of an export that was interrupted; required")
	f.StringVar(&e.form, "format", archive.Parquet,
		"form of the files: parquet; or csv or json, which are compressed with zstd")
	_ = cmd.RegisterFlagCompletionFunc("format",
		cobra.FixedCompletions(archive.Forms(), cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&e.since, "since", "", "only mail seen at this time or later (2026-01-31, or RFC 3339; UTC)")
	f.StringVar(&e.before, "before", "", "only mail seen before this time")
	f.StringVar(&e.caseID, "case", "", "only what this case opens, as its auditor")
	f.StringSliceVar(&e.sensors, "sensor", nil, "only mail of this sensor; may be repeated, not with --case")
	f.StringVar(&e.key, "key", "",
		"file of the private key that signs, made if it does not exist (default: "+disclose.KeyFile+
			" in the state directory)")
	return cmd
}

func (e *exportSettings) run(cmd *cobra.Command) (err error) {
	q, err := e.question()
	if err != nil {
		return &usageError{err}
	}
	// an auditor may not ask for the version of the schema, which withDatabase checks
	db, err := openExisting(cmd.Context(), cmd.ErrOrStderr(), e.dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(cmd.Context())) }()
	key, made, err := disclose.OpenKey(e.key)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintln(cmd.ErrOrStderr(), "tap25: made a key for disclosures and exports")
	}
	w := cmd.OutOrStdout()
	s := archive.Settings{Dir: e.out, Form: e.form, Key: key, Version: version(), Wrote: func(f archive.File) {
		fmt.Fprintf(w, "%s: %s, %s\n", f.Name, numeral.Count(f.Rows, "row"), report.Bytes(f.Bytes))
		if strings.Contains(f.Name, time.Now().UTC().Format(time.DateOnly)) {
			fmt.Fprintln(cmd.ErrOrStderr(), "tap25: warning: today is not over: its file has the rows that were "+
				"loaded by now")
		}
	}}
	m, err := e.export(cmd, db, q, s)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s in %s\nsigned with the key %s\n%s\n", numeral.Count(m.Rows, "row"), e.out, key.Fingerprint(),
		m.Completeness.Sentence)
	return nil
}

func (e *exportSettings) export(cmd *cobra.Command, db *database, q store.MailQuestion, s archive.Settings) (
	*archive.Manifest, error) {
	if e.caseID != "" {
		c := store.CaseQuestion{Case: e.caseID, Since: q.Since, Before: q.Before}
		return archive.Case(cmd.Context(), db.DB, c, s)
	}
	if err := db.Check(cmd.Context()); err != nil && !store.LacksRight(err) {
		return nil, err
	}
	if db.source.Cluster != nil {
		if err := db.RecordOpening(cmd.Context(), psql.Opener()); err != nil {
			return nil, err
		}
	}
	return archive.Mail(cmd.Context(), db.DB, q, s)
}

// question checks the flags.
func (e *exportSettings) question() (q store.MailQuestion, err error) {
	switch {
	case e.out == "":
		return q, errors.New("name the directory: --out")
	case !slices.Contains(archive.Forms(), e.form):
		return q, fmt.Errorf("--format %q is none of %s", e.form, strings.Join(archive.Forms(), ", "))
	case e.caseID != "" && len(e.sensors) > 0:
		return q, errors.New("--sensor and --case cannot be used together: a case opens the mail of all sensors")
	}
	for _, b := range []struct {
		flag, text string
		to         **time.Time
	}{{"since", e.since, &q.Since}, {"before", e.before, &q.Before}} {
		if b.text == "" {
			continue
		}
		at, err := parseTime(b.text)
		if err != nil {
			return q, fmt.Errorf("--%s: %w", b.flag, err)
		}
		*b.to = &at
	}
	if q.Since != nil && q.Before != nil && !q.Since.Before(*q.Before) {
		return q, errors.New("--since must be earlier than --before")
	}
	slices.Sort(e.sensors)
	q.Sensors = slices.Compact(e.sensors)
	return q, nil
}
