package callgrind

// Supported says whether there is a way to ask on this machine.
const Supported = true

// request executes the instructions by which valgrind knows that it is asked.
func request(args *[6]uintptr)
