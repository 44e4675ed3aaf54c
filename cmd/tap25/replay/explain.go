package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
	"tap25/store/numeral"
)

// Explain writes the dialogues of a capture file to cfg.Stdout, as they were read: each command with the code of its
// reply, octets that were lost, and rows with their outcome and flags. If session is not nil, it writes only that
// session. It writes no address and nothing of a message. If there is nothing to write, it reports why to cfg.Stderr.
func Explain(ctx context.Context, cfg *Config, path string, session *int64) error {
	w := bufio.NewWriter(cfg.Stdout)
	lines, frames := 0, int64(0)
	line := func(of int64, format string, args ...any) {
		if session == nil || *session == of {
			lines++
			fmt.Fprintf(w, "%20d  "+format+"\n", append([]any{of}, args...)...) // Flush has the error
		}
	}
	c := cfg.Reassembly
	c.SMTP.Trace = func(s smtp.Step) {
		line(s.Session, "%s  %s", s.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), stepText(s))
	}
	c.Emit = func(e *smtp.Envelope) {
		line(e.SessionID, "%27s  %-15s  %s", "", fmt.Sprintf("row of mail %d", e.MailNo), strings.Join(append([]string{
			e.Outcome.String()}, e.Flags.Names()...), ", "))
	}
	files := capture.OpenFiles([]string{path}, cfg.Stdin)
	defer files.Close()
	defer context.AfterFunc(ctx, func() { files.Close() })()
	a := reassembly.New(c)
	var f capture.Frame
	err := files.Next(&f)
	for ; err == nil && ctx.Err() == nil; err = files.Next(&f) {
		frames++
		a.Frame(f.Time, f.LinkType, f.Data, f.Length)
		if _, failed := w.Write(nil); failed != nil {
			break // the next Flush returns it
		}
	}
	if ctx.Err() != nil {
		a.LeavesOff()
		err = ErrInterrupted
	}
	a.Close()
	switch flushed := w.Flush(); {
	case errors.Is(flushed, syscall.EPIPE): // the reader has enough
		return nil
	case err == nil || err == io.EOF:
		if lines == 0 {
			fmt.Fprintln(cfg.Stderr, "tap25: "+unexplained(frames, a.Stats(), session))
		}
		return flushed
	}
	return err
}

// unexplained says why there is no line.
func unexplained(frames int64, t reassembly.Stats, session *int64) string {
	switch text := unwatched(frames, &t); {
	case text != "":
		return text
	case session != nil:
		return fmt.Sprintf("no SMTP dialogue of the input has session_id %d", *session)
	}
	return "no SMTP dialogue could be read from the packets of the watched ports"
}

// stepText is a step in words.
func stepText(s smtp.Step) string {
	side := "client"
	if s.From == smtp.FromServer {
		side = "server"
	}
	switch {
	case s.Lost > 0:
		return fmt.Sprintf("%s octets of the %s were not captured", numeral.Grouped(s.Lost), side)
	case s.Verb == "":
		return "octets of the " + side + " were captured in two versions"
	case s.Code == 0:
		return fmt.Sprintf("%-15s  no reply was seen", s.Verb)
	case s.Doubted:
		return fmt.Sprintf("%-15s  %d, after a loss: it may answer another command", s.Verb, s.Code)
	}
	return fmt.Sprintf("%-15s  %d", s.Verb, s.Code)
}
