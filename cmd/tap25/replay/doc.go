// Package replay reads capture files as if they were live, and takes their rows to the database, each once however
// often the files are read.
//
// [Write] writes the rows to standard output, [Load] loads them, and [Follow] reads the files of a directory as they
// become complete. Each returns a [Summary] of what it has counted.
//
//	replay.go      Write and Load: files as one stream, from the first frame to the exit status
//	reader.go      frames to an Assembler, and its rows, each with the file of the frame that completed it
//	loading.go     rows through a spool to the database: emit, then finish
//	inputs.go      which files the database has; noting those that it has got
//	follow.go      Follow, with directory.go (which files are complete) and checkpoint.go (which are done)
//	coverage.go    coverage records of files, from the times of their frames
//	period.go      which rows --since and --before let through
//	ages.go        rows that the retention drops, or has dropped
//	segmentkey.go  names of segments by their rows, for Load
//	filekey.go     names of segments by their file, for Follow
//	lock.go        replays of the same file at the same time
//	summary.go, summary_json.go, missing.go   the counters, as text and JSON; the verdict
//	progress.go    how far it has got, on standard error
//
// Why nothing comes twice: a segment's name is made of its rows (Load) or of its file and its settings (Follow), and
// the database loads a name once. A file that is loaded as a whole is noted under its own name, which both ask for
// first.
//
// The end of the context is a signal: reading stops at once, what is sealed is loaded while the grace lasts
// ([stream.Grace]), and the same call completes the rest later. No error, log line or counter holds an address or
// anything of a dialogue.
package replay
