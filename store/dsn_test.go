package store

import (
	"fmt"
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

func TestParameter_OfURLsAndKeywords(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u@[::1],h2/x?sslmode=require#sslmode=disable": "require true",
		"postgres://u@h/x?sslmode=&connect_timeout=5":             " true",
		"postgres://u@h/x?sslmodes=require":                       " false",
		"host=h sslmode = 'verify-full' user=u":                   "verify-full true",
		"host=h sslmode=disable sslmode=require":                  "require true",
		"host=h sslmode=":                                         " true",
		"host=h nosslmode=disable":                                " false",
	} {
		value, given := Parameter(dsn, "sslmode")
		if got := fmt.Sprint(value, " ", given); got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
}
