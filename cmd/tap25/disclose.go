package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/disclose"
	"tap25/store"
	"tap25/store/numeral"
)

const discloseLong = `
disclose writes what a case opens into a new directory: a page for people (index.html), the rows as JSON lines, CSV and
Parquet, the proof that a sensor signed each row, and a signed manifest with the question, the warrants and the
completeness. 'tap25 verify DIRECTORY' checks it, on a machine without network and database.

Run it as the auditor, after you have opened the case: select open_case(case, purpose). The question is recorded like
any other read. Without --from, --to and --target, it is about all that the warrants allow.

The manifest is signed with the key of whoever discloses, which is made at the first disclosure. Its fingerprint is
printed: give it to the reader through another channel than the directory.`

type discloseSettings struct {
	dsn, from, to, target, zone, key, stamp string

	question store.CaseQuestion
	out      string
}

func discloseCommand() *cobra.Command {
	d := &discloseSettings{}
	cmd := &cobra.Command{
		Use:   "disclose --case CASE --out DIRECTORY",
		Short: "Write what a case opens into a directory for a court",
		Long:  discloseLong[1:],
		Example: "  tap25 disclose --case 2026-17 --out 2026-17 --timezone Europe/Brussels\n" +
			"  tap25 disclose --case 2026-17 --out november --target marta@orchard.example --from 2026-11-01 " +
			"--to 2026-12-01",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	f := cmd.Flags()
	dbFlag(f, &d.dsn)
	f.StringVar(&d.question.Case, "case", "", "the case; required")
	f.StringVar(&d.out, "out", "", "directory to make, which must not exist or be empty; required")
	f.StringVar(&d.from, "from", "", "only mail seen at this time or later (2026-01-31, or RFC 3339; UTC)")
	f.StringVar(&d.to, "to", "", "only mail seen before this time")
	f.StringVar(&d.target, "target", "",
		"only mail of this mailbox, domain, IP address or subnet, as a warrant names it")
	f.StringVar(&d.zone, "timezone", "UTC", "time zone of the page's times, beside UTC, such as Europe/Brussels")
	f.StringVar(&d.key, "key", "",
		"file of the private key that signs, made if it does not exist (default: "+disclose.KeyFile+
			" in the state directory)")
	f.StringVar(&d.stamp, "timestamp", "",
		"URL of a time-stamping authority (RFC 3161) that confirms when the manifest existed; it gets only a hash")
	return cmd
}

func (d *discloseSettings) run(cmd *cobra.Command) (err error) {
	if d.question.Case == "" || d.out == "" {
		return &usageError{errors.New("name the case and the directory: --case and --out")}
	}
	if err := d.times(); err != nil {
		return &usageError{err}
	}
	if d.target != "" {
		d.question.Target = &d.target
	}
	zone, err := time.LoadLocation(d.zone)
	if err != nil || d.zone == "Local" {
		return &usageError{fmt.Errorf("--timezone: there is no time zone %q: name one such as Europe/Brussels", d.zone)}
	}
	// an auditor may not ask for the version of the schema, which withDatabase checks
	db, err := openDatabase(cmd.Context(), cmd.ErrOrStderr(), d.dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(cmd.Context())) }()
	key, made, err := disclose.OpenKey(d.key)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintln(cmd.ErrOrStderr(), "tap25: made a key for disclosures")
	}
	m, err := disclose.Case(cmd.Context(), db.DB, d.question, disclose.Settings{Dir: d.out, Key: key, Zone: zone,
		Version: version(), Stamp: d.stamp})
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s rows in %s, access %d\nsigned with the key %s\n%s rows are proven\n", numeral.Grouped(m.Rows), d.out,
		m.Access.Number, key.Fingerprint(), numeral.Grouped(m.Evidence.Proven))
	for _, u := range m.Evidence.Unproven {
		fmt.Fprintf(w, "%s rows have no proof: %s\n", numeral.Grouped(u.Rows), u.Reason)
	}
	return nil
}

// times sets the period of the question.
func (d *discloseSettings) times() error {
	var h store.Hold
	err := holdTimes(&h, d.from, d.to, "")
	d.question.Since, d.question.Before = h.Since, h.Before
	return err
}
