package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Behind returns how many standbys among the hosts of a connection string have not yet received what the server of this
// connection has committed. Those that do not answer are not counted.
func (db *DB) Behind(ctx context.Context, dsn string) (behind int, err error) {
	cfg, _, err := parse(dsn)
	if err != nil || !severalHosts(&cfg.Config) {
		return 0, err
	}
	var committed string
	if err := db.conn.QueryRow(ctx, "select pg_catalog.pg_current_wal_flush_lsn()::pg_catalog.text").
		Scan(&committed); err != nil {
		return 0, fmt.Errorf("read the position of the write-ahead log: %w", err)
	}
	for _, address := range addresses(&cfg.Config) {
		standby, err := connect(ctx, onlyHost(cfg, address))
		if err != nil {
			continue
		}
		var has bool
		err = standby.conn.QueryRow(ctx, `select pg_catalog.pg_wal_lsn_diff(
			greatest(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()),
			$1::pg_catalog.text::pg_catalog.pg_lsn) >= 0`, committed).Scan(&has)
		if err == nil && !has {
			behind++
		}
		standby.Close()
	}
	return behind, nil
}

// onlyHost is a configuration for one of its hosts, as a standby.
func onlyHost(cfg *pgx.ConnConfig, address string) *pgx.ConnConfig {
	one := cfg.Copy()
	one.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsStandby
	one.Fallbacks = nil
	first := true
	for _, f := range append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}},
		cfg.Fallbacks...) {
		if hostPort(f.Host, f.Port) != address {
			continue
		}
		if first {
			one.Host, one.Port, one.TLSConfig, first = f.Host, f.Port, f.TLSConfig, false
			continue
		}
		one.Fallbacks = append(one.Fallbacks, f)
	}
	return one
}
