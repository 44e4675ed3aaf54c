package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"tap25/store"
)

// databasePorts are those that a connection to the database, and finding its server by name over TCP, takes.
func databasePorts(dsn string) []uint16 {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil // connecting says so
	}
	ports := []uint16{53, cfg.Port}
	for _, f := range cfg.Fallbacks {
		ports = append(ports, f.Port)
	}
	return ports
}

// databaseFiles are those that the connection string, or else the environment, names, and that each connection reads.
func databaseFiles(dsn string) (files []string) {
	query, isURL := store.URLQuery(dsn)
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

// place is where a file may be read also once another was renamed over it, as editors and renewals do: its directory. Of
// directories that hold all kinds of things it is the file alone, as it is now.
func place(path string) string {
	if path, err := filepath.EvalSymlinks(path); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			switch dir := filepath.Dir(path); dir {
			case "/", "/etc", "/root", "/tmp", "/run", "/home", os.Getenv("HOME"):
				return path
			default:
				return dir
			}
		}
	}
	return path
}
