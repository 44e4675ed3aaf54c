// Package spool is a durable queue of opaque records on disk, between the capture and the database.
//
// A program appends records ([Spool.Append]) and makes them durable ([Spool.Sync], [Spool.Seal]). Sealed segments wait
// ([Spool.Sealed]) until a loader has read them ([Spool.Read]) and committed their records, and says so
// ([Spool.Loaded]). [Inspect] and [ReadFile] read the directory of a spool that another process has open.
//
// # Files
//
// A directory holds segments. What must survive any damage inside a file is in its name. If a block and the name
// disagree about how many records a segment holds, the name is right:
//
//	.<seq>-<run>.open               being written
//	.<seq>-<run>.draft              being written, and its source can be read again: without a seal it is dropped at Open
//	<seq>-<run>-<count>.seg         sealed, waiting to be loaded; its key is "<seq>-<run>"
//	<seq>-<run>-<count>-<key>.seg   the same, under a key of the caller's, its bytes outside [0-9A-Za-z._-] as %XX
//	<name of a segment>.kept        loaded, and there for a while yet: a database that takes the place of another may lack it
//	<name of a segment>.refused     records that the database refused, a segment of the same format with the reasons as notes
//	<name of a segment>.damaged     the bytes of damaged places, each after a line with the place
//	.<seq>-<run>.tmp                a file of the last two kinds while it is written; removed at Open
//
// seq, 16 hexadecimal digits, is the time in microseconds at which the file was begun, or one more than the last, so
// that names sort by age whatever the clock does. run, 16 hexadecimal digits too, is random for each Open. count is
// decimal.
//
// # Format
//
// A segment is a row of blocks: one start, records, one seal. All numbers are little-endian. A block:
//
//	 0  8  magic            89 74 61 70 32 35 0d 0a ("\x89tap25\r\n")
//	 8  1  version          4
//	 9  1  kind             1 start, 2 records, 3 seal, 4 note
//	10  2  encoding         of the payload: 0, as it is
//	12  4  payload length   at most 1 MiB
//	16  4  records          in this block
//	20  4  payload CRC32C
//	24  8  index            of the first record of this block in the segment
//	32  8  seq              as in the name
//	40  8  run              as in the name
//	48  4  header CRC32C    of the 48 bytes before
//	52  …  payload
//
// The payloads:
//
//	start    n sensor
//	records  for each: 4 length, n the record
//	seal     8 total of records, 4 CRC-32 of the payloads of all records blocks, 1 length of the key, n key, n sensor
//	note     n why the records after it were refused, up to the next note
//
// The seal's CRC-32, most significant byte first, is that of IEEE 802.3, another polynomial than the blocks': damage
// that one of them does not see, the other does.
//
// This package still reads older versions. Versions 0 and 1 have other seals: version 0 has 8 bytes of total and the
// sensor, version 1 has a SHA-256 where the CRC-32 is now. Versions 2 and 3 differ in their records alone, which are
// opaque here: rows of version 2 lack the columns that schema 17 added, and version 3 has no coverage. A tap25 that does
// not know a version leaves its segments in place.
//
// A reader that meets a damaged block continues at the next magic, and takes only blocks that bear the name's seq and
// run: a record may hold the bytes of a block, but whoever sent it cannot know the 64 random bits. Blocks are put in
// order by their index; what the count promises and no block covers is lost, and counted. A file whose first block is
// of a newer version and that has no intact block of a known one is left in place and counted.
//
// # What is promised
//
// A record is acknowledged when the Sync or Seal after it returns without error; it is then on disk under a name that
// Open finds. Assumed of the disk: a successful fsync of a file makes its bytes, one of the directory its names
// durable; rename is atomic. Not assumed: anything of bytes that were not synced, or of a file after one of its writes
// or fsyncs failed. Such a file is abandoned: its acknowledged records become a segment of their own, by a rename with
// their count, and only when that is durable are the others, which memory still holds, written to a fresh file. So no
// record is on disk twice. A failed fsync of a file is never tried again on it: the kernel may have marked the lost
// pages clean.
//
// If a source can be read again (Config.Rereadable), a segment counts as acknowledged when it is sealed, and not in
// parts: its key names all of its records. They stay in memory until then, unless they are more than Config.Buffer.
//
// When the disk, or one of the spool's limits, is full, records wait in memory, and when that is full too they are lost
// and counted (Append), or the caller waits (AppendWait). Those that have found room are sealed, so that their load
// makes more.
//
// # What is kept
//
// A segment that was loaded is renamed and stays for Config.Keep, bounded by Config.KeepBytes. Whoever loads asks the
// database for all that Kept returns after each connect: what it has lost Reenter makes wait again. The new name is not
// synced, nor is the removal at the end: after a crash a segment may wait again or be kept again, and is asked for once
// more. What is kept is the first to go if records need room, so it makes none wait and none be lost. None expires
// while no database answers.
//
// # Concurrency
//
// All methods may be called by several goroutines. Append does no disk work and waits for none: a goroutine of the
// spool's own writes what Append has gathered. While a segment is written up to three before it are synced, and those
// that have become durable get their names together, oldest first, with one fsync of the directory; of a source that
// can be read again, each is synced when the one before has its name. Another process may Inspect a directory that is
// in use.
package spool
