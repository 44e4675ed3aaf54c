// Package disclose writes what a case opens into a directory that a stranger can read and verify, and verifies such a
// directory without a database or a network. docs/disclosure.md describes the files.
//
// Whoever writes a directory and whoever reads it use the same functions: the verifier makes each line anew from what
// it says, and compares octets. So a file says nothing that another one contradicts, JSON has one form, and no parser
// of another program reads a line differently. The verifier expects a hostile directory: it opens the files of these
// names alone, none of which may be a link, and holds a bounded part of each.
package disclose
