// Package store keeps envelope rows in PostgreSQL: the schema, the exactly-once load, and the private local cluster.
//
// A segment of rows is loaded in one transaction that also enters its name in the table loads; a name that stands there
// is skipped. So a load that is repeated, after whatever failure, adds no row twice.
package store
