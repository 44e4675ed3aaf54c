package main

import (
	"bufio"
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
	"tap25/store/stream"
)

const verifyLong = `
verify computes the evidence in the database anew from the rows. It names the sensor, the segment and the day of every
row that was changed, deleted, inserted or moved since it was loaded, of every link of a chain that was changed or
removed, and of every day that was destroyed without a certificate. It exits with 0 only if it finds none of these.

Without --key, verify believes the public keys that the database has. Who may change everything in the database can
replace those too: name the sensors' keys with --key, or compare the fingerprints with those in the sensors' logs. A
key is a PEM file of a public key, or a sensor's own sensor.key.

Without --witness, nothing shows that the last links of a chain were removed with their rows. A witness is the file of
'tap25 sniff --witness', or a sensor's log, such as the output of 'journalctl -u tap25'.

The user must be able to read all rows: run verify as the database's owner. docs/evidence.md describes what is proven.

With a directory, verify checks what 'tap25 disclose' has written, and takes neither a database nor a network. It names
every file and row that is not as it was signed. Each --key is a fingerprint or a PEM file then, and every key of the
directory must be one of them. docs/disclosure.md describes the files.`

// verifySettings are the values of the flags.
type verifySettings struct {
	dsn, from, to, sensor string
	keys, witnesses       []string
	json                  bool
	authority             string // PEM file of the certificate of a time-stamping authority
}

func verifyCommand() *cobra.Command {
	s := &verifySettings{}
	cmd := &cobra.Command{
		Use: "verify [DIRECTORY]", Short: "Check that no row was changed since it was loaded, or a disclosure",
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
				report, err := db.Verify(ctx, cfg)
				if err != nil {
					return err
				}
				return s.write(cmd.OutOrStdout(), report)
			})
		},
	}
	f := cmd.Flags()
	dbFlag(f, &s.dsn)
	f.StringVar(&s.from, "from", "", "verify the rows of this UTC day and later, such as 2026-01-31")
	f.StringVar(&s.to, "to", "", "verify the rows before this UTC day")
	f.StringVar(&s.sensor, "sensor", "", "verify the rows of this sensor alone")
	f.StringSliceVar(&s.keys, "key", nil, "PEM file of a key that may have signed; may be repeated")
	f.StringSliceVar(&s.witnesses, "witness", nil,
		"file with lines of evidence that were written elsewhere; - is standard input; may be repeated")
	f.BoolVar(&s.json, "json", false, "print JSON")
	f.StringVar(&s.authority, "tsa-cert", "", "with a directory: PEM file of the certificate of the time-stamping "+
		"authority, which must have stamped it")
	return cmd
}

func (s *verifySettings) config(stdin io.Reader) (cfg store.VerifyConfig, err error) {
	if s.authority != "" {
		return cfg, &usageError{errors.New("--tsa-cert is for a directory: name it")}
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
	for _, path := range s.witnesses {
		if err := readWitness(&cfg, path, stdin); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// mostWitnesses bounds the lines of witnesses: those of a hundred sensors for more than a year.
const mostWitnesses = 1 << 20

// readWitness reads the checkpoints among the lines of a file; other lines are skipped, and of long ones the rest.
func readWitness(cfg *store.VerifyConfig, path string, stdin io.Reader) error {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read the witness: %w", err)
		}
		defer f.Close()
		stdin = f
	}
	before := len(cfg.Witnesses)
	in := bufio.NewReaderSize(stdin, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if c, ok := evidence.FindCheckpoint(line); ok {
			cfg.Witnesses = append(cfg.Witnesses, c)
		}
		if len(cfg.Witnesses) > mostWitnesses {
			return fmt.Errorf("read the witness: more than %d lines; give it the latest ones", mostWitnesses)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("read the witness: %w", err)
		}
	}
	if len(cfg.Witnesses) == before {
		return fmt.Errorf("read the witness: %s has no line of evidence", path)
	}
	return nil
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
	for _, c := range r.Chains {
		trust := "not among the known keys"
		if c.Trusted {
			trust = "known"
		} else if len(s.keys) == 0 {
			trust = "compare it with the sensor's log"
		}
		fmt.Fprintf(out, "%s: %d links, the last is %d of %s\n  key %s (%s)\n", chainOf(c.Sensor), c.Links, c.Number,
			c.Last.UTC().Format(time.RFC3339), c.Key, trust)
	}
	fmt.Fprintf(out, "as they were signed: %d rows in %d segments of %d days, and %d rows that legal holds keep\n",
		r.Rows,
		r.Segments, r.Days, r.Held)
	fmt.Fprintf(out, "destruction certificates: %d\nwitnesses that agree: %d\n", r.Destroyed, r.Witnessed)
	for _, u := range r.Uncovered {
		signed := ""
		if !u.Signed {
			signed = "; nobody has signed that number"
		}
		fmt.Fprintf(out, "not covered by evidence: %d rows of sensor %s, %s, loaded before there was any%s\n", u.Rows,
			u.Sensor,
			u.Day, signed)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(out, "note: %s\n", n)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(out, "NOT AS SIGNED:", f)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "NOT AS SIGNED: and %d more\n", r.More)
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
