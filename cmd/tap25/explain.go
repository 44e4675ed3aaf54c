package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/replay"
)

const explainLong = `
explain prints the dialogues of a capture as tap25 reads them. This shows why a row has an outcome or a flag. Each line
begins with the session_id. After it comes one of these:

  - a command, its time, and the code of the reply that tap25 takes as the answer to it;
  - octets of one side that were not captured, or that were captured in two versions;
  - the outcome and the flags of a row.

explain prints no address and no octet of a message. Lines of sessions that overlap in time alternate; --session chooses
one session. FILE is a file that tap25 replay can read, or - for standard input.`

func explainCommand() *cobra.Command {
	var ports, intercepts []uint
	var checksum, session string
	cmd := &cobra.Command{
		Use:     "explain FILE [--session ID]",
		Short:   "Show the commands and replies of a capture as tap25 reads them",
		Long:    explainLong[1:],
		Example: "  tap25 explain mail.pcap\n  tap25 explain --session -982376589493143930 mail.pcap.gz",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			var only *int64
			if session != "" {
				id, err := strconv.ParseInt(session, 10, 64)
				if err != nil {
					return &usageError{fmt.Errorf("--session: %q is no session_id, such as -982376589493143930",
						session)}
				}
				only = &id
			}
			assembly, err := assembler("explain", ports, intercepts, checksum)
			if err != nil {
				return err
			}
			cfg := replay.Config{Reassembly: assembly, Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(),
				Stderr: cmd.ErrOrStderr()}
			err = replay.Explain(cmd.Context(), &cfg, args[0], only)
			if err != nil && !errors.Is(err, replay.ErrInterrupted) {
				err = fmt.Errorf("explain: %w", err)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&session, "session", "",
		"session_id of the only session to print, as rows have it (default: all)")
	portFlags(cmd.Flags(), &ports, &intercepts)
	checksumFlag(cmd.Flags(), &checksum)
	return cmd
}
