package main

import (
	"bytes"
	"io"
	"sync/atomic"

	"github.com/rs/zerolog"

	"tap25/cmd/tap25/terminal"
)

// newLogger logs JSON lines, or a console form if w is a terminal; with priorities, if w is systemd's journal. tap25
// never logs anything of a dialogue.
func newLogger(w io.Writer) zerolog.Logger {
	switch {
	case terminal.IsJournal(w):
		w = journal{w, func(line []byte) []byte { return line }}
	case terminal.Is(w):
		return newTextLogger(w)
	}
	return zerolog.New(w).With().Timestamp().Logger()
}

// newTextLogger logs in the console form; on a terminal in colours.
func newTextLogger(w io.Writer) zerolog.Logger {
	console := zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05", NoColor: true,
		FormatPrepare: func(event map[string]any) error {
			for name, value := range event {
				event[name] = shownValue(value)
			}
			return nil
		}}
	var to io.Writer = console
	switch {
	case terminal.IsJournal(w):
		to = journal{w, func(line []byte) []byte {
			var text bytes.Buffer
			one := console // goroutines log at the same time
			one.Out = &text
			_, _ = one.Write(line) // of which every line is JSON
			return text.Bytes()
		}}
	case terminal.Is(w):
		console.Out, console.NoColor = terminal.Unescaped(w), false
		to = console
	}
	return zerolog.New(to).With().Timestamp().Logger()
}

// journal gives the level of each message to systemd's journal.
type journal struct {
	io.Writer
	form func(line []byte) []byte
}

// WriteLevel implements zerolog.LevelWriter.
func (j journal) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	const debug, info, warning, err = 7, 6, 4, 3 // syslog(3)
	priority := map[zerolog.Level]int{zerolog.DebugLevel: debug, zerolog.WarnLevel: warning, zerolog.ErrorLevel: err}
	p, ok := priority[level]
	if !ok {
		p = info
	}
	if _, err := j.Write(terminal.Prioritized(p, j.form(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

// shownValue makes a JSON value safe for a terminal.
func shownValue(value any) any {
	switch v := value.(type) {
	case string:
		return terminal.Escape(v)
	case []any:
		for i := range v {
			v[i] = shownValue(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = shownValue(v[name])
		}
	}
	return value
}

// levelFilter drops messages below a level that may change.
type levelFilter struct{ least atomic.Int32 }

// newLeveledLogger returns a logger, and what changes its level.
func newLeveledLogger(w io.Writer, level string) (log zerolog.Logger, set func(level string)) {
	f := &levelFilter{}
	f.set(level)
	return newLogger(w).Hook(f), f.set
}

// set takes the name of a level, which was checked.
func (f *levelFilter) set(name string) {
	level, _ := zerolog.ParseLevel(name)
	f.least.Store(int32(level))
}

// Run implements zerolog.Hook.
func (f *levelFilter) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if int32(level) < f.least.Load() {
		e.Discard()
	}
}
