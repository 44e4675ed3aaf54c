package smtp

import (
	"net/netip"
	"time"
)

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

	MaxLine    int // octets of a command or reply line that are kept; default 65536, RFC 5321 asks for 512
	MaxHeld    int // octets of one client kept while a reply that decides their meaning is awaited; default 65536
	MaxPending int // commands without a reply; default 131072
	MaxReplies int // replies without a command; default 4096
	MaxRcpt    int // recipients of one transaction without an outcome; default 131072, RFC 5321 asks for 100
}

// Stats counts over all dialogues of one Config.
type Stats struct {
	Dialogues   int64 // dialogues closed
	NotSMTP     int64 // of these, without a single command or reply of SMTP
	Rows        [len(outcomeNames)]int64
	Unsolicited int64 // replies that answered no command
	Junk        int64 // lines of servers that are no replies
	Unread      int64 // octets of clients left unread behind holes in both directions, where nothing told a message from commands
	Presumed    int64 // times a client's bytes had to be read without the reply that decides their meaning
	Overflows   int64 // times one of the limits was met
	GivenUp     int64 // times the commands that waited were given up, since telling their replies took too long

	// Steps counts the iterations of loops over what an event left behind: commands, replies, recipients and octets that wait.
	// The octets of the event itself are not counted. It measures work in a way that is the same on every machine.
	Steps int64
}

// Add adds o to s.
func (s *Stats) Add(o *Stats) {
	s.Dialogues += o.Dialogues
	s.NotSMTP += o.NotSMTP
	for i, n := range o.Rows {
		s.Rows[i] += n
	}
	s.Unsolicited += o.Unsolicited
	s.Junk += o.Junk
	s.Unread += o.Unread
	s.Presumed += o.Presumed
	s.Overflows += o.Overflows
	s.GivenUp += o.GivenUp
	s.Steps += o.Steps
}

// Dialogue reads one connection. Make it with New, feed it, Close it. It consists of parts that change each other by their methods
// only.
type Dialogue struct {
	cfg     *Config
	session Session
	stats   *Stats
	work    *work

	client  clientReader // what the client's next octet means
	backlog backlog      // what the client sent that cannot be read yet
	server  replyReader  // the reply that is being read
	match   matcher      // commands without replies, replies without commands
	sync    certainty    // where both sides are known to stand
	dialect dialect      // what they have shown of how they speak SMTP
	mail    mails        // the client's name, its authentication, the open transaction

	now      time.Time // of the last event
	seen     [2]bool
	lost     int64 // octets missed so far, both directions
	isSMTP   bool
	closing  bool
	guessing bool // closing, and what nothing tells for certain is matched as well as can be
	closed   bool
	ended    bool // closed by FIN or RST
}

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}

// New begins a dialogue. cfg is shared and not changed.
func New(cfg *Config, s Session) *Dialogue {
	stats := cfg.Stats
	if stats == nil {
		stats = new(Stats)
	}
	w := &work{credit: stepsAhead, stats: stats}
	d := &Dialogue{
		cfg: cfg, session: s, stats: stats, work: w, backlog: backlog{work: w}, match: matcher{work: w}, client: clientReader{hole: lineHole{resync: s.Midstream}},
	}
	if !s.Midstream {
		d.match.enqueue(command{verb: verbGreeting})
	} else {
		d.sync.midstream()
	}
	return d
}

// Seen says that a packet of that direction exists.
func (d *Dialogue) Seen(dir Direction) { d.seen[dir] = true }

// Push gives the next in-order bytes of one direction, captured at t. acked is the number of bytes of the other
// direction that the sender had received by then (TCP's acknowledgment, relative to that direction's first byte).
// data is not kept.
func (d *Dialogue) Push(dir Direction, t time.Time, data []byte, acked int64) {
	d.seen[dir] = true
	if len(data) == 0 || d.closed {
		return
	}
	d.now = t
	d.work.pay(len(data))
	if dir == FromServer {
		d.readReplies(data, acked)
	} else {
		d.readClient(piece{t: t, data: data, acked: acked})
	}
	d.run()
}

// Lost says that the next n bytes of that direction were not captured.
func (d *Dialogue) Lost(dir Direction, t time.Time, n int64) {
	if n <= 0 || d.closed {
		return
	}
	d.now = t
	d.work.pay(0)
	if dir == FromServer {
		d.lost += n
		d.loseReplies(n)
	} else {
		d.readClient(piece{t: t, lost: n, acked: d.server.offset})
	}
	d.run()
}

// MissedGreeting says that it is not known how much the server had said before the client's first bytes: to be called before
// these.
func (d *Dialogue) MissedGreeting() {
	d.match.dropCommands() // its reply, or the hole where it stood, comes before all that is read
	d.sync.missedReplies(0)
}

// Conflict says that overlapping segments with different bytes were met in that direction. Where those that were read were not
// those that counted, replies may go to other commands than they seem to, until 354 or the reply to a message shows where both
// sides stand: every row in between says so.
func (d *Dialogue) Conflict(Direction) {
	d.flag(Conflict, true)
	d.sync.conflict()
}

// agreed notes that an exchange that cannot be another has shown where both sides stand.
func (d *Dialogue) agreed() {
	if d.sync.conflicted {
		d.flag(Conflict, false)
		d.sync.agree()
	}
}

// Held returns the bytes of memory that the dialogue holds, approximately.
func (d *Dialogue) Held() int {
	n := 1024 + d.backlog.held() + d.match.held() + d.mail.held() + d.client.held() + d.server.held()
	return n
}

// Close ends the dialogue: what is open is emitted as far as it is known. ended says that the connection itself ended
// (FIN in both directions, or RST), so that an open transaction is aborted; otherwise (idle, evicted, end of the
// capture) its outcome is unknown.
func (d *Dialogue) Close(t time.Time, ended bool) {
	if d.closed {
		return
	}
	d.closing, d.ended = true, ended
	d.run()
	d.guessing = true
	d.run()
	for d.client.blocked && !d.backlog.empty() {
		d.presume()
		d.run()
	}
	if d.sync.serverHoleEnd > 0 && ended {
		d.settleHole(d.match.pending.len(), d.server.offset)
		d.matchReplies()
	}
	d.sync.ended()
	for d.match.replies.len() > 0 && d.match.pending.len() == 0 {
		d.unsolicited(d.match.takeReply())
	}
	d.closed = true
	for d.match.pending.len() > 0 {
		d.resolve(d.match.takeCommand(), nil)
	}
	d.emitEncrypted("")
	outcome := Unknown
	if ended && !d.unseenReply() && !d.sync.uncertain {
		outcome = Aborted
	}
	d.endTransaction(outcome)
	d.stats.Dialogues++
	if !d.isSMTP {
		d.stats.NotSMTP++
	}
	d.backlog.drop()
	d.match.dropReplies()
	d.client.drop()
}
