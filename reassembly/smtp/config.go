package smtp

import "net/netip"

// Direction is one of the two byte streams of a connection.
type Direction uint8

const (
	FromClient Direction = iota
	FromServer
)

// Session names one TCP connection.
type Session struct {
	ID             int64
	Sensor         string
	Client, Server netip.AddrPort
	Midstream      bool   // no SYN was seen
	Network        string // Envelope.Network of its rows
}

// Config serves all dialogues of one goroutine. The limits' zero values are the defaults.
type Config struct {
	Emit  func(*Envelope) // called for each row as it is settled
	Stats *Stats          // nil: not counted
	Trace func(Step)      // called for each step, before the rows that it settles; nil: not
	// Memory is used by all dialogues; nil: they leave theirs to the garbage collector.
	Memory *Memory

	MaxLine    int // octets of a command or reply line that are kept; default 65536, RFC 5321 asks for 512
	MaxHeld    int // octets of one client kept while a reply that decides their meaning is awaited; default 65536
	MaxPending int // commands without a reply; default 131072
	MaxReplies int // replies without a command; default 4096
	MaxRcpt    int // recipients of one transaction without an outcome; default 131072, RFC 5321 asks for 100
}

// Stats counts over all dialogues of one Config.
type Stats struct {
	Dialogues int64 // dialogues closed
	NotSMTP   int64 // of these, without a single command or reply of SMTP
	Rows      [len(outcomeNames)]int64
	// mail transactions, by the first of accepted, unknown, deferred, refused and aborted that one of their rows has;
	// one that was captured twice counts twice
	Mails       [len(outcomeNames)]int64
	Unsolicited int64 // replies that answered no command
	Junk        int64 // lines of servers that are no replies
	Unread      int64 // octets of clients left unread after holes in both directions: a message or commands
	Presumed    int64 // times a client's octets had to be read without the reply that decides their meaning
	Overflows   int64 // times one of the limits was met
	GivenUp     int64 // times the commands that waited were given up, since telling their replies took too long

	// Steps counts the iterations of loops over what waits after an event: commands, replies, recipients and octets.
	// The octets of the event itself are not counted. It measures work in a way that is the same on every machine.
	Steps int64
}

// Add adds o to s.
func (s *Stats) Add(o *Stats) {
	s.Dialogues += o.Dialogues
	s.NotSMTP += o.NotSMTP
	for i, n := range o.Rows {
		s.Rows[i] += n
		s.Mails[i] += o.Mails[i]
	}
	s.Unsolicited += o.Unsolicited
	s.Junk += o.Junk
	s.Unread += o.Unread
	s.Presumed += o.Presumed
	s.Overflows += o.Overflows
	s.GivenUp += o.GivenUp
	s.Steps += o.Steps
}

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}
