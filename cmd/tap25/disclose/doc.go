// Package disclose writes what a case opens into a directory that a stranger can read and verify, and verifies such a
// directory without a database or a network. docs/disclosure.md describes the files.
//
// Writer and verifier use the same functions. The verifier parses each line, writes it again, and compares the octets.
// So JSON has one form, and no other parser reads a line differently. No file can contradict another unnoticed.
//
// The verifier expects a hostile directory. It opens only files of the known names, follows no link, and holds a
// bounded part of each file in memory.
//
//	case.go, answer.go       the question and its answer, from the database
//	write.go                 the files of the directory, with their sizes and digests
//	csv.go                   the lines of rows.csv; package rowfile has the other forms of a row
//	prover.go, proof.go, tally.go   proofs of rows; their lines in proofs.jsonl; how many rows have one
//	manifest.go              what was asked, and the digests of the files, signed
//	page.go, figures.go, zone.go   the page for people
//	digest.go                the digest that the database has recorded
//	verify.go, part.go, report.go   checking a directory; reading one of its files; what the check found
package disclose
