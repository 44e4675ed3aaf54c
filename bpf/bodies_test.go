// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// tapped is a filter with an assembler behind its ring.
type tapped struct {
	f     *Filter
	asm   *reassembly.Assembler
	rows  []string
	n     int // frames read
	stays int // of these, those of which the payload stayed
}

func newTapped(t testing.TB, bodies bool) *tapped {
	w := &tapped{f: load(t, Config{Bodies: bodies, shortest: 8, longBody: 1, RingBytes: 16 << 20})}
	w.begin()
	return w
}

// begin begins with a new assembler.
func (w *tapped) begin() {
	w.rows = nil
	w.asm = reassembly.New(reassembly.Config{
		Emit:      func(e *smtp.Envelope) { w.rows = append(w.rows, string(e.AppendJSON(nil))) },
		DigestKey: (*reassembly.DigestKey)(w.f.DigestKey()),
	})
}

// read reads up to most of the frames that wait. Their times are their numbers, so that they are the same in all runs.
func (w *tapped) read(most int) {
	var got Frame
	for ; most > 0 && w.f.Ring(0).Next(&got); most-- {
		w.n++
		at := time.Unix(1e9, int64(w.n)*1e6)
		if got.Unseen.Octets > 0 {
			w.stays++
			u := reassembly.Unseen(got.Unseen)
			w.asm.Headers(at, linkEthernet, got.Data, got.Length, &u)
		} else {
			w.asm.Frame(at, linkEthernet, got.Data, got.Length)
		}
		if m := w.f.Marks(0); m != nil {
			m.Ahead(&got, Body(w.asm.BodyAhead()))
		}
	}
}

// TestBodies_ChangeNoRow reads random sessions, with frames missing, overtaken and repeated, with and without payloads
// that stay in the kernel. The reader is behind by any number of frames.
func TestBodies_ChangeNoRow(t *testing.T) {
	for _, c := range []struct {
		name        string
		differ, cut bool
		damage      bool
		other       int // rows of a thousand of which the flag conflict may be another
	}{
		{name: "lost, overtaken and repeated"},
		{name: "damaged before", damage: true},
		{name: "copies that differ", differ: true, other: 2},
		{name: "copies cut otherwise", cut: true, other: 50},
		{name: "both", differ: true, cut: true, other: 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, bodies := newTapped(t, false), newTapped(t, true)
			var octets, unseen int64
			rows, other := 0, 0
			for i := range rounds() {
				r := rand.New(rand.NewPCG(uint64(c.other), uint64(i)))
				s := newSession(t, r, uint16(20000+i%40000))
				s.talk()
				frames := disturb(t, r, s, c.differ, c.cut, c.damage)
				for _, w := range []*tapped{whole, bodies} {
					w.all(t, r, frames)
				}
				other += compareRows(t, whole.rows, bodies.rows)
				rows += len(whole.rows)
				b := bodies.asm.Stats()
				octets, unseen = octets+b.PayloadBytes, unseen+b.UnseenBytes
				if t.Failed() {
					t.Fatalf("in session %d", i)
				}
				compareCounters(t, whole.asm.Stats(), b)
			}
			t.Logf("%d%% of %d octets stayed in the kernel; %d of %d rows differ in conflict; %+v",
				100*unseen/octets, octets, other, rows, bodies.f.Marks(0).Counts())
			if unseen < octets/20 {
				t.Error("that is too little to show anything")
			}
			if other*1000 > rows*c.other {
				t.Errorf("%d of %d rows differ in conflict", other, rows)
			}
		})
	}
}

// rounds is how many sessions are read.
func rounds() int {
	if os.Getenv("TAP25_TEST_LONG") != "" {
		return 2000
	}
	return 80
}

// all reads all frames, now more of them at a time, now less.
func (w *tapped) all(t testing.TB, r *rand.Rand, frames [][]byte) {
	w.begin()
	lag := 1 << r.IntN(6)
	for _, frame := range frames {
		run(t, w.f, frame)
		if r.IntN(lag) == 0 {
			w.read(1 + r.IntN(4*lag))
		}
	}
	w.read(1e9)
	w.asm.Close()
}

// compareRows compares rows. It returns in how many the flag conflict is the only difference.
func compareRows(t testing.TB, whole, bodies []string) (other int) {
	const flag = `"conflict"`
	without := func(row string) string {
		row = strings.NewReplacer(flag+",", "", ","+flag, "", flag, "").Replace(row)
		return strings.Replace(row, `"flags":[]`, `"flags":null`, 1)
	}
	for i := range min(len(whole), len(bodies)) {
		if whole[i] != bodies[i] && without(whole[i]) == without(bodies[i]) {
			bodies[i] = whole[i]
			other++
		}
	}
	if diff := cmp.Diff(whole, bodies); diff != "" {
		t.Error(diff)
	}
	return other
}

func compareCounters(t testing.TB, a, b reassembly.Stats) {
	if a.PayloadBytes != b.PayloadBytes || a.DeliveredBytes != b.DeliveredBytes || a.LostBytes != b.LostBytes ||
		a.DuplicateBytes != b.DuplicateBytes || a.IgnoredBytes != b.IgnoredBytes {
		t.Errorf("other counters: payload %d %d, delivered %d %d, lost %d %d, duplicate %d %d, ignored %d %d",
			a.PayloadBytes, b.PayloadBytes, a.DeliveredBytes, b.DeliveredBytes, a.LostBytes, b.LostBytes,
			a.DuplicateBytes, b.DuplicateBytes, a.IgnoredBytes, b.IgnoredBytes)
	}
}

// message gives a session whose client is at the beginning of a message.
func message(t testing.TB, port uint16) *session {
	s := newSession(t, rand.New(rand.NewPCG(7, 7)), port)
	s.hear()
	s.write("EHLO client.example\r\n", 1460)
	s.hear()
	s.write("MAIL FROM:<first@example.org>\r\nRCPT TO:<b@example.net>\r\n", 1460)
	s.hear()
	s.write("DATA\r\n", 1460)
	s.hear()
	return s
}

// full is a full segment without a dot.
var full = strings.Repeat("0123456789abcdef", 91)

// TestBodies_NothingIsHiddenBehindAMessage has a client send a second mail in full segments without PSH, in all ways
// that may escape a program which looks at one segment after the other.
func TestBodies_NothingIsHiddenBehindAMessage(t *testing.T) {
	const second = "MAIL FROM:<second@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
	w, port := newTapped(t, true), uint16(41000)
	pad := func(s string) string { return s + full[len(s):] }
	for name, segments := range map[string][]string{
		"in the middle of a segment":    {full[:1000] + "\r\n.\r\n" + second + full[:300]},
		"at its end":                    {full[5:] + "\r\n.\r\n", pad(second)},
		"after CR":                      {full[1:] + "\r", pad("\n.\r\n" + second)},
		"after CRLF":                    {full[2:] + "\r\n", pad(".\r\n" + second)},
		"after CRLF.":                   {full[3:] + "\r\n.", pad("\r\n" + second)},
		"after CRLF.CR":                 {full[4:] + "\r\n.\r", pad("\n" + second)},
		"in segments of one octet":      {full[2:] + "\r\n", ".", "\r", "\n", pad(second)},
		"between short and full":        {full, "\r\n", ".", pad("\r\n" + second)},
		"behind a whole message":        {full, full, full[5:] + "\r\n.\r\n", pad(second), full},
		"before the end of the message": {full, pad("a\r\n.\r\n" + second), full},
	} {
		for lag := range 6 {
			port++
			s := message(t, port)
			send := func(text string) {
				s.send(0, []byte(text))
				s.seq[0] += uint32(len(text))
			}
			for range 4 {
				send(full)
			}
			for _, text := range segments {
				send(text)
			}
			w.begin()
			stayed := w.stays
			for i, f := range s.frames {
				run(t, w.f, f.frame)
				if i%(lag+1) == 0 {
					w.read(lag + 1)
				}
			}
			w.read(1e9)
			w.asm.Close()
			if !slices.ContainsFunc(w.rows, func(row string) bool { return strings.Contains(row, "second@") }) {
				t.Errorf("%s, %d frames behind: the second mail is missing", name, lag)
			}
			if lag == 0 && w.stays == stayed {
				t.Errorf("%s: no payload stayed: this shows nothing", name)
			}
		}
	}
}

// TestBodies_ACopyDoesNotTellTheTail has the end of a message begin in a segment that came before the flow was marked,
// and a copy of it, with another end, after that.
func TestBodies_ACopyDoesNotTellTheTail(t *testing.T) {
	s := message(t, 41000)
	begin := len(s.frames)
	send := func(text string) { s.send(0, []byte(text)) }
	send(full)
	s.seq[0] += uint32(len(full))
	send(full[2:] + "\r\n")
	send(full) // the copy
	s.seq[0] += uint32(len(full))
	send(".\r\nMAIL FROM:<second@example.org>\r\nRCPT TO:<b@example.net>\r\n" + full[:1000])
	w := newTapped(t, true)
	for _, f := range s.frames[:begin+2] {
		run(t, w.f, f.frame)
	}
	w.read(begin + 1) // the flow is marked; the second segment is not read
	run(t, w.f, s.frames[begin+2].frame)
	w.read(1e9)
	run(t, w.f, s.frames[begin+3].frame)
	w.read(1e9)
	w.asm.Close()
	if w.f.Marks(0).Counts().Set != 1 || !slices.ContainsFunc(w.rows, func(row string) bool {
		return strings.Contains(row, "second@")
	}) {
		t.Errorf("the second mail is missing: %q", w.rows)
	}
}

// TestBodies_PortsUsedAgain has a client reset a connection in a long message, and begin others on its ports.
func TestBodies_PortsUsedAgain(t *testing.T) {
	whole, bodies := newTapped(t, false), newTapped(t, true)
	for i := range 40 {
		r := rand.New(rand.NewPCG(9, uint64(i)))
		s := message(t, uint16(42000+i))
		for range 8 {
			s.send(0, []byte(full))
			s.seq[0] += uint32(len(full))
		}
		s.send(0, nil, func(x *layers.TCP) { x.RST, x.ACK = true, false })
		frames := s.frames
		for range 2 {
			again := newSession(t, r, s.port)
			again.six, again.tag = s.six, s.tag
			again.frames = again.frames[:0]
			again.seq = [2]uint32{s.seq[0] + uint32(r.IntN(1<<24)) - 1<<23, r.Uint32()}
			again.begin()
			frames = append(frames, again.talk()...)
		}
		var out [][]byte
		for _, f := range frames {
			out = append(out, f.frame)
		}
		whole.all(t, r, out)
		bodies.all(t, r, out)
		if diff := cmp.Diff(whole.rows, bodies.rows); diff != "" || len(whole.rows) < 3 {
			t.Fatalf("%d: %d rows:\n%s", i, len(whole.rows), diff)
		}
	}
	if bodies.stays == 0 {
		t.Error("no payload stayed: this shows nothing")
	}
}

// BenchmarkBodies gives the CPU time that one worker takes for a frame of long messages, and that of the program, with
// payloads that stay in the kernel and without.
func BenchmarkBodies(b *testing.B) {
	for name, bodies := range map[string]bool{"user": false, "kernel": true} {
		b.Run(name, func(b *testing.B) {
			counting, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
			if err != nil {
				b.Fatal(err)
			}
			defer counting.Close()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			w := &tapped{f: load(b, Config{Bodies: bodies, RingBytes: 16 << 20})}
			var unseen, octets int64
			n, port, took := 0, uint16(20000), time.Duration(0)
			for b.Loop() {
				var frames [][]byte
				for range 20 {
					port++
					frames = append(frames, conversation(b, port, 400)...)
				}
				w.begin()
				for chunk := range slices.Chunk(frames, 64) {
					for _, frame := range chunk {
						run(b, w.f, frame)
					}
					before := threadTime()
					w.read(1e9)
					took += threadTime() - before
				}
				w.asm.Close()
				s := w.asm.Stats()
				unseen, octets, n = unseen+s.UnseenBytes, octets+s.PayloadBytes, n+len(frames)
			}
			stats, err := w.f.objects.Tap25.Stats()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(n), "ns/frame")
			b.ReportMetric(float64(stats.Runtime.Nanoseconds())/float64(stats.RunCount), "ns/run")
			b.ReportMetric(100*float64(unseen)/float64(octets), "%stays")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// threadTime is the CPU time of this thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // every Linux has it
	return time.Duration(ts.Nano())
}
