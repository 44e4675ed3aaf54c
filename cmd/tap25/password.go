package main

import (
	"errors"
	"os"
	"path/filepath"

	"tap25/cmd/tap25/secret"
)

// errPassword refuses a password in an argument. Other users may have read it already, so it must be changed.
var errPassword = errors.New("the arguments hold a password, and every user of this machine can read them (ps, " +
	"/proc/PID/cmdline): change it.\n" +
	"Write the new password to ~/.pgpass (a line HOST:PORT:DATABASE:USER:PASSWORD, mode 0600), to such a file that " +
	"passfile=PATH in the URL\n" +
	"names, or to the credential pgpass of the systemd unit (LoadCredential=pgpass:/etc/tap25/pgpass). Or set the " +
	"URL as $DATABASE_URL, or\n" +
	"as db: in the file that --config names")

// refusePassword looks for passwords in all arguments.
func refusePassword(args []string) error {
	if secret.InArguments(args) {
		return &usageError{errPassword}
	}
	return nil
}

// passCredential makes the credential pgpass that systemd gives a unit the password file, unless another is named
// (systemd.exec(5), LoadCredential=).
func passCredential() {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || os.Getenv("PGPASSFILE") != "" {
		return
	}
	path := filepath.Join(dir, "pgpass")
	if _, err := os.Stat(path); err == nil {
		_ = os.Setenv("PGPASSFILE", path)
	}
}
