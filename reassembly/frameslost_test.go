package reassembly

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// withLosses feeds frames, says before those in losses that one frame was lost, lets end finish, and gives the rows.
func withLosses(t testing.TB, frames []timed, losses []int, end func(*Assembler)) []smtp.Envelope {
	var rows []smtp.Envelope
	a := New(Config{Sensor: "tap", Emit: func(e *smtp.Envelope) { rows = append(rows, *e) }})
	for i := range len(frames) + 1 {
		if slices.Contains(losses, i) {
			a.FramesLost(1)
		}
		if i < len(frames) {
			data := frames[i].s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(frames[i].at), decodetest.LinkRaw, data, len(data))
		}
	}
	end(a)
	a.Close()
	return rows
}

// What was lost may be the rest of any transaction that is open and hears nothing more.
func TestFramesLost_OpenTransactionsThatHearNothingMoreAreUncertain(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	for name, end := range map[string]func(*Assembler, int){
		"end of input": func(*Assembler, int) {},
		"silence":      func(a *Assembler, _ int) { a.Advance(decodetest.Epoch.Add(time.Hour)) },
		"reset": func(a *Assembler, k int) {
			last := w.frames[k-1]
			s := decodetest.Segment{Src: last.s.Src, Dst: last.s.Dst, Flags: decode.RST | decode.ACK,
				Seq: last.s.Seq + uint32(len(last.s.Payload)), Ack: last.s.Ack}
			data := s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(last.at+time.Millisecond), decodetest.LinkRaw, data, len(data))
		},
	} {
		for k := 3; k < len(w.frames)-4; k++ { // behind the greeting, before QUIT
			t.Run(fmt.Sprintf("%s behind segment %d", name, k), func(t *testing.T) {
				head := w.frames[:k]
				sound := withLosses(t, head, nil, func(a *Assembler) { end(a, k) })
				got := withLosses(t, head, []int{k}, func(a *Assembler) { end(a, k) })
				if len(got) != len(sound) {
					t.Fatalf("%d rows with the loss told, %d without", len(got), len(sound))
				}
				for i := range got {
					open := sound[i].Outcome == smtp.Unknown || sound[i].Outcome == smtp.Aborted
					if uncertain := got[i].Flags&smtp.Gap != 0; uncertain != open {
						t.Errorf("row %d: flag gap %v; the transaction was open: %v", i+1, uncertain, open)
					}
					if open && got[i].Outcome != smtp.Unknown {
						t.Errorf("row %d: %v, but its end may have been lost", i+1, got[i].Outcome)
					}
				}
			})
		}
	}
}

// A loss that concerned others flags nothing of a connection that goes on, or ends by FINs, without a hole.
func TestFramesLost_ConnectionsThatGoOnAreComplete(t *testing.T) {
	want := wantTwoMails(t)
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	every := make([]int, len(w.frames))
	for i := range every {
		every[i] = i
	}
	rows := withLosses(t, w.frames, every, func(*Assembler) {})
	if diff := cmp.Diff(want, essence(rows)); diff != "" {
		t.Error(diff)
	}
}

// Whatever run of segments is lost, in both directions as a full ring loses them, no row is wrong without a flag.
func TestFramesLost_EveryRunOfLostSegmentsShows(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	truth := map[string]bool{}
	sound := withLosses(t, w.frames, nil, func(*Assembler) {})
	for i := range sound {
		truth[mailOf(sound[i])] = true
		sound[i].HELO = nil // it may be lost, with all that shows it
		truth[mailOf(sound[i])] = true
	}
	for from := range w.frames {
		for to := from + 1; to <= len(w.frames); to++ {
			frames := slices.Concat(w.frames[:from], w.frames[to:])
			for i, row := range withLosses(t, frames, []int{from}, func(*Assembler) {}) {
				if row.Flags&(smtp.Gap|smtp.Midstream|smtp.OneSided) == 0 && !truth[mailOf(row)] {
					t.Errorf("segments %d to %d lost: row %d is complete by its flags: %s", from, to, i+1, mailOf(row))
				}
			}
		}
	}
}

// mailOf is a row but for what mails that were lost before it change: the number of the mail, the octets lost.
func mailOf(e smtp.Envelope) string {
	e.MailNo, e.LostBytes = 0, 0
	return essenceOf0([]smtp.Envelope{e})[0]
}

func TestSetPorts_ChangesWhatIsRead(t *testing.T) {
	w := newWire(t, 1000, 9000, 1460)
	w.dialogue()
	var rows int
	a := New(Config{Sensor: "tap", Emit: func(*smtp.Envelope) { rows++ }})
	feed := func() int {
		rows = 0
		for _, f := range w.frames {
			data := f.s.IP(t).Data
			a.Frame(decodetest.Epoch.Add(f.at), decodetest.LinkRaw, data, len(data))
		}
		return rows
	}
	a.SetPorts([]uint16{2525})
	if n := feed(); n != 0 {
		t.Errorf("%d rows of a port that is not watched", n)
	}
	a.SetPorts([]uint16{2525, 25})
	if n := feed(); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}
