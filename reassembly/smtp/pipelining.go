package smtp

// pace is what is known of how a client waits for replies. A client either groups commands (RFC 2920) in every session or
// waits for each reply; one that has sent a whole mail so is taken at its habit.
type pace struct {
	plain   bool // the server did not offer PIPELINING
	grouped bool // a command was sent before the reply to the one before it had been received
	waited  bool // a mail was sent without that
}

// lockStep says whether the client waits for each reply before it sends the next command.
func (p pace) lockStep() bool { return !p.grouped && (p.plain || p.waited) }
