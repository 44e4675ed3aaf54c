package smtp

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Commands are taken with the flags that they would have if each of them had been flagged at once; so are recipients with the reply
// to a refused DATA.
func TestPending_FlagsAreThoseOfMarkingEachAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := New(&Config{}, Session{Midstream: true})
		var want []command
		each := func(f func(c *command)) {
			for i := range want {
				f(&want[i])
			}
		}
		heard := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			switch rapid.IntRange(0, 6).Draw(t, "event") {
			case 0, 1:
				c := command{verb: verb(rapid.IntRange(int(verbHello), int(verbXclient)).Draw(t, "verb")), acked: heard + rapid.Int64Range(-9, 9).Draw(t, "acknowledges"), size: 7}
				d.await(c)
				want = append(want, c)
			case 2:
				f := rapid.SampledFrom([]Flags{Gap, Conflict, Smuggling, Truncated}).Draw(t, "flag")
				d.flag(f, true)
				each(func(c *command) {
					if c.verb.isMail() {
						c.flags |= f
					}
				})
				if marked := slices.ContainsFunc(want, func(c command) bool { return c.verb.isMail() }); marked == (d.nextFlag == f) {
					t.Fatalf("the next one is flagged %v, one waits: %v", d.nextFlag, marked)
				}
				d.nextFlag = 0
			case 3:
				heard += rapid.Int64Range(1, 9).Draw(t, "heard")
				d.flagUpTo(heard)
				each(func(c *command) {
					if c.acked < heard {
						c.flags |= Gap
					}
				})
			case 4:
				d.await(command{verb: verbOther, acked: severed})
				each(func(c *command) { c.flags |= Gap })
			case 5:
				d.state, d.chunkLeft = inChunk, 9
				d.loseClient(piece{lost: 1})
				each(func(c *command) {
					if c.verb == verbBdat {
						c.size = -1
					}
					if c.verb.isMail() {
						c.flags |= Gap
					}
				})
			default:
				if len(want) == 0 {
					continue
				}
				got := d.takePending()
				for got.acked == severed {
					got = d.takePending()
				}
				if w := want[0]; got.verb != w.verb || got.flags != w.flags || got.size != w.size {
					t.Fatalf("a command of verb %d, %v, size %d, want verb %d, %v, size %d", got.verb, got.flags.Names(), got.size, w.verb, w.flags.Names(), w.size)
				}
				want = want[1:]
			}
		}
	})
}

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
