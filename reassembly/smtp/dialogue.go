package smtp

import "time"

// Dialogue reads one connection. Make it with New, feed it, Close it. It consists of parts that change each other by
// their methods only.
type Dialogue struct {
	cfg     *Config
	session Session
	stats   *Stats
	work    work
	texts   texts

	head    head         // what may stand before the first command
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
	guessing bool // closing: nothing more comes that could show where both sides stand
	closed   bool
	turned   *reversed // what reads the connection now, since its roles were reversed
	second   bool      // this is such a dialogue
	ended    bool      // closed by FIN or RST
}

// New begins a dialogue. cfg is shared and not changed.
func New(cfg *Config, s Session) *Dialogue {
	d := cfg.Memory.dialogue()
	d.begin(cfg, s)
	return d
}

// begin begins a dialogue in memory that may have had another.
func (d *Dialogue) begin(cfg *Config, s Session) {
	stats := cfg.Stats
	if stats == nil {
		stats = new(Stats)
	}
	d.renew(cfg, s, stats)
	if !s.Midstream {
		d.match.enqueue(&command{verb: verbGreeting})
	} else {
		d.sync.midstream()
	}
}

// renew drops all that a dialogue has, except a little memory for the next one.
func (d *Dialogue) renew(cfg *Config, s Session, stats *Stats) {
	*d = Dialogue{
		cfg: cfg, session: s, stats: stats, work: work{credit: stepsAhead, stats: stats}, texts: d.texts.anew(),
		head: head{open: true}, client: clientReader{hole: lineHole{resync: s.Midstream}, line: d.client.line.anew()},
		server:  replyReader{line: d.server.line.anew()},
		backlog: backlog{work: &d.work, pieces: d.backlog.pieces.anew()},
		match:   matcher{work: &d.work, pending: d.match.pending.anew(), replies: d.match.replies.anew()},
		mail:    mails{own: transaction{rcpts: d.mail.own.rcpts.anew()}},
	}
}

// Seen records that a packet of that direction exists.
func (d *Dialogue) Seen(dir Direction) { d.seen[dir] = true }

// Push gives the next in-order bytes of one direction, captured at t. acked is the number of bytes of the other
// direction that the sender had received by then (TCP's acknowledgment, relative to that direction's first byte).
// data is not kept.
func (d *Dialogue) Push(dir Direction, t time.Time, data []byte, acked int64) {
	d.seen[dir] = true
	if len(data) > 0 {
		d.read(dir, &piece{t: t, data: data, acked: acked})
	}
}

// Lost records that the next n bytes of that direction were not captured.
func (d *Dialogue) Lost(dir Direction, t time.Time, n int64) {
	if n > 0 {
		d.read(dir, &piece{t: t, lost: n, acked: d.server.offset})
	}
}

// read reads what comes next in one direction. Here alone it is decided which direction is the client's.
func (d *Dialogue) read(dir Direction, p *piece) {
	if d.closed {
		return
	}
	if d.turned != nil {
		d.turned.read(dir, *p)
		return
	}
	d.now = p.t
	d.work.pay(len(p.data))
	if p.lost > 0 && d.cfg.Trace != nil {
		d.trace(Step{Lost: p.lost, From: dir})
	}
	switch {
	case dir == FromClient:
		d.readClient(p)
	case p.lost > 0:
		d.lost += p.lost
		d.loseReplies(p.lost)
	default:
		d.readReplies(p.data, p.acked)
	}
	d.run()
}

// Held returns the bytes of memory that the dialogue holds, approximately.
func (d *Dialogue) Held() int {
	read := d.client.memoryUse() + d.server.memoryUse()
	n := 1024 + read + d.backlog.memoryUse() + d.match.memoryUse() + d.mail.memoryUse()
	if d.turned != nil {
		n += d.turned.dialogue.Held()
	}
	return n
}

// Close ends the dialogue: what is open is emitted as far as it is known. ended means that the connection itself ended
// (FIN in both directions, or RST), so that an open transaction is aborted; otherwise (idle, evicted, end of the
// capture) its outcome is unknown.
func (d *Dialogue) Close(t time.Time, ended bool) {
	if d.closed {
		return
	}
	d.closing, d.ended = true, ended
	if d.turned != nil {
		d.turned.dialogue.Close(t, ended)
	}
	d.closeHead()
	d.readRest()
	d.closed = true
	for d.match.pending.len() > 0 {
		c := d.match.takeCommand()
		d.resolve(&c, nil)
	}
	d.emitEncrypted()
	outcome := Unknown
	if ended && !d.unseenReply() && !d.sync.uncertain {
		outcome = Aborted
	}
	d.endTransaction(outcome)
	d.countClosed()
	d.backlog.drop()
	d.match.dropReplies()
	d.client.drop()
}

// countClosed counts the connection once.
func (d *Dialogue) countClosed() {
	if d.second {
		return
	}
	d.stats.Dialogues++
	if !d.isSMTP {
		d.stats.NotSMTP++
	}
}

// readRest reads and matches what it can, now that no more comes.
func (d *Dialogue) readRest() {
	d.run()
	d.guessing = true
	d.run()
	for d.client.blocked && !d.backlog.empty() {
		d.presume()
		d.run()
	}
	if d.sync.serverHoleEnd > 0 && d.ended {
		d.answerBefore(d.match.pending.len(), d.server.offset)
		d.matchReplies()
	}
	d.sync.ended()
	for d.match.replies.len() > 0 && d.match.pending.len() == 0 {
		d.unsolicited(d.match.takeReply())
	}
}
