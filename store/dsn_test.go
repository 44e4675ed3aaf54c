package store

import (
	"slices"
	"testing"
)

func TestFiles_AreThoseOfTheStringThenOfTheEnvironment(t *testing.T) {
	t.Setenv("PGSSLROOTCERT", "/env/ca.pem")
	for dsn, want := range map[string][]string{
		"postgres://db.example/mail": {"/env/ca.pem"},
		"postgres://db.example/mail?sslrootcert=/etc/pki/ca.pem&sslkey=/k%20ey": {"/etc/pki/ca.pem", "/k ey"},
		"host=db.example sslrootcert = '/my ca.pem' passfile=/p":                {"/my ca.pem", "/p"},
		"host=db.example sslrootcert=system":                                    nil,
	} {
		if got := Files(dsn); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dsn, got, want)
		}
	}
}
