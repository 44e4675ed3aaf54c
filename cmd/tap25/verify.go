package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/numeral"
	"tap25/store/stamp"
	"tap25/store/stream"
)

const verifyLong = `
verify computes the evidence in the database anew from the rows. It names the sensor, the segment and the day of every
row and coverage record that was changed, deleted, inserted or moved since it was loaded, of every link of a chain that
was changed or removed, and of every day that was destroyed without a certificate. It exits with 0 only if it finds none
of these.

Without --key, verify believes the public keys that the database has. Who may change everything in the database can
replace those too: name the sensors' keys with --key, or compare the fingerprints with those in the sensors' logs. A
key is a PEM file of a public key, or a sensor's own sensor.key.

Without --witness, nothing shows that the last links of a chain were removed with their rows. A witness is the file of
'tap25 sniff --witness', or a sensor's log, such as the output of 'journalctl -u tap25'.

The user must be able to read all rows: run verify as the database's owner. docs/evidence.md describes what is proven.

With a directory, verify checks what 'tap25 disclose' has written, and needs neither a database nor a network. It names
every file and row that is not as it was signed. Each --key is a fingerprint or a PEM file then, and every key of the
directory must be one of them. docs/disclosure.md describes the files.`

// verifySettings are the values of the flags.
type verifySettings struct {
	dsn, from, to, sensor string
	keys, witnesses       []string
	json                  bool
	authority             string // PEM file of the certificate of a time-stamping authority

	stamps []store.Finding // time stamps of a witness that do not fit
}

func verifyCommand() *cobra.Command {
	s := &verifySettings{}
	cmd := &cobra.Command{
		Use: "verify [DIRECTORY]", Short: "Check that the rows, or those of a disclosure, are as they were signed",
		Args: usageArgs(cobra.MaximumNArgs(1)),
		Long: verifyLong[1:],
		Example: "  tap25 verify --key fra-1.pem --witness /mnt/witness/fra-1\n" +
			"  journalctl -u tap25 | tap25 verify --witness - --from 2026-11-01 --to 2026-12-01\n" +
			"  tap25 verify 2026-17 --tsa-cert authority.pem",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return s.directory(cmd, args[0])
			}
			if info, err := os.Stat(s.dsn); err == nil && info.IsDir() {
				return &usageError{fmt.Errorf("--db names a directory: 'tap25 verify %s' checks a disclosure", s.dsn)}
			}
			cfg, err := s.config(cmd.InOrStdin())
			if err != nil {
				return err
			}
			return withDatabase(cmd, s.dsn, func(ctx context.Context, db *database) error {
				found, err := db.Verify(ctx, cfg)
				if err != nil {
					return err
				}
				found.Findings = append(found.Findings, s.stamps...)
				return s.write(cmd.OutOrStdout(), found)
			})
		},
	}
	f := cmd.Flags()
	dbFlag(f, &s.dsn)
	f.StringVar(&s.from, "from", "", "verify the rows of this UTC day and later, such as 2026-01-31")
	f.StringVar(&s.to, "to", "", "verify the rows before this UTC day")
	f.StringVar(&s.sensor, "sensor", "", "verify the rows of this sensor alone")
	f.StringSliceVar(&s.keys, "key", nil, "PEM file of a key that may have signed, or for a directory its fingerprint; may be repeated")
	f.StringSliceVar(&s.witnesses, "witness", nil,
		"file with lines of evidence that were written elsewhere; - is standard input; may be repeated")
	f.BoolVar(&s.json, "json", false, "print JSON")
	f.StringVar(&s.authority, "tsa-cert", "", "PEM file of the certificate of the time-stamping authority: it must have "+
		"stamped the directory, or what the witness has stamps of")
	return cmd
}

func (s *verifySettings) config(stdin io.Reader) (cfg store.VerifyConfig, err error) {
	if s.authority != "" && len(s.witnesses) == 0 {
		return cfg, &usageError{errors.New("--tsa-cert is for a directory or a witness: name one")}
	}
	cfg.Sensor = s.sensor
	for _, d := range []struct {
		flag, text string
		day        *time.Time
	}{{"from", s.from, &cfg.From}, {"to", s.to, &cfg.Before}} {
		if d.text == "" {
			continue
		}
		if *d.day, err = time.Parse(time.DateOnly, d.text); err != nil {
			return cfg, &usageError{fmt.Errorf("--%s %q is no day such as 2026-01-31", d.flag, d.text)}
		}
	}
	for _, path := range s.keys {
		key, err := evidence.LoadPublicKey(path)
		if err != nil {
			return cfg, err
		}
		cfg.Keys = append(cfg.Keys, key)
	}
	w := witnessReader{cfg: &cfg}
	if s.authority != "" {
		if w.authorities, err = stamp.LoadAuthorities(s.authority); err != nil {
			return cfg, err
		}
	}
	for _, path := range s.witnesses {
		if err := w.read(path, stdin); err != nil {
			return cfg, err
		}
	}
	s.stamps = w.faults
	return cfg, nil
}

// write prints the report; the error says that something was found.
func (s *verifySettings) write(out io.Writer, r *store.VerifyReport) error {
	if s.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		s.print(out, r)
	}
	if n := len(r.Findings) + r.More; n > 0 {
		return fmt.Errorf("verify has found %d things that are not as they were signed", n)
	}
	return nil
}

// print prints the report for people.
func (s *verifySettings) print(out io.Writer, r *store.VerifyReport) {
	n := numeral.Grouped
	for _, c := range r.Chains {
		trust := "not among the known keys"
		if c.Trusted {
			trust = "known"
		} else if len(s.keys) == 0 {
			trust = "compare it with the sensor's log"
		}
		fmt.Fprintf(out, "%s: %s links, the last is %d of %s\n  key %s (%s)\n", chainOf(c.Sensor), n(c.Links), c.Number,
			c.Last.UTC().Format(time.RFC3339), c.Key, trust)
	}
	fmt.Fprintf(out, "as they were signed: %s in %s looked at, %s that legal holds keep, and %s\n",
		numeral.Count(r.Rows, "row"), numeral.Count(int64(r.Days), "day"), numeral.Count(r.Held, "row"),
		numeral.Count(r.Coverage, "coverage record"))
	fmt.Fprintf(out, "destruction certificates: %s\nwitnesses that agree: %s\n", n(int64(r.Destroyed)), n(int64(r.Witnessed)))
	if r.Stamped > 0 {
		whose := ", whose authority --tsa-cert does not name"
		if s.authority != "" {
			whose = ""
		}
		fmt.Fprintf(out, "time-stamped links of these: %s%s\n", n(int64(r.Stamped)), whose)
	}
	for _, u := range r.Uncovered {
		signed := ""
		if !u.Signed {
			signed = "; nobody has signed that number"
		}
		fmt.Fprintf(out, "not covered by evidence: %s rows of sensor %s, %s, loaded before there was any%s\n",
			n(int64(u.Rows)), u.Sensor, u.Day, signed)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(out, "note: %s\n", n)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(out, "NOT AS SIGNED:", f)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "NOT AS SIGNED: and %s more\n", n(int64(r.More)))
	}
}

func chainOf(sensor string) string {
	if sensor == "" {
		return "destructions"
	}
	return "sensor " + sensor
}

// openSigner opens the key of this machine, for a command that signs once.
func openSigner(path string) (*store.Signer, error) {
	key, _, err := stream.OpenKey(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if path == "" {
		if dir, err = stream.SpoolBase(); err != nil {
			return nil, err
		}
		dir = filepath.Dir(dir)
	}
	return &store.Signer{Key: key, Version: version(), Dir: dir}, nil
}
