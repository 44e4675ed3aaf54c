package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSniff_ReadsItsFilesOnceConfined replaces the configuration as editors do, by a rename, and has the certificate of
// the database's authority lie outside the directories of tap25.
func TestSniff_ReadsItsFilesOnceConfined(t *testing.T) {
	w := newWire(t)
	w.serve()
	path := configFile(t, "log-level: info\n")
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	state := openDir(t)
	t.Setenv("XDG_STATE_HOME", state)
	s := w.sniff("--config", path, "--db", "postgres://u@127.0.0.1:1/mail?sslmode=verify-full&sslrootcert="+authority)
	if err := os.WriteFile(path+".new", []byte("log-level: warn\nport: [2525, 25]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := w.send("192.0.2.25:25", "m", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "word of the database", func() bool { return strings.Contains(s.diag.String(), "connection refused") })
	if said := s.diag.String(); strings.Contains(said, "cannot read the settings again") ||
		strings.Contains(said, "permission denied") || !strings.Contains(said, "connection refused") {
		t.Error(said)
	}
	if err := s.cmd.Process.Kill(); err != nil { // else it would wait for the database
		t.Fatal(err)
	}
}

// TestSniff_HangupAtTheStartDoesNotEndIt sends one as soon as the program is attached.
func TestSniff_HangupAtTheStartDoesNotEndIt(t *testing.T) {
	w := newWire(t)
	path := configFile(t, "port: [25]\n")
	for range 3 {
		s := w.start("--config", path, "--json")
		await(t, "a program on the interface", func() bool { return w.linkIn(w.tap, "tap0").attached })
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.awaitListening()
		s.end(syscall.SIGTERM)
	}
}

// certificate is of an authority made for this test alone: openssl req -x509 -newkey ed25519 -nodes -days 36500 -subj
// /CN=test
const certificate = `-----BEGIN CERTIFICATE-----
MIIBNDCB56ADAgECAhREMnZ2axku+UUhHadwl4hZv9uLOTAFBgMrZXAwDzENMAsG
A1UEAwwEdGVzdDAgFw0yNjExMjUxMTA1MTZaGA8yMTI2MTEwMTExMDUxNlowDzEN
MAsGA1UEAwwEdGVzdDAqMAUGAytlcAMhAMCp0qEPLVVyPfwFV8EfHUoXrV18bfKB
wDbwtf1vf9Z0o1MwUTAdBgNVHQ4EFgQU+NEWRfXUO5wZPg9YcSTQRdEwCJIwHwYD
VR0jBBgwFoAU+NEWRfXUO5wZPg9YcSTQRdEwCJIwDwYDVR0TAQH/BAUwAwEB/zAF
BgMrZXADQQBtwGANRVoJAwjJEDsNSXg4j8ebLSLgkLthuOulNxL3hL0v5mdpUKFS
KwQ1cIH8eAn8sd0312z6kblL85VEa8oH
-----END CERTIFICATE-----
`
