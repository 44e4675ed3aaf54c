package reassembly

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tap25/reassembly/decode"
	"tap25/reassembly/decode/decodetest"
	traffic "tap25/reassembly/hostile"
	"tap25/reassembly/smtp"
)

// TestFlows_WorkersChangeNothing reads all that hostile traffic has, all at once, with frames lost, doubled, damaged
// and out of order, in a clock that makes leaps: far from all limits, at limits that are met all the time, and at
// limits that may or may not be met. Rows and counters are the same for any number of workers.
func TestFlows_WorkersChangeNothing(t *testing.T) {
	frames := everything(150)
	for name, cfg := range map[string]Config{
		"far from the limits":   {},
		"at the limits":         {MaxConns: 60, MaxHalfOpen: 40, MaxHeld: 1 << 20},
		"few connections":       {MaxConns: 30, MaxHalfOpen: 30},
		"little memory":         {MaxHeld: 300 << 10},
		"near the limits":       {MaxConns: 2500, MaxHalfOpen: 4000, MaxHeld: 12 << 20},
		"right checksums alone": {Checksum: Strict, MaxConns: 90, MaxHeld: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			read := sameForAll(t, cfg, frames)
			if n := bytes.Count(read.rows, []byte("\n")); n < 1000 {
				t.Errorf("%d rows: no case", n)
			}
			if name == "near the limits" && (read.modes[0] < 1000 || read.modes[1] < 1000) {
				t.Errorf("%d frames read at the same time, %d one after the other: no case", read.modes[0],
					read.modes[1])
			}
		})
	}
}

// TestFlows_HolesOfAllWorkersMakeRoom has so many holes that gopacket makes pages again and again, with any worker, and
// segments that come in fragments.
func TestFlows_HolesOfAllWorkersMakeRoom(t *testing.T) {
	var frames []timedFrame
	for i, f := range crowd(t, 2500, true) {
		packets := []decodetest.Wrapped{f.s.IP(t)}
		if i%3 == 0 {
			packets = packets[0].Fragments(t, 64)
		}
		for _, p := range packets {
			frames = append(frames, timedFrame{decodetest.Epoch.Add(f.at), p.Ethernet(t)})
		}
	}
	for _, held := range []int64{9 << 20, 14 << 20, 1 << 30} {
		read := sameForAll(t, Config{MaxHeld: held}, frames)
		if evicted := read.stats.HolesEvicted > 0; evicted != (held < 1<<30) || read.stats.Fragments.Datagrams == 0 {
			t.Errorf("%d octets: %d holes evicted: no case", held, read.stats.HolesEvicted)
		}
	}
}

// sameForAll checks that all numbers of workers read the same, and returns what the last has read.
func sameForAll(t *testing.T, cfg Config, frames []timedFrame) readout {
	t.Helper()
	want, got := readBy(cfg, 1, frames), readout{}
	for _, n := range []int{2, 4, 8} {
		if got = readBy(cfg, n, frames); !bytes.Equal(got.rows, want.rows) {
			t.Errorf("%d workers: other rows than one:\n%s", n, difference(want.rows, got.rows))
		}
		every := cmp.Exporter(func(reflect.Type) bool { return true })
		if diff := cmp.Diff(want.stats, got.stats, every) + cmp.Diff(want.unread, got.unread, every); diff != "" {
			t.Errorf("%d workers (-one +%d):\n%s", n, n, diff)
		}
	}
	return got
}

// readout is what comes of some frames.
type readout struct {
	rows   []byte // JSON lines, each after the tag of its frame
	stats  Stats
	unread []decode.UnreadCount
	modes  [2]int // frames that the workers have read at the same time, and that were read one after the other
}

// readBy reads frames with a number of workers, and takes their memory away as soon as it may.
func readBy(cfg Config, workers int, frames []timedFrame) (r readout) {
	var out bytes.Buffer
	f := NewFlows(cfg, workers, func(tag int, e *smtp.Envelope) {
		fmt.Fprintf(&out, "%d %s\n", tag, e.AppendJSON(nil))
	})
	const room = 6 << 10 // so that the workers get many batches
	f.margin = margin{octets: wholeBatches.octets * room / batchOctets, entries: batches * room / 64}
	memory, used := make([]byte, room), 0
	for i, x := range frames {
		if used+len(x.data) > len(memory) {
			if memory, used = f.Memory(memory), 0; len(memory) < max(room, len(x.data)) {
				memory = make([]byte, max(room, len(x.data)))
			}
			memory = memory[:max(room, len(x.data))]
		}
		data := memory[used : used+copy(memory[used:], x.data)]
		used += len(data)
		if f.serial {
			r.modes[1]++
		} else {
			r.modes[0]++
		}
		f.Frame(i/1000, x.t, decodetest.LinkEthernet, data, len(data))
		if i%5000 == 0 {
			f.Wait()
		}
	}
	f.CloseWithin(context.Background())
	r.rows, r.stats = out.Bytes(), f.Stats()
	r.unread, r.stats.Unread = r.stats.Unread.Top(), decode.UnreadCounts{}
	r.stats.Steps = 0 // memory that a worker has for itself takes some
	return r
}

func difference(want, got []byte) string {
	a, b := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i], b[i]) {
			return fmt.Sprintf("line %d of %d, %d:\nwant %s\ngot  %s", i+1, len(a), len(b), a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, not %d", len(b), len(a))
}

// everything mixes about n frames of each shape of hostile traffic, each between hosts of its own.
func everything(n int) (frames []timedFrame) {
	r := rand.New(rand.NewPCG(18, 25))
	var shapes [][][]byte
	for i, s := range traffic.Shapes() {
		var all [][]byte
		s.Write(n, func(_ time.Time, frame []byte) { all = append(all, rehosted(slices.Clone(frame), byte(i))) })
		shapes = append(shapes, all[:min(len(all), 2*n)])
	}
	at := decodetest.Epoch
	for len(shapes) > 0 {
		k := r.IntN(len(shapes))
		run := min(1+r.IntN(6), len(shapes[k]))
		for _, data := range shapes[k][:run] {
			at = at.Add(time.Duration(r.IntN(3_000_000)))
			switch r.IntN(4000) {
			case 0:
				at = at.Add(time.Duration(r.IntN(40)) * time.Second)
			case 1:
				at = at.Add(-3 * time.Second)
			case 2:
				at = at.Add(time.Duration(r.IntN(20)) * time.Minute)
			}
			frames = append(frames, harmed(r, timedFrame{at, data}, &frames)...)
		}
		if shapes[k] = shapes[k][run:]; len(shapes[k]) == 0 {
			shapes = slices.Delete(shapes, k, k+1)
		}
	}
	return frames
}

// harmed loses a frame, damages it, doubles it, or lets it overtake others.
func harmed(r *rand.Rand, f timedFrame, before *[]timedFrame) []timedFrame {
	switch r.IntN(60) {
	case 0:
		return nil
	case 1:
		return []timedFrame{f, f}
	case 2:
		f.data = slices.Clone(f.data)
		f.data[r.IntN(len(f.data))] ^= 1 << r.IntN(8)
	case 3:
		if last := len(*before) - 1 - r.IntN(20); last >= 0 {
			f.data, (*before)[last].data = (*before)[last].data, f.data
		}
	}
	return []timedFrame{f}
}

// rehosted moves a host 10.x.y.z of a plain frame to 10.n+x.y.z, and keeps its checksums as right or as wrong as they
// are (RFC 1624).
func rehosted(frame []byte, n byte) []byte {
	const ip, tcp = 14, 34
	if len(frame) < tcp+20 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[ip] != 0x45 || frame[ip+9] != 6 ||
		binary.BigEndian.Uint16(frame[ip+6:])&0x3fff != 0 {
		return frame
	}
	for _, at := range []int{ip + 12, ip + 16} {
		if frame[at] != 10 {
			continue
		}
		was := binary.BigEndian.Uint16(frame[at:])
		frame[at+1] += n
		for _, sum := range []int{ip + 10, tcp + 16} {
			s := uint32(^binary.BigEndian.Uint16(frame[sum:])) + uint32(^was) + uint32(binary.BigEndian.Uint16(frame[at:]))
			s = s>>16 + s&0xffff
			binary.BigEndian.PutUint16(frame[sum:], ^uint16(s>>16+s))
		}
	}
	return frame
}

// TestFlows_HurryLeavesWhatIsDue has many connections fall silent at once, before and after a signal.
func TestFlows_HurryLeavesWhatIsDue(t *testing.T) {
	const n = 400
	for _, workers := range []int{1, 3} {
		for _, hurry := range []bool{false, true} {
			rows := 0
			f := NewFlows(Config{}, workers, func(int, *smtp.Envelope) { rows++ })
			for _, c := range crowd(t, n, false) {
				data := c.s.IP(t).Ethernet(t)
				f.Frame(0, decodetest.Epoch.Add(c.at), decodetest.LinkEthernet, data, len(data))
			}
			if hurry {
				f.Hurry()
			}
			arp := make([]byte, 60)
			f.Frame(0, decodetest.Epoch.Add(time.Hour), decodetest.LinkEthernet, arp, len(arp))
			f.Wait()
			if most := burst * workers; hurry && rows > most || !hurry && rows != n {
				t.Errorf("%d workers, in a hurry: %v: a frame ends %d of %d connections", workers, hurry, rows, n)
			}
			if f.CloseWithin(t.Context()); rows != n {
				t.Errorf("%d workers, in a hurry: %v: %d of %d rows", workers, hurry, rows, n)
			}
		}
	}
}
