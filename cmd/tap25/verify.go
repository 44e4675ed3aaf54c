package main

import (
	"errors"
	"regexp"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/disclose"
	"tap25/store/evidence"
)

const verifyLong = `
verify checks a directory that tap25 disclose wrote: that no file was changed since it was signed, that the files say the
same, and that each row is one that a sensor signed when it saw it. It needs neither a database nor a network, and exits
with status 1 if anything differs.

Without --key, compare the fingerprints that it prints with those that whoever disclosed and the keepers of the sensors
give you in another way, such as the sensor's log.`

var isFingerprint = regexp.MustCompile("^[0-9a-f]{64}$")

func verifyCommand() *cobra.Command {
	var keys []string
	var authority string
	cmd := &cobra.Command{
		Use:     "verify DIRECTORY",
		Short:   "Check a disclosure",
		Long:    verifyLong[1:],
		Example: "  tap25 verify 2026-17\n  tap25 verify 2026-17 --key court.pem --key tap1.pem",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			trust := disclose.Trust{Version: version()}
			for _, key := range keys {
				if !isFingerprint.MatchString(key) {
					public, err := evidence.LoadPublicKey(key)
					if err != nil {
						return err
					}
					key = evidence.Fingerprint(public).String()
				}
				trust.Keys = append(trust.Keys, key)
			}
			if authority != "" {
				var err error
				if trust.Stamps, err = disclose.LoadAuthorities(authority); err != nil {
					return err
				}
			}
			report, err := disclose.Verify(cmd.Context(), args[0], trust)
			if err != nil {
				return err
			}
			report.Write(cmd.OutOrStdout())
			if !report.OK() {
				return errors.New("the directory is not what was disclosed")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil,
		"fingerprint or PEM file of a public key: every key of the directory must be one of those named; may be repeated")
	cmd.Flags().StringVar(&authority, "tsa-cert", "",
		"PEM file of the certificate of the time-stamping authority, which must have stamped the manifest")
	return cmd
}
