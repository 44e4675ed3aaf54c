package main

import "github.com/jackc/pgx/v5"

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
