package reassembly

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
)

// merged puts segments of one side that follow each other into one, as a host that merges segments does, and says
// which.
func merged(rng *rand.Rand, frames []timed) (out []timed, which []bool) {
	for _, f := range frames {
		if n := len(out) - 1; n >= 0 && rng.IntN(2) == 0 {
			last := &out[n]
			if last.side == f.side && (last.s.Flags|f.s.Flags)&(decode.SYN|decode.FIN|decode.RST) == 0 &&
				len(last.s.Payload) > 0 && len(f.s.Payload) > 0 && last.s.Seq+uint32(len(last.s.Payload)) == f.s.Seq {
				last.s.Payload = append(append([]byte(nil), last.s.Payload...), f.s.Payload...)
				last.s.Ack, which[n] = f.s.Ack, true
				continue
			}
		}
		out, which = append(out, f), append(which, false)
	}
	return out, which
}

// wrongSum makes the packet of a segment with a wrong checksum: any, or the one that a host leaves for its card.
func wrongSum(t testing.TB, rng *rand.Rand, f timed) timed {
	spoil := corruptTCP
	if rng.IntN(2) == 0 {
		spoil = offloaded
	}
	f.made = spoil(t, f.s.IP(t))[0].Data
	return f
}

// TestAssembler_WrongChecksumsChangeNoRow gives any segments a wrong checksum, and merges some that follow each other:
// what the receiver acknowledged it has received, so that the rows are those of the same session with right checksums.
func TestAssembler_WrongChecksumsChangeNoRow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 7))
		w := newWire(t, 1000, 9000, []int{1460, 7}[rng.IntN(2)])
		if rng.IntN(2) == 0 {
			w.client, w.server = decodetest.Client6, decodetest.Server6
		}
		w.frames = nil
		w.shake()
		w.script(twoMails)
		w.close()
		rows, _ := replayed(t, Config{}, w.frames)
		want := essence(rows)
		frames, which := merged(rng, w.frames)
		share := []float64{0.02, 0.3, 0.8, 1}[rng.IntN(4)]
		for i := range frames {
			if which[i] || rng.Float64() < share && len(frames[i].s.Payload) > 0 || rng.Float64() < share/4 {
				frames[i] = wrongSum(t, rng, frames[i])
			}
		}
		if rng.IntN(2) == 0 {
			reorder(rng, frames[3:], 3)
		}
		rows, _ = replayed(t, Config{}, frames)
		if diff := cmp.Diff(want, essence(rows)); diff != "" {
			rt.Fatalf("a share of %v wrong checksums (-want +got):\n%s", share, diff)
		}
	})
}

// TestAssembler_DecoysWithWrongChecksumsChangeNoRow puts up to four decoys of the client's, of all kinds and with a
// wrong checksum, into sessions of three mails. The server never took one, so that the rows are those of the session
// without them.
func TestAssembler_DecoysWithWrongChecksumsChangeNoRow(t *testing.T) {
	sessions := []*wire{threeMails(t, 1460, false), threeMails(t, 7, true)}
	want := make([][]string, len(sessions))
	for i, w := range sessions {
		rows, _ := replayed(t, Config{}, w.frames)
		want[i] = essence(rows)
	}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 8))
		which := rng.IntN(2)
		frames := sessions[which].frames
		for range 1 + rng.IntN(4) {
			i := 3 + rng.IntN(len(frames)-3)
			for frames[i].side != client {
				i = 3 + rng.IntN(len(frames)-3)
			}
			j := i + rng.IntN(2)
			frames = append(frames[:j:j], append([]timed{wrongSum(t, rng, decoy(rng, frames[i]))}, frames[j:]...)...)
		}
		rows, _ := replayed(t, Config{}, frames)
		if diff := cmp.Diff(want[which], essence(rows)); diff != "" {
			rt.Fatalf("%s", diff)
		}
	})
}

// TestAssembler_WrongChecksumsAndLossInventNothing loses segments too: each row without a flag is right, and no sender
// stands beside another mail's recipient.
func TestAssembler_WrongChecksumsAndLossInventNothing(t *testing.T) {
	sessions := []*wire{threeMails(t, 1460, false), threeMails(t, 7, true)}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 9))
		var frames []timed
		for i, f := range sessions[rng.IntN(2)].frames {
			if i > 2 && rng.IntN(15) == 0 {
				continue
			}
			if rng.IntN(3) == 0 {
				f = wrongSum(t, rng, f)
			}
			frames = append(frames, f)
		}
		rows, _ := replayed(t, Config{}, frames)
		if wrong := honest(rows); wrong != "" {
			rt.Fatalf("%s", wrong)
		}
	})
}
