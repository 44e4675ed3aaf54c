package reassembly

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

// endings are the frames of sessions on few ports, in turns of several, which end and go on in many ways: segments come
// late, twice, or for another connection, and ports are used again.
func endings(t *testing.T, seed uint64) (frames []timedFrame) {
	r := rand.New(rand.NewPCG(seed, 25))
	at := decodetest.Epoch
	for range 60 {
		var sessions [][]timedFrame
		for range 1 + r.IntN(8) {
			var one []timedFrame
			take := func(s decodetest.Segment) {
				if data := s.IP(t).Data; r.IntN(30) > 0 { // else it is lost
					one = append(one, timedFrame{data: data})
				}
			}
			w := newWire(t, uint32(r.IntN(3))*1000, 9000, 1460)
			w.client = fmt.Sprintf("192.0.2.9:%d", 1000+r.IntN(6))
			w.frames[0].s.Src, w.frames[1].s.Dst = w.client, w.client
			w.script(oneMail)
			w.fin(client)
			w.fin(server)
			for _, f := range w.frames {
				take(f.s)
			}
			for range r.IntN(6) { // after the end
				s := w.frames[r.IntN(len(w.frames))].s
				switch r.IntN(4) {
				case 0:
					s.Flags = decode.RST | decode.ACK
				case 1:
					s.Seq += uint32(r.IntN(3)) << r.IntN(28)
				case 2:
					s.Payload, s.Flags = []byte("NOOP\r\n"), decode.ACK
				}
				take(s)
			}
			sessions = append(sessions, one)
		}
		for len(sessions) > 0 {
			i := r.IntN(len(sessions))
			if len(sessions[i]) == 0 {
				sessions[i] = sessions[len(sessions)-1]
				sessions = sessions[:len(sessions)-1]
				continue
			}
			at = at.Add(time.Duration(r.IntN(300)) * time.Millisecond)
			frames = append(frames, timedFrame{at, sessions[i][0].data})
			sessions[i] = sessions[i][1:]
		}
	}
	return frames
}

// TestTombs_ChangeNothing reads the same frames with tombs and without.
func TestTombs_ChangeNothing(t *testing.T) {
	most := 0
	for seed := range uint64(15) {
		frames := endings(t, seed)
		for _, limit := range []int{0, 3} {
			var rows [2]bytes.Buffer
			var stats [2]Stats
			for i := range rows {
				a := New(Config{MaxConns: limit, Emit: func(e *smtp.Envelope) { rows[i].Write(append(e.AppendJSON(nil), '\n')) }})
				a.lists.sleepless = i == 0
				for _, f := range frames {
					a.Frame(f.t, decodetest.LinkRaw, f.data, len(f.data))
					most = max(most, a.lists.graves.n)
				}
				a.Close()
				stats[i] = a.Stats()
				stats[i].Unread = decode.UnreadCounts{}
				if g := a.lists.graves; g.n+g.table.n+len(g.awake) > 0 || a.lists.held != 0 {
					t.Errorf("seed %d: %d tombs, %d of them in the table, and %d octets are left", seed, g.n, g.table.n,
						a.lists.held)
				}
			}
			if !bytes.Equal(rows[0].Bytes(), rows[1].Bytes()) || stats[0] != stats[1] {
				t.Errorf("seed %d, limit %d: tombs change rows or counters\nwithout %+v\nwith    %+v", seed, limit, stats[0],
					stats[1])
			}
		}
	}
	if most < 4 {
		t.Errorf("%d tombs at a time: these frames show nothing", most)
	}
}

// TestTombs_TakeLittleMemory: sessions that have ended are remembered for a while, in little memory.
func TestTombs_TakeLittleMemory(t *testing.T) {
	const sessions, most = 20_000, 128
	a := New(Config{})
	read := func(from, to int) {
		for i := from; i < to; i++ {
			w := newWire(t, 1000, 9000, 1460)
			w.client = fmt.Sprintf("192.0.2.9:%d", 2000+i)
			w.frames[0].s.Src, w.frames[1].s.Dst = w.client, w.client
			w.say(client, "QUIT\r\n")
			w.fin(client)
			w.fin(server)
			for _, data := range w.packets() {
				a.Frame(decodetest.Epoch, decodetest.LinkRaw, data, len(data))
			}
		}
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	read(0, 100)
	before := heap()
	read(100, sessions)
	if each := (heap() - before) / sessions; each > most || a.lists.remembered() < sessions {
		t.Errorf("%d sessions that have ended take %d octets each, at most %d is right", a.lists.remembered(), each, most)
	} else {
		t.Logf("%d octets each", each)
	}
	a.Close()
}
