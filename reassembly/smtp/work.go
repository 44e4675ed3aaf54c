package smtp

// The work for an event must not grow with what came before it: who sends packets would decide how long each takes. Most of it does
// not. What may, if segments overtake each other in ways that no network makes, is paid for: each event and each octet allows for
// some steps (see Stats.Steps), and what is not used is kept, up to a limit.
const (
	stepsPerEvent = 256
	stepsPerOctet = 2
	stepsAhead    = 1 << 18 // about a millisecond
)

// memory is what a dialogue remembers of what waits, so as not to look at it again: numbers of commands, replies and held pieces. In
// most dialogues nothing waits for long, and there is none.
type memory struct {
	marks    marks                  // on commands
	looked   [verbXclient + 1]int64 // number of the first command among which none of that kind was looked for yet
	bareLFs  int64                  // number of the first command that is not known to end with a bare LF, like all before it
	disorder [2]int64               // number of the last command, and reply, whose sender had received less than for the one before it
	anchored anchored
	flight   flight
	held     struct {
		data    int64 // number of the first piece that is not known to be missed
		acked   int64 // acknowledgment of the last that is not
		fell    int64 // number of the last whose acknowledgment is less than that of the one before it
		command int64 // number of the command behind the last, when heldAfter looked
		looked  int64 // number of the first piece that it has not looked at
	}
}

const memorySize = 384

func (d *Dialogue) recall() *memory {
	if d.memory == nil {
		d.memory = new(memory)
	}
	return d.memory
}

// pay allows for the work of one event.
func (d *Dialogue) pay(octets int) {
	d.credit = min(d.credit+stepsPerEvent+stepsPerOctet*int64(octets), stepsAhead)
}

// steps counts n iterations of a loop over what goes on waiting.
func (d *Dialogue) steps(n int) {
	d.credit -= int64(n)
	d.takes(n)
}

// takes counts n iterations of a loop whose elements wait no more, which need not be paid for: each had an octet of its own.
func (d *Dialogue) takes(n int) {
	if d.cfg.Stats != nil {
		d.cfg.Stats.Steps += int64(n)
	}
}

// giveUp answers all commands that wait with "not seen", and takes all replies that wait for missed: to tell which belong together
// has cost more than was paid for.
func (d *Dialogue) giveUp() {
	d.count(func(s *Stats) { s.GivenUp++ })
	d.flag(Gap, true)
	for d.replies.len() > 0 {
		d.forgetReply()
	}
	d.sync.missedReplies(0)
	d.takes(d.pending.len())
	for d.pending.len() > 0 {
		d.resolve(d.takePending(), nil)
	}
	d.sync.matchAfresh(d.serverOff)
	d.blocked = false
	d.credit = 0
}
