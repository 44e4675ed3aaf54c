// Package store keeps envelope rows in PostgreSQL: the schema, the exactly-once load, the evidence that no row was
// changed since, retention, legal holds, warrants and cases, and what a command needs to find and open the database.
//
// A segment of rows is loaded in one transaction that also enters its name in the table loads; a name that is there
// already is skipped. So a load that is repeated, after whatever failure, adds no row twice.
//
// # Opening
//
// A [Database] is how to reach one: by a connection string, or as the private cluster, whose server it starts and whose
// schema it migrates (package [tap25/store/cluster]). Its Connect and Open return a [DB], which is one connection.
//
//	database.go             Database: start, open, migrate, check, release
//	open.go, tls.go         connecting: several hosts, timeouts, TLS that proves the server's name
//	dsn.go                  what a connection string names: parameters, hosts, ports, files
//	db.go, sqlstate.go      DB; which errors waiting cures (Passes) and which it does not (Hopeless)
//	migrate*.go, guard.go   the schema's migrations; who else may create objects where statements look for tap25's
//	roles.go, pooler.go     the roles of the schema; connection poolers
//
// # Loading
//
// A [Loader] takes the segments of a spool (package [tap25/store/spool]) to the database. A row is a tuple of COPY's
// binary format, made by [AppendRow].
//
//	row.go, row_parse.go    an envelope as such a tuple, and back
//	coverage.go             a record of coverage as such a tuple, and back
//	load.go, days.go        the transaction of a load; the partitions of its days
//	loader*.go              the Loader: connect, read ahead, load, set aside what the server refuses
//	bisect.go               which rows of a segment the server refuses
//	kept.go, behind.go      what a server lacks after a failover; how far its standbys are
//
// # Evidence
//
// Whatever loads, packs or drops signs that by a link (package [tap25/store/evidence]).
//
//	signer.go, roots.go     the links of a load, and the roots of its records
//	certificate.go          the links of days that are dropped and of rows that holds release
//	verify*.go              DB.Verify: rows, coverage and links compared with what was signed
//
// # Keeping
//
//	upkeep.go               what a long-running command does hourly (DB.Upkeep)
//	pack.go                 longer records of coverage in place of minutes
//	load_days.go            the days of a capture file, so that it can be loaded again after they were dropped
//	expire*.go, retention.go days dropped after the retention
//	hold.go                 legal holds
//	finish.go, locks.go     summaries and indexes of days that are over; who has a lock that a load waits for
//	status*.go              what 'tap25 db status' shows
//	health.go               what 'tap25 doctor' asks
//
// # Reading
//
//	warrant.go              applying for warrants, approving and ending them
//	case.go                 a question on a case, recorded before its rows are read; proofs of these rows
//	opening.go              the record of an owner who opens the private cluster
//
// # Errors
//
// Errors of the server come as a *pgconn.PgError, wrapped with what was being done. Their text may quote rows; what
// Loader reports in [LoaderStats] does not. A method of DB that names no error of its own returns these alone.
package store
