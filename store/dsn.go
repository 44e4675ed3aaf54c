package store

import (
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Parameter returns what a connection string, a URL or keywords, says of one of libpq's parameters (PostgreSQL
// documentation, "Parameter Key Words"); given is false if it does not set that parameter. The environment is not
// looked at.
func Parameter(dsn, name string) (value string, given bool) {
	if query, isURL := urlQuery(dsn); isURL {
		return query.Get(name), query.Has(name)
	}
	found := regexp.MustCompile(`(?:^|\s)`+name+`\s*=\s*(?:'([^']*)'|(\S*))`).FindAllStringSubmatch(dsn, -1)
	if found == nil {
		return "", false
	}
	last := found[len(found)-1] // as pgx has it
	return last[1] + last[2], true
}

// targetGiven reports whether target_session_attrs is set, if only to what is its default.
func targetGiven(dsn string) bool {
	_, given := Parameter(dsn, "target_session_attrs")
	return given || os.Getenv("PGTARGETSESSIONATTRS") != ""
}

// urlQuery returns the parameters of a connection string that is a URL; ok is false for keywords. Several hosts, some
// of them IPv6 addresses, are a URL to PostgreSQL and none to net/url.
func urlQuery(dsn string) (query url.Values, ok bool) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return nil, false
	}
	_, raw, _ := strings.Cut(dsn, "?")
	raw, _, _ = strings.Cut(raw, "#")
	query, _ = url.ParseQuery(raw)
	return query, true
}

// Hosts returns the hosts and ports of a connection string, in its order and separated by commas, as PGHOST and PGPORT
// want them; and the value that PGTARGETSESSIONATTRS needs for them, "" if it needs none. The error is [Open]'s for a
// string that cannot be read.
func Hosts(dsn string) (hosts, ports, target string, err error) {
	cfg, implied, err := parse(dsn)
	if err != nil {
		return "", "", "", err
	}
	var hostList, portList []string
	for _, a := range addresses(&cfg.Config) {
		host, port, _ := net.SplitHostPort(a)
		hostList, portList = append(hostList, host), append(portList, port)
	}
	if implied && len(hostList) > 1 {
		target = "read-write"
	}
	return strings.Join(hostList, ","), strings.Join(portList, ","), target, nil
}

// addresses are the hosts with their ports, each once: pgx lists one twice that is tried with TLS and without.
func addresses(cfg *pgconn.Config) (list []string) {
	seen := map[string]bool{}
	add := func(host string, port uint16) {
		a := hostPort(host, port)
		if !seen[a] {
			seen[a] = true
			list = append(list, a)
		}
	}
	add(cfg.Host, cfg.Port)
	for _, f := range cfg.Fallbacks {
		add(f.Host, f.Port)
	}
	return list
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func severalHosts(cfg *pgconn.Config) bool { return len(addresses(cfg)) > 1 }

// Ports returns the TCP ports that a connection takes to the hosts that a connection string names, and port 53, which
// finding them by name may take. It returns nil for a string that cannot be read: [Open] says so.
func Ports(dsn string) []uint16 {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil
	}
	ports := []uint16{53, cfg.Port}
	for _, f := range cfg.Fallbacks {
		ports = append(ports, f.Port)
	}
	return ports
}

// Files returns the paths of the files that a connection string, or else the environment, names: certificates, the key,
// the password file and the service file. Each connection reads them again.
func Files(dsn string) (files []string) {
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey", "passfile", "servicefile"} {
		value, given := Parameter(dsn, name)
		if !given {
			value = os.Getenv("PG" + strings.ToUpper(name))
		}
		if value != "" && value != "system" {
			files = append(files, value)
		}
	}
	return files
}
