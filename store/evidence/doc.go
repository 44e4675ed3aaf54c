// Package evidence makes rows provable: trees over rows, links that name their roots, chains of links, keys that sign
// them. docs/evidence.md has the formats, so that another program can check what this one has written.
//
// The package knows no database. Its functions may be called by several goroutines; a [Checker] is for one.
package evidence
