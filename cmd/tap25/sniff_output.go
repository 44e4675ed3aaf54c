package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tap25/reassembly/smtp"
)

// output is where the rows go.
type output struct {
	emit  func(*smtp.Envelope)        // from any worker
	idle  func()                      // no frame waits at the moment
	close func(context.Context) error // writes or loads what is left

	report func() *storeReport // nil: standard output
	ailing func(time.Time) (ailments, wants []string)
	rights func(*rights) // adds those that it needs
}

// openOutput opens standard output. A write that fails ends the tap.
func openOutput(_ context.Context, cmd *cobra.Command, s *sniffSettings, _ zerolog.Logger, fail func(error)) (*output, error) {
	if !s.json {
		return nil, errors.New("sniff does not write to the database yet: use --json")
	}
	out := newRows(cmd.OutOrStdout(), fail)
	return &output{
		emit:  out.emit,
		idle:  func() { _ = out.flush() }, // rows keeps the error and tells fail
		close: func(context.Context) error { return out.flush() },
	}, nil
}
