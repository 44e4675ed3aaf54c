package smtp

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// An eager has each mark set on each command at once.
type eager struct {
	*rapid.T
	d     *Dialogue
	want  []command
	heard int64
}

func (e *eager) each(f func(c *command)) {
	for i := range e.want {
		f(&e.want[i])
	}
}

func (e *eager) flag(f Flags) {
	e.d.flag(f, true)
	if waits := slices.ContainsFunc(e.want, func(c command) bool {
		return c.verb.isMail()
	}); waits == (e.d.mail.nextFlags == f) {
		e.Fatalf("the next one is flagged %v, one waits: %v", e.d.mail.nextFlags, waits)
	}
	e.d.mail.nextFlags = 0
	e.mail(f)
}

func (e *eager) mail(f Flags) {
	e.each(func(c *command) {
		if c.verb.isMail() {
			c.flags |= f
		}
	})
}

func (e *eager) lose() {
	e.d.client.state, e.d.client.chunk.left = inChunk, 9
	e.d.loseClient(1)
	e.mail(Gap)
	e.each(func(c *command) {
		if c.verb == verbBdat {
			c.size = -1
		}
	})
}

func (e *eager) take() {
	got := e.d.match.takeCommand()
	for got.acked == severed {
		got = e.d.match.takeCommand()
	}
	if w := e.want[0]; got.verb != w.verb || got.flags != w.flags || got.size != w.size {
		e.Fatalf("a command of verb %d, %v, size %d, want verb %d, %v, size %d", got.verb, got.flags.Names(), got.size,
			w.verb, w.flags.Names(), w.size)
	}
	e.want = e.want[1:]
}

// Commands are taken with the flags that they would have if each of them had been flagged at once.
func TestPending_FlagsAreThoseOfMarkingEachAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := eager{T: t, d: New(&Config{}, Session{Midstream: true})}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			switch n := rapid.IntRange(0, 6).Draw(t, "event"); {
			case n < 2:
				c := command{verb: verb(rapid.IntRange(int(verbHello), int(verbs)-1).Draw(t, "verb")), size: 7}
				c.acked = e.heard + rapid.Int64Range(-9, 9).Draw(t, "acknowledges")
				e.d.await(&c)
				e.want = append(e.want, c)
			case n == 2:
				e.flag(rapid.SampledFrom([]Flags{Gap, Conflict, Smuggling, Truncated}).Draw(t, "flag"))
			case n == 3:
				e.heard += rapid.Int64Range(1, 9).Draw(t, "heard")
				e.d.flagUpTo(e.heard)
				e.each(func(c *command) {
					if c.acked < e.heard {
						c.flags |= Gap
					}
				})
			case n == 4:
				e.d.await(&command{verb: verbOther, acked: severed})
				e.each(func(c *command) { c.flags |= Gap })
			case n == 5:
				e.lose()
			case len(e.want) > 0:
				e.take()
			}
		}
	})
}

// A refused DATA is refused to the recipients that there were.
func TestTransaction_ARefusalIsThatOfTheRecipientsThatThereWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tx transaction
		var want []uint16
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0, 1:
				tx.rcpts.push(recipient{})
				want = append(want, 0)
			case 2:
				code := uint16(rapid.IntRange(400, 599).Draw(t, "code"))
				tx.refuse(code)
				for i := range want {
					want[i] = code
				}
			default:
				if len(want) == 0 {
					continue
				}
				if rc := tx.takeRcpt(); rc.dataCode != want[0] {
					t.Fatalf("%d, want %d", rc.dataCode, want[0])
				}
				want = want[1:]
			}
		}
	})
}

// A queue is a slice from which the first element is taken; numbers stay with their elements.
func TestQueue_IsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue[int]
		var want []int
		next := 0
		for range rapid.IntRange(1, 200).Draw(t, "operations") {
			switch n := rapid.IntRange(0, 19).Draw(t, "operation"); {
			case n < 10 || len(want) == 0:
				q.push(next)
				want = append(want, next)
				next++
			case n < 18:
				if got := q.pop(); got != want[0] {
					t.Fatalf("%d, want %d", got, want[0])
				}
				want = want[1:]
			default:
				q.drop()
				want = nil
			}
			if q.len() != len(want) || q.end() != int64(next) {
				t.Fatalf("%d elements up to %d, want %d up to %d", q.len(), q.end(), len(want), next)
			}
			for i, w := range want {
				if got := *q.at(i); got != w || q.place(int64(w)) != i {
					t.Fatalf("element %d is %d at %d, want %d", i, got, q.place(int64(w)), w)
				}
			}
			if spare := cap(q.items) - q.len(); spare > 2*q.len()+64 {
				t.Fatalf("room for %d more than there are", spare)
			}
		}
	})
}
