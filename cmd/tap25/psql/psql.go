// Package psql runs PostgreSQL's psql on an open database, without handing it a password where others can read it.
package psql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"tap25/store"
)

// Find returns the path of psql. The error says what to install.
func Find() (path string, err error) {
	if path, err = exec.LookPath("psql"); err != nil {
		return "", errors.New("psql is not installed: run apt-get install postgresql-client")
	}
	return path, nil
}

// Session is a psql to run.
type Session struct {
	Path string // of the program, see Find
	Args []string
	DSN  string    // of the database
	DB   *store.DB // the same, opened

	Stdin          io.Reader
	Stdout, Stderr io.Writer // a terminal, if psql is to find one
}

// Run runs it to its end. If ctx ends before, psql gets SIGTERM. The error is that of psql's exit status or start.
func (s *Session) Run(ctx context.Context) error {
	// An error says what to do, and not in which of the database's functions it arose.
	psql := exec.CommandContext(ctx, s.Path, append([]string{"-v", "SHOW_CONTEXT=never"}, s.Args...)...)
	psql.Cancel = func() error { return psql.Process.Signal(syscall.SIGTERM) }
	psql.Stdin, psql.Stdout, psql.Stderr = s.Stdin, s.Stdout, s.Stderr
	if err := connect(psql, s.DSN, s.DB.Conn().Config()); err != nil {
		return err
	}
	defer closeAll(psql.ExtraFiles)
	if s.DB.TakesPath() { // else the database's own setting has to do
		psql.Env = append(psql.Env, "PGOPTIONS="+
			strings.TrimSpace(os.Getenv("PGOPTIONS")+" -c search_path=tap25,public"))
	}
	psql.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := psql.Run(); err != nil {
		return fmt.Errorf("psql: %w", err)
	}
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
