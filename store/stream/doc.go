// Package stream takes rows to the database: spool, loader and database as one thing.
//
// A source emits rows into the spool (package tap25/store/spool), which a Loader (package tap25/store) empties into the
// database. A stream is opened for one of two kinds of source. Live traffic cannot wait and cannot be read again: Emit
// never blocks, what finds no room is counted as lost, and the database may be away for any time. A replay can wait:
// Emit blocks until there is room, and the source names its segments (Seal), so that a repetition adds no row twice. If
// it can also be read again, what it has not sealed is dropped at the end.
//
//	stream.go    Open, Emit, Put, Seal, Ask
//	close.go     Close, Drain, Settled, Confirm: the end, and what the database lacks after a failover
//	grace.go     how long work continues after an interruption
//	spool.go     the directories and limits of the spool
//	evidence.go  the key that signs what is loaded and dropped; the log and the witness
//	upkeep.go    partitions ahead, retention, days that are over: hourly
//	scope.go     changes of the scope, noted beside the spool until the database has them
//	size.go      the size of the database, each minute
//	watch.go     the log: what is wrong, and when it is over
//
// The package logs by itself, since much of what happens to rows happens in its own goroutines. No log line holds an
// address or anything of a dialogue.
package stream
