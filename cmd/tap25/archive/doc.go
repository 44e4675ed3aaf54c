// Package archive writes mail into a directory, a file for each UTC day, for other programs and for another database,
// and brings such files of Parquet back. docs/export.md describes the directory.
//
// A file that comes from elsewhere may be hostile. The Parquet library trusts the sizes that a file states, so another
// process with little memory and no rights reads it: a damaged file ends that process and nothing else.
//
//	export.go      the rows of each day, from the database
//	form.go        the forms of a file
//	directory.go   the directory: what is there is whole, and an interrupted export goes on
//	manifest.go    what was exported, and the digests of the files, signed
//	import.go      the files of a directory, each checked as a whole and then loaded once
//	part.go        the rows of a file, cut into segments
//	reader.go      the process that reads a file
package archive
