package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tap25/cmd/tap25/replay"
	"tap25/cmd/tap25/terminal"
)

// replayOutput says what a replay writes to standard error, which has one form: text, or JSON lines.
type replayOutput struct {
	summary string
	quiet   bool

	log    zerolog.Logger
	stderr io.Writer // for what is neither the log nor the summary
}

func (o *replayOutput) add(f *pflag.FlagSet) {
	f.StringVar(&o.summary, "summary", "text",
		"form of the summary, and of all else on standard error: text, or json for JSON lines")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "only warnings and errors on standard error, without progress and summary")
}

// open makes the logger.
func (o *replayOutput) open(stderr io.Writer) error {
	switch o.stderr = stderr; {
	case o.summary != "text" && o.summary != "json":
		return &usageError{fmt.Errorf("--summary %q is not text or json", o.summary)}
	case o.summary == "text":
		o.log = newTextLogger(stderr)
	case terminal.IsJournal(stderr):
		o.log = newLogger(stderr)
	default:
		o.log = zerolog.New(stderr).With().Timestamp().Logger()
	}
	if o.summary == "json" {
		o.stderr = lineLogger{&o.log}
	}
	if o.quiet {
		o.log, o.stderr = o.log.Level(zerolog.WarnLevel), io.Discard
	}
	return nil
}

// end writes the summary, and in JSON the error too.
func (o *replayOutput) end(cmd *cobra.Command, s *replay.Summary, err error) error {
	// no zeros before an error
	if s != nil && (s.Frames > 0 || err == nil || errors.Is(err, replay.ErrInterrupted)) && !o.quiet {
		if o.summary == "json" {
			o.log.Info().Interface("summary", s).Msg("replay ended")
		} else {
			s.Write(cmd.ErrOrStderr())
		}
	}
	if err != nil && o.summary == "json" {
		o.log.Error().Err(err).Msg("replay failed")
		return &reportedError{err}
	}
	return err
}

// reportedError is an error that standard error has already.
type reportedError struct{ error }

func (e *reportedError) Unwrap() error { return e.error }

// lineLogger logs each line.
type lineLogger struct{ log *zerolog.Logger }

// Write implements io.Writer.
func (l lineLogger) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l.log.Info().Msg(strings.TrimSpace(line))
	}
	return len(p), nil
}
