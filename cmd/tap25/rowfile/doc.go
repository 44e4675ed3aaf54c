// Package rowfile has the forms that a row takes in files for people and other programs, and writes such files.
//
//	json.go     a line of JSON, written and read
//	parquet.go  a file in Parquet, written; parquet_read.go reads it
//	file.go     a file that is durable once it is closed, with its size and digest
package rowfile
