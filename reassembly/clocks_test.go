package reassembly

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tap25/reassembly/decode/decodetest"
)

// skewed sets the clock of one side back or on, and puts the frames in the order that the times then have: as if two
// captures were merged.
func skewed(frames []timed, side int, by time.Duration) []timed {
	out := slices.Clone(frames)
	for i := range out {
		if out[i].side == side {
			out[i].at += by
		}
	}
	slices.SortStableFunc(out, func(x, y timed) int { return int(x.at - y.at) })
	return out
}

// pace gives each frame a time so long after the one before it.
func pace(frames []timed, step func(i int) time.Duration) {
	at := time.Minute // so that a clock can be set back
	for i := range frames {
		at += step(i)
		frames[i].at = at
	}
}

// sessions are some of which the order of replies and commands matters.
func sessions(t testing.TB, rng *rand.Rand) *wire {
	w := newWire(t, 1000, 9000, []int{1460, 1460, 40}[rng.IntN(3)])
	w.frames = nil
	if rng.IntN(2) == 0 {
		w.client, w.server = decodetest.Client6, decodetest.Server6
	}
	switch rng.IntN(4) {
	case 0:
		w.session("1", "2", "3")
	case 1:
		w.shake()
		w.script(twoMails)
		w.close()
	case 2: // a message longer than the dialogue holds
		w.shake()
		w.script(begin +
			"C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\n")
		for range 30 {
			w.say(client, strings.Repeat(strings.Repeat("x", 70)+"\r\n", 40))
			w.ack(server)
		}
		w.script("C: .\nS: 250 ok\n" + mail("2") + end)
		w.close()
	case 3:
		w.shake()
		w.script("S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250-mx.example\nS: 250 AUTH LOGIN\nC: AUTH " +
			"LOGIN\nS: 334 VXNlcm5hbWU6\n" +
			"C: dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok\n" + mail("1") +
			"C: RSET\nS: 250 ok\nC: MAIL FROM:<c@a.example>\nS: 450 later\n" +
			mail("2") + end)
		w.close()
	}
	return w
}

// TestAssembler_TwoClocksChangeNoRow sets the clock of one side back by up to 25 s, and gives some segments a wrong
// checksum: what the acknowledgments show is the same, and so are the rows, but for their times.
func TestAssembler_TwoClocksChangeNoRow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if wrong := readByTwoClocks(t, rapid.Uint64().Draw(rt, "seed")); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// TestAssembler_AcknowledgmentsThatSeemBogusCountAtTheEnd has a session of that property. The server's clock is 0.68 s
// early, so it acknowledges the end while a long message is read. The client's next segments do not reach so far, which
// makes these acknowledgments bogus. In the end the client's last segments, with wrong checksums, have no others.
func TestAssembler_AcknowledgmentsThatSeemBogusCountAtTheEnd(t *testing.T) {
	if wrong := readByTwoClocks(t, 0xb15); wrong != "" {
		t.Fatal(wrong)
	}
}

// readByTwoClocks reads the session of a seed by one clock and by two, and says what differs, if anything does.
func readByTwoClocks(t *testing.T, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 10))
	w := sessions(t, rng)
	tick := []time.Duration{time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond}[rng.IntN(3)]
	pace(w.frames, func(int) time.Duration { return time.Duration(rng.Int64N(int64(tick))) + 1 })
	rows, _ := replayed(t, Config{}, w.frames)
	want := essence(rows)
	if rng.IntN(3) == 0 {
		for i := range w.frames {
			if rng.IntN(5) == 0 {
				w.frames[i] = wrongSum(t, rng, w.frames[i])
			}
		}
	}
	most := []time.Duration{50 * time.Millisecond, time.Second, 25 * time.Second}[rng.IntN(3)]
	side, by := rng.IntN(2), time.Duration(rng.Int64N(int64(most)))
	rows, s := replayed(t, Config{}, skewed(w.frames, side, -by))
	if diff := cmp.Diff(want, essence(rows)); diff != "" {
		return fmt.Sprintf("side %d %v back (-want +got):\n%s", side, by, diff)
	}
	if s.ClockSkew > by {
		return fmt.Sprintf("a skew of %v was reported as %v", by, s.ClockSkew)
	}
	return ""
}

// TestAssembler_TwoClocksAndLossInventNothing loses segments too: each row without a flag is right, and no sender
// stands beside another mail's recipient.
func TestAssembler_TwoClocksAndLossInventNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if wrong := lossByTwoClocks(t, rapid.Uint64().Draw(rt, "seed")); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// TestAssembler_AFINShowsWhatWasLostBeforeIt has a session of that property. The last two replies are lost. The
// client's clock is early, so the acknowledgments of these replies come before earlier ones and are dropped as bogus.
// What shows the loss is the server's FIN.
func TestAssembler_AFINShowsWhatWasLostBeforeIt(t *testing.T) {
	if wrong := lossByTwoClocks(t, 0xd72627); wrong != "" {
		t.Fatal(wrong)
	}
}

// lossByTwoClocks loses segments of the session of a seed, and reports a row that is wrong without a flag, if one is.
func lossByTwoClocks(t *testing.T, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 11))
	w := threeMails(t, 1460, false)
	if rng.IntN(2) == 1 {
		w = threeMails(t, 7, true)
	}
	var frames []timed
	for i, f := range w.frames {
		if f.at += time.Minute; i < 3 || rng.IntN(15) != 0 {
			frames = append(frames, f)
		}
	}
	by := time.Duration(rng.Int64N(int64(5 * time.Second)))
	rows, _ := replayed(t, Config{}, skewed(frames, rng.IntN(2), -by))
	if wrong := honest(rows); wrong != "" {
		return fmt.Sprintf("%v back: %s", by, wrong)
	}
	return ""
}

// TestAssembler_ClocksTooFarApartAreFlagged sets one back by up to four minutes: a row that is not right has a flag.
func TestAssembler_ClocksTooFarApartAreFlagged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 12))
		w := threeMails(t, []int{1460, 7}[rng.IntN(2)], rng.IntN(2) == 0)
		pace(w.frames, func(i int) time.Duration { return w.frames[i].wait + time.Millisecond })
		for i := range w.frames {
			w.frames[i].at += 3 * time.Minute
		}
		by := time.Duration(rng.Int64N(int64(4 * time.Minute)))
		rows, _ := replayed(t, Config{}, skewed(w.frames, rng.IntN(2), -by))
		if wrong := honest(rows); wrong != "" {
			rt.Fatalf("%v back: %s", by, wrong)
		}
	})
}

// TestStats_ClockSkew: of a clock that is 400 ms early, so much is seen that a round trip does not hide, and of a
// segment that comes late once, nothing.
func TestStats_ClockSkew(t *testing.T) {
	w := threeMails(t, 1460, false)
	pace(w.frames, func(int) time.Duration { return 10 * time.Millisecond })
	for side := range 2 {
		_, s := replayed(t, Config{}, skewed(w.frames, side, -400*time.Millisecond))
		if s.ClockSkew < 300*time.Millisecond || s.ClockSkew > 400*time.Millisecond {
			t.Errorf("a skew of 400ms of side %d is seen as %v", side, s.ClockSkew)
		}
	}
	late := slices.Clone(w.frames)
	i := w.find("RCPT")
	late[i], late[i+1] = late[i+1], late[i]
	late[i].at, late[i+1].at = late[i+1].at, late[i].at
	if _, s := replayed(t, Config{}, late); s.ClockSkew != 0 {
		t.Errorf("a segment that comes late is a skew of %v", s.ClockSkew)
	}
}
