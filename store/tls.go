package store

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SecureDSN returns a connection string that asks a server on another host to prove its name by a certificate
// (sslmode=verify-full), if neither the string nor $PGSSLMODE says otherwise. A string that cannot be read is returned
// as it is.
func SecureDSN(dsn string) string {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil || os.Getenv("PGSSLMODE") != "" || !remote(cfg) || !preferred(cfg) {
		return dsn
	}
	if _, given := Parameter(dsn, "sslmode"); given {
		return dsn
	}
	if _, isURL := urlQuery(dsn); isURL {
		sep := "?"
		if strings.Contains(dsn, "?") {
			sep = "&"
		}
		return dsn + sep + "sslmode=verify-full"
	}
	return dsn + " sslmode=verify-full"
}

// remote reports whether any of the hosts is not this one.
func remote(cfg *pgconn.Config) bool {
	hosts := []string{cfg.Host}
	for _, f := range cfg.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	return slices.ContainsFunc(hosts, elsewhere)
}

// elsewhere reports whether a host is not this one.
func elsewhere(host string) bool {
	addr, err := netip.ParseAddr(host)
	return !filepath.IsAbs(host) && !strings.HasPrefix(host, "@") && host != "localhost" &&
		(err != nil || !addr.Unmap().IsLoopback())
}

// preferred reports whether a connection would use TLS unproven, and plain text if the server has none: pgx's default.
// A service file that asks for anything else is thereby left alone.
func preferred(cfg *pgconn.Config) bool {
	if cfg.TLSConfig == nil || !cfg.TLSConfig.InsecureSkipVerify {
		return false
	}
	for _, f := range cfg.Fallbacks {
		if f.TLSConfig == nil {
			return true
		}
	}
	return false
}

// tlsHint is what to do about a connection that failed for want of a certificate; "" if it failed for another reason.
func tlsHint(reason string) string {
	lower := strings.ToLower(reason)
	if !strings.Contains(lower, "tls") && !strings.Contains(lower, "x509") && !strings.Contains(lower, "certificate") {
		return ""
	}
	return "; a server on another host must prove its name with a certificate (sslmode=verify-full): name the " +
		"authority that signed it with sslrootcert=/path/to/ca.crt in the URL or in PGSSLROOTCERT; a weaker mode, " +
		"such as sslmode=require, does not prove who answers"
}
