// Package confine gives up the rights that a process no longer needs, in every thread and for good.
//
// A tap attaches to interfaces with capabilities, then reads traffic of strangers until it ends. [To] leaves it what
// [Rights] names: no capability, no new privileges, another user if one is named, and by Landlock (landlock(7)) some
// directories and TCP ports. The memory is dumped nowhere. What a kernel cannot restrict is reported, and is no error.
//
//	confine.go   Rights, and giving up the others
//	paths.go     which directories keep a file readable that another is renamed over
//	owner.go     who owns a directory, and giving it to another user before becoming that user
package confine
