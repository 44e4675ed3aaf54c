package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/disclose"
	"tap25/store/evidence"
)

var isFingerprint = regexp.MustCompile("^[0-9a-f]{64}$")

// isDatabase is how a database is named, perhaps with its password.
var isDatabase = regexp.MustCompile(`^postgres(ql)?://|^[a-z_]+ *=`)

// directory checks what tap25 disclose has written.
func (s *verifySettings) directory(cmd *cobra.Command, dir string) error {
	if isDatabase.MatchString(dir) {
		return &usageError{errors.New("that is a database, and not a directory: name it with --db")}
	}
	for _, flag := range []string{"db", "from", "to", "sensor", "witness"} {
		if cmd.Flags().Changed(flag) {
			return &usageError{fmt.Errorf("--%s is for the rows of a database, and not for a directory", flag)}
		}
	}
	trust := disclose.Trust{Version: version()}
	for _, key := range s.keys {
		if !isFingerprint.MatchString(key) {
			public, err := evidence.LoadPublicKey(key)
			if err != nil {
				return err
			}
			key = evidence.Fingerprint(public).String()
		}
		trust.Keys = append(trust.Keys, key)
	}
	if s.authority != "" {
		var err error
		if trust.Stamps, err = disclose.LoadAuthorities(s.authority); err != nil {
			return err
		}
	}
	report, err := disclose.Verify(cmd.Context(), dir, trust)
	if err != nil {
		return err
	}
	if s.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		report.Write(cmd.OutOrStdout())
	}
	if err == nil && !report.OK() {
		err = errors.New("the directory is not what was disclosed")
	}
	return err
}
