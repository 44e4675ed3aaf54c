package main

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// newLogger logs JSON lines, or a console form where w is a terminal. Nothing of a dialogue is ever logged.
func newLogger(w io.Writer) zerolog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05"}
	}
	return zerolog.New(w).With().Timestamp().Logger()
}

// levelFilter leaves out what is below a level that may change.
type levelFilter struct{ least atomic.Int32 }

func newLeveledLogger(w io.Writer, level zerolog.Level) (zerolog.Logger, *levelFilter) {
	f := &levelFilter{}
	f.set(level)
	return newLogger(w).Hook(f), f
}

func (f *levelFilter) set(level zerolog.Level) { f.least.Store(int32(level)) }

// Run implements zerolog.Hook.
func (f *levelFilter) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < f.least.Load() {
		e.Discard()
	}
}
