// Package reassembly turns captured frames into the ordered bytes of each TCP connection, marks what was not captured,
// and passes them to the dialogue of package [smtp], which emits rows. Package [decode] reads the frames.
//
// An [Assembler] belongs to one goroutine, which also runs the callback [Config].Emit. Its clock is the time of the
// packets, so that a replay is exact. Everything that it holds is bounded, and whatever it drops is counted in [Stats].
package reassembly

import (
	"context"
	"sync/atomic"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// ChecksumPolicy decides about segments with a wrong TCP or IPv4 header checksum.
type ChecksumPolicy uint8

const (
	// Auto takes a wrong checksum for evidence. If all of a sender are wrong, its card computes them, or the capture
	// was edited, and they say nothing. Otherwise what a segment holds counts if its receiver acknowledged it and no
	// segment with a right checksum was in its place. A RST with a wrong one never counts.
	Auto   ChecksumPolicy = iota
	Strict                // they are ignored
	Off                   // checksums are not computed
)

// DefaultInterceptPort is the port of Config.InterceptPorts if none is given.
const DefaultInterceptPort = decode.DefaultInterceptPort

// Config configures an [Assembler]. Zero means the default.
type Config struct {
	Sensor   string   // of every row: which tap captured it
	Ports    []uint16 // of servers, TCP; nil: 25
	Checksum ChecksumPolicy
	// InterceptPorts are the UDP ports to which routers send packets of lawful intercepts; nil: DefaultInterceptPort.
	InterceptPorts []uint16
	SMTP           smtp.Config // limits of the dialogues; Emit, Stats and Memory are set by New

	// Emit is called for each row as soon as nothing can change it any more, from Frame, Advance and Close. The row is
	// the callee's to keep.
	Emit func(*smtp.Envelope)

	// DigestKey is the key for the digests of payloads that were left in the kernel: see [Assembler.Headers].
	DigestKey *DigestKey

	MaxConns    int           // connections with payload at a time; default 131072
	MaxHalfOpen int           // connections without payload so far; default 1048576, 48 MiB
	MaxHeld     int64         // bytes held for all connections, gopacket's unused pages among them; default 256 MiB
	Idle        time.Duration // default 15 min: RFC 5321 section 4.5.3.2 allows a side 10 min of silence
}

const (
	// maxAhead bounds what one direction holds after a hole, as run.cost counts: some 1,100 full segments, more than a
	// capture reorders and than most windows hold while a lost segment is sent again.
	maxAhead = 4 << 20
	// patience is how long a hole may stay open that the peer has acknowledged: far above any reordering in a capture.
	patience = 2 * time.Second
	// lingering is how long the end of a connection is remembered, so that late retransmissions begin no session.
	lingering = 30 * time.Second
)

// Stats are the counters of an Assembler. PayloadBytes = DeliveredBytes + DuplicateBytes + IgnoredBytes once the
// Assembler is closed and has abandoned no session.
type Stats struct {
	Frames    decode.FrameCounts
	Fragments decode.FragmentStats
	Elsewhere decode.MailPorts    // sessions of ports that are not watched
	Unread    decode.UnreadCounts // frames that may hold a tunnel which is not read

	ToServers      int64 // segments to a watched port
	FromServers    int64 // segments from a watched port alone
	Sessions       int64 // connections with payload
	PayloadBytes   int64 // of TCP, as captured
	DeliveredBytes int64 // in order
	DuplicateBytes int64 // seen before
	UnseenBytes    int64 // of PayloadBytes, those that were left in the kernel
	// of segments that no host accepts: a wrong checksum (see Auto), no ACK or an absurd one, after the end, far
	// outside the window
	IgnoredBytes int64
	LostBytes    int64 // acknowledged, or followed by others, but not captured
	Cut          int64 // sessions with LostBytes, whatever lost them
	CutBytes     int64 // that captured segments had, and their frames have no more: the snaplen cut them off

	FramesLost   int64 // reported by Assembler.FramesLost; in no other count
	BadChecksums int64 // segments with a wrong checksum, whether what they hold was read or not; 0 with Off
	CopiedRows   int64 // rows not emitted, since another capture of the same connection had them; in no other count
	Conflicts    int64 // segments with bytes that differ from those seen before
	// octets of copies that could not be compared with those seen before, and may have been taken for them
	Uncompared      int64
	IgnoredResets   int64 // RSTs outside the window, or after which both sides went on
	HalfOpenEvicted int64
	HalfOpenIdle    int64 // forgotten after a silence
	HolesEvicted    int64 // given up because of MaxHeld
	ConnsEvicted    int64 // over a limit
	Idle            int64 // ended by silence
	Unfinished      int64 // open at the end of the input
	Abandoned       int64 // open when CloseWithin had no more time: what they would have emitted is missing

	// ClockSkew is by how much, at least, the clocks of two directions of a connection differ, the largest that was
	// seen: so much earlier than the octets was captured what acknowledges them. 0 if that happened in no connection
	// twice in a row.
	ClockSkew time.Duration

	// Steps counts the iterations of loops over what earlier frames left behind: what is held, remembered or set aside,
	// and how far those lists are moved. Loops that the frame itself bounds are not in it, nor are SMTP.Steps. A frame
	// adds a constant to it in the long run, whatever came before.
	Steps int64

	SMTP smtp.Stats
}

// Assembler reads frames and emits rows. Make one with [New].
type Assembler struct {
	cfg      Config
	dec      *decode.Decoder
	ports    map[uint16]bool
	checks   checksums
	senders  *senders
	halfOpen *halfOpenTable
	limits   *limits
	lists    connLists
	shared   *shared
	names    names

	current *conn // of the last frame; nil: none
	side    int   // of its sender

	behind  bool         // the last sweep has left some
	general bool         // for tests: no segment goes straight
	leisure *atomic.Bool // while it is true, a sweep leaves nothing; nil: the bound for a frame holds
}

// shared is what all connections of an Assembler use: its counters, its clock, and the memory that passes from one to
// the next. A connection knows nothing else of what is around it.
type shared struct {
	clock
	turn      turn  // what is done now
	since     stamp // moment.since
	stats     Stats
	losses    uint64 // times that frames were lost
	maxHeld   int64  // Config.MaxHeld
	histories historyPool
	orderer   *orderer
	unused    []*open // of connections that have ended
	empty     []*conn // of connections that are in tombs
	digestKey *DigestKey
	none      open // what all closed connections share: nothing changes it

	trace func(delivery) // for tests; nil
}

// New makes an Assembler.
func New(cfg Config) *Assembler {
	if cfg.Ports == nil {
		cfg.Ports = []uint16{decode.DefaultPort}
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 1 << 17
	}
	if cfg.MaxHalfOpen == 0 {
		cfg.MaxHalfOpen = 1 << 20
	}
	if cfg.MaxHeld == 0 {
		cfg.MaxHeld = 256 << 20
	}
	if cfg.Idle == 0 {
		cfg.Idle = 15 * time.Minute
	}
	below := &shared{clock: newClock(), turn: turnFrame, maxHeld: cfg.MaxHeld, orderer: newOrderer(),
		digestKey: cfg.DigestKey}
	below.none.shared = below
	bounds := &limits{maxConns: cfg.MaxConns, maxHeld: cfg.MaxHeld, pages: below.orderer.all}
	a := &Assembler{
		cfg: cfg, dec: newDecoder(&cfg), ports: map[uint16]bool{},
		checks: checksums{cfg.Checksum, &below.stats}, senders: newSenders(),
		halfOpen: newHalfOpenTable(cfg.MaxHalfOpen), limits: bounds, lists: newConnLists(bounds, below), shared: below,
		names: names{},
	}
	bounds.members = []*connLists{&a.lists}
	for _, p := range cfg.Ports {
		a.ports[p] = true
	}
	a.cfg.SMTP.Emit, a.cfg.SMTP.Stats, a.cfg.SMTP.Memory = cfg.Emit, &below.stats.SMTP, &smtp.Memory{}
	return a
}

func newDecoder(cfg *Config) *decode.Decoder {
	d := decode.New(cfg.Ports)
	d.IgnoreChecksums = cfg.Checksum == Off
	d.SetInterceptPorts(cfg.InterceptPorts)
	return d
}

// Frame reads one frame, received at t, which moves the packets' clock on. link is its LINKTYPE_ number of
// tcpdump.org's registry, data as much of it as was captured, wireLen its length in octets on the wire. What is needed
// of data after the call is copied: the caller may use its memory again. Rows are emitted before Frame returns.
func (a *Assembler) Frame(t time.Time, link uint16, data []byte, wireLen int) {
	g := segment{t: t}
	a.decoded(&g, a.dec.Decode(t, link, data, wireLen, &g.p))
}

// decoded reads a frame that was decoded with a verdict.
func (a *Assembler) decoded(g *segment, v decode.Verdict) {
	a.Advance(g.t)
	if a.current = nil; v == decode.TCPPort {
		a.segment(g)
	}
}

// Close ends the input: open transactions are emitted as far as they are known. The Assembler must not be used
// afterwards, except for Stats.
func (a *Assembler) Close() { a.CloseWithin(context.Background()) }

// CloseWithin is [Assembler.Close] until ctx ends, which it looks at before each connection. It abandons the
// connections that are left then: their rows are not emitted, and Stats.Abandoned counts those that were open.
func (a *Assembler) CloseWithin(ctx context.Context) {
	for a.behind && ctx.Err() == nil {
		a.sweep()
	}
	a.shared.stats.Abandoned += a.limits.close(ctx, func() {})
}

// Stats returns the counters so far. Like the other methods, it is for the Assembler's goroutine.
func (a *Assembler) Stats() Stats {
	s := a.shared.stats
	s.Frames, s.Fragments = a.dec.Stats()
	s.Elsewhere = a.dec.Elsewhere()
	s.Unread = a.dec.Unread()
	s.HalfOpenEvicted = a.halfOpen.evicted
	s.Steps += a.dec.Steps() + a.senders.steps + a.halfOpen.steps + a.shared.histories.steps +
		a.shared.orderer.steps + a.lists.conns.steps + a.lists.graves.table.steps
	return s
}

// SetPorts changes the watched ports; nil means 25. Open connections of other ports get no more segments and end by
// silence.
func (a *Assembler) SetPorts(ports []uint16) {
	if ports == nil {
		ports = []uint16{decode.DefaultPort}
	}
	a.dec.SetPorts(ports)
	clear(a.ports)
	for _, p := range ports {
		a.ports[p] = true
	}
}
