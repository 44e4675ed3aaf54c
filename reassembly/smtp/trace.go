package smtp

import "time"

// Step is what a dialogue has read: a command with its reply, octets that were not captured, or a conflict. Of what
// either side sent it has only a verb and a code.
type Step struct {
	Session int64
	Time    time.Time // of the command, or of what the dialogue had read last
	Verb    string    // "": no command
	Code    uint16    // of the reply; 0: none was seen
	Doubted bool      // after a loss: the reply may be another command's
	Lost    int64     // octets that were not captured; 0 without a verb: octets were captured in two versions
	From    Direction // of these
}

var verbNames = [verbs]string{"another command", "greeting", "EHLO or HELO", "MAIL", "RCPT", "DATA", "end of data",
	"BDAT", "RSET", "QUIT", "AUTH", "line of AUTH", "STARTTLS", "XCLIENT", "XFORWARD", "BURL", "TURN"}

// trace gives a step to Config.Trace, which must not be nil.
func (d *Dialogue) trace(s Step) {
	if s.Session = d.session.ID; s.Time.IsZero() {
		s.Time = d.now
	}
	d.cfg.Trace(s)
}
