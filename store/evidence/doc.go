// Package evidence proves that rows were not changed. It has hash trees over rows, links that hold their roots, chains
// of links, and the keys that sign them. docs/evidence.md has the formats, so that another program can check what this
// one has written.
//
// The package knows no database. Several goroutines may call its functions; a [Checker] is for one.
//
//	tree.go, levels.go   leaves, roots and audit paths (RFC 6962)
//	link.go, parse.go    a link as octets, and back
//	chain.go             Checker: if links follow one another
//	checkpoint.go        the last link of a chain, as a line of text
//	key.go               Ed25519 keys and their files
package evidence
