package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"tap25/cmd/tap25/report"
)

const statusLong = `
status asks the tap25 sniff that runs on this machine for its counters, twice, to show rates too. The counters add up:
seen = dropped by design + ring full + delivered, and delivered = read + waiting in the rings. Beside a counter is its
share of what it is a part of; --watch on a terminal adds a bar of that and the last rates. In a low window it leaves
out counters that are 0. sniff answers only root, the user that it runs as, and the user that started it. 'tap25 db
status' shows what the database holds.`

func statusCommand() *cobra.Command {
	s := &report.Status{}
	cmd := &cobra.Command{
		Use:   "status [--json] [--watch]",
		Short: "Show the counters of the running tap25 sniff",
		Long:  statusLong[1:],
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if s.Control == "" {
				if s.Control, err = report.ControlPath(); err != nil {
					return err
				}
			}
			if s.Interval <= 0 {
				return &usageError{errors.New("--interval must be greater than 0")}
			}
			return s.Run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.Control, "control", "", "unix socket of the sniff (default: that of tap25 sniff)")
	f.BoolVar(&s.JSON, "json", false, "print JSON, without rates; with --watch one line each time")
	f.BoolVar(&s.Watch, "watch", false, "repeat until Ctrl-C")
	f.DurationVar(&s.Interval, "interval", time.Second, "time over which rates are measured, and between repetitions")
	return cmd
}
