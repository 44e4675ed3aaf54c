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

var sessionTarget = regexp.MustCompile(`(?:^|\s)target_session_attrs\s*=`)

// targetGiven says whether target_session_attrs is set, if only to what is its default.
func targetGiven(dsn string) bool {
	if os.Getenv("PGTARGETSESSIONATTRS") != "" {
		return true
	}
	if query, ok := URLQuery(dsn); ok {
		return query.Has("target_session_attrs")
	}
	return sessionTarget.MatchString(dsn)
}

// URLQuery returns the parameters of a connection string that is a URL; ok is false for keywords. Several hosts, some of them
// IPv6 addresses, are a URL to PostgreSQL and none to net/url.
func URLQuery(dsn string) (query url.Values, ok bool) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return nil, false
	}
	_, raw, _ := strings.Cut(dsn, "?")
	raw, _, _ = strings.Cut(raw, "#")
	query, _ = url.ParseQuery(raw)
	return query, true
}

// Hosts returns the hosts and ports of a connection string, in its order, as PGHOST and PGPORT want them; and what
// PGTARGETSESSIONATTRS is to say for them, "" for nothing.
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

// Ports are those that a connection to the database, and finding its server by name over TCP, takes.
func Ports(dsn string) []uint16 {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil // connecting says so
	}
	ports := []uint16{53, cfg.Port}
	for _, f := range cfg.Fallbacks {
		ports = append(ports, f.Port)
	}
	return ports
}

// Files are those that the connection string, or else the environment, names, and that each connection reads.
func Files(dsn string) (files []string) {
	query, isURL := URLQuery(dsn)
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey", "passfile", "servicefile"} {
		value := os.Getenv("PG" + strings.ToUpper(name))
		if isURL {
			if given := query.Get(name); given != "" {
				value = given
			}
		} else if m := regexp.MustCompile(`(?:^|\s)` + name + `\s*=\s*(?:'([^']*)'|(\S+))`).FindStringSubmatch(dsn); m != nil {
			value = m[1] + m[2]
		}
		if value != "" && value != "system" {
			files = append(files, value)
		}
	}
	return files
}
