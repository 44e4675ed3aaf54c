package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// refusedCode returns the SQLSTATE of an error that refuses rows for what they are, whatever the time and the server's
// state: 22 data exception, 23 integrity constraint, 54 program limit, and 08P01 for a column that is too short. The
// text of such errors may quote the rows.
func refusedCode(err error) (code string, ok bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Severity == "FATAL" || e.Severity == "PANIC" {
		return "", false
	}
	return e.Code, slices.Contains([]string{"22", "23", "54"}, e.Code[:min(2, len(e.Code))]) || e.Code == "08P01"
}

// hopeless reports whether somebody has to do something about an error, since waiting does not cure it.
func hopeless(err error) bool {
	if errors.Is(err, ErrNoSchema) || errors.Is(err, ErrOlderSchema) || errors.Is(err, errNewerSchema) {
		return true
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if all, ok := c.Unwrap().(interface{ Unwrap() []error }); ok { // of several hosts: another may let us in
			return !slices.ContainsFunc(all.Unwrap(), func(err error) bool { return !hopeless(err) })
		}
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"28", "3D", "3F", "42"}, e.Code[:min(2, len(e.Code))])
}

// Hopeless reports whether waiting does not cure an error: [ErrNoSchema], [ErrOlderSchema], a newer schema, a refused
// login or a missing right.
func Hopeless(err error) bool { return hopeless(err) }

// Passes reports whether an error is that of a server which goes down or comes up: it had taken the connection, or says
// so itself (SQLSTATE 57P01 admin_shutdown, 57P02 crash_shutdown, 57P03 cannot_connect_now); of a private server that
// died just now; or of a standby, which may be promoted.
func Passes(err error) bool {
	if errors.Is(err, pgconn.ErrReadOnlyConnection) || errors.Is(err, errGone) {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{"57P01", "57P02", "57P03"}, e.Code)
	}
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET},
		func(cut error) bool {
			return errors.Is(err, cut)
		})
}

// plain returns an error without anything that the server may have quoted of the rows.
func plain(err error) error {
	if l, ok := errors.AsType[*lockedError](err); ok {
		return fmt.Errorf("%w; %s", plain(l.err), l.by)
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok:
		return err
	case slices.Contains([]string{"08", "25", "28", "3D", "40", "42", "53", "55", "57", "58"},
		e.Code[:min(2, len(e.Code))]) && e.Code != "08P01":
		return fmt.Errorf("%s (SQLSTATE %s)", e.Message, e.Code)
	}
	return fmt.Errorf("the server reports SQLSTATE %s", e.Code)
}

// LacksRight reports whether an error is that of a login which lacks a right to an object, such as a table; functions
// that refuse something by themselves say why.
func LacksRight(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42501" && strings.HasPrefix(e.Message, "permission denied for ")
}
