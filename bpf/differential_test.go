// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"tap25/reassembly/decode"
)

const linkEthernet = 1 // LINKTYPE_ETHERNET

// differentialFrames is how many random frames the test compares; TAP25_FRAMES says another number.
const differentialFrames = 20_000

// TestFilter_AgreesWithTheDecoder compares the program with the Go decoder on
// random frames. Nothing that the decoder wants may be dropped, but for fragments
// of tunnels whose first fragment shows that they hold no such segment. On a frame
// that is whole the two agree; on a damaged one the program may keep too much,
// which the decoder then counts.
func TestFilter_AgreesWithTheDecoder(t *testing.T) {
	f := load(t, Config{RingBytes: 4096})
	n := differentialFrames
	if s := os.Getenv("TAP25_FRAMES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(25, 25))
	before := stats(t, f)
	seen := [Verdicts]int{}
	for i := range n {
		frame, damaged := randomFrame(t, r)
		want := decode.Filter(linkEthernet, frame, nil)
		run(t, f, frame)
		after := stats(t, f)
		got := raised(t, before, after)
		before = after
		seen[got]++
		if !agree(got, want, damaged, firstOfTunnel(t, f)) {
			t.Fatalf("frame %d (damaged: %v): the program says %s, the decoder %d\n%x", i, damaged, got, want, frame)
		}
	}
	for v, k := range seen {
		if k == 0 {
			t.Errorf("no random frame was ever %s", Verdict(v))
		}
	}
	if after := stats(t, f); after.Seen() != uint64(n) ||
		after.Seen() != after.Dropped()+after.Full()+after.Delivered() {
		t.Errorf("%d frames: seen %d, dropped %d, ring full %d, delivered %d", n, after.Seen(), after.Dropped(),
			after.Full(), after.Delivered())
	}
}

// FuzzFilter: whatever a frame is, nothing that the decoder wants is dropped.
func FuzzFilter(f *testing.F) {
	for _, c := range frames(f) {
		f.Add(c.frame)
	}
	r := rand.New(rand.NewPCG(25, 26))
	for range 100 {
		frame, _ := randomFrame(f, r)
		f.Add(frame)
	}
	filter := load(f, Config{RingBytes: 4096})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < 14 || len(frame) > 9000 { // the kernel runs no shorter ones
			return
		}
		want := decode.Filter(linkEthernet, frame, nil)
		before := stats(t, filter)
		run(t, filter, frame)
		if got := raised(t, before, stats(t, filter)); !agree(got, want, true, firstOfTunnel(t, filter)) {
			t.Fatalf("the program says %s, the decoder %d", got, want)
		}
	})
}

// TestFilter_AgreesWithTheDecoderOnItsCorpus runs what fuzzing of the decoder found.
func TestFilter_AgreesWithTheDecoderOnItsCorpus(t *testing.T) {
	f := load(t, Config{RingBytes: 4096})
	files, err := filepath.Glob("../reassembly/decode/testdata/fuzz/FuzzDecode/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	quoted := regexp.MustCompile(`\[\]byte\((".*")\)`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllSubmatch(text, -1) {
			s, err := strconv.Unquote(string(m[1]))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			frame := append([]byte(s), make([]byte, max(0, 14-len(s)))...)
			want := decode.Filter(linkEthernet, frame, nil)
			before := stats(t, f)
			run(t, f, frame)
			if got := raised(t, before, stats(t, f)); !agree(got, want, true, firstOfTunnel(t, f)) {
				t.Errorf("%s: the program says %s, the decoder %d", name, got, want)
			}
		}
	}
}

// TestFilter_AgreesWithTheDecoderOnEveryCapture runs the frames of the captures in testdata, each for itself.
func TestFilter_AgreesWithTheDecoderOnEveryCapture(t *testing.T) {
	f := load(t, Config{RingBytes: 4096})
	var files []string
	for _, pattern := range []string{"../testdata/*/*.pcap", "../testdata/cases/*/*.pcap"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no captures at %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	frames := 0
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewReader(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := 0; r.LinkType() == layers.LinkTypeEthernet; n++ {
			frame, info, err := r.ReadPacketData()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := decode.Filter(linkEthernet, frame, nil)
			before := stats(t, f)
			run(t, f, frame)
			if got := raised(t, before, stats(t, f)); !agree(got, want, info.Length > len(frame), firstOfTunnel(t, f)) {
				t.Errorf("%s: frame %d: the program says %s, the decoder %d", name, n, got, want)
			}
			frames++
		}
		file.Close()
	}
	if frames < 10_000 {
		t.Errorf("only %d frames", frames)
	}
}

func raised(t *testing.T, before, after Stats) Verdict {
	t.Helper()
	for v := range after.Verdicts {
		if after.Verdicts[v] != before.Verdicts[v] {
			return Verdict(v)
		}
	}
	t.Fatal("no counter was raised")
	return 0
}

func agree(got Verdict, want decode.FilterVerdict, damaged, tunnel bool) bool {
	switch {
	case got == Undecided:
		return true
	case want == decode.FilterKeep:
		return got == Segment
	case want == decode.FilterFragment:
		return got == Fragment || tunnel && (got == OtherPort || got == NotTCP || got == NotIP)
	}
	return !got.Kept() || damaged
}

// firstOfTunnel tells whether the frame just run was the first fragment of a tunnel's
// datagram, which shows what is inside, and forgets it: each frame stands for itself here.
func firstOfTunnel(t *testing.T, f *Filter) bool {
	t.Helper()
	var key filterDatagram
	var value filterPlacement
	found := false
	for entries := f.objects.Fragmented.Iterate(); entries.Next(&key, &value); {
		found = true
		if err := f.objects.Fragmented.Delete(&key); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// maxCertain is how many tunnels fit in 32 headers however they are counted: the
// decoder takes UDP and VXLAN for two, the program for one, so deeper frames may be
// kept by the one and too deep for the other.
const maxCertain = 4

// randomFrame stacks headers at random around a payload. It damages some frames, or
// makes them deeper than is certain to be walked.
func randomFrame(t testing.TB, r *rand.Rand) (frame []byte, damaged bool) {
	port := []int{25, 25, 443, 80}[r.IntN(4)]
	payload := tcp(port, 40000, "x")
	if r.IntN(2) == 0 {
		payload = tcp(40000, port, "some text")
	}
	if r.IntN(50) == 0 {
		payload = append(payload, make([]byte, 1+r.IntN(30_000))...) // a jumbo frame, in several buffers
	}
	etherType, packet := randomIP(t, r, []int{6, 6, 6, 6, 6, 17, 1}[r.IntN(7)], payload)
	wraps := r.IntN(6)
	for range wraps {
		etherType, packet = randomWrap(t, r, etherType, packet)
	}
	frame = ethernet(etherType, packet)
	if r.IntN(50) == 0 {
		frame = ethernet(0x0806, packet)
	}
	if damaged = r.IntN(3) == 0; damaged {
		for range 1 + r.IntN(3) {
			frame[r.IntN(len(frame))] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			frame = frame[:14+r.IntN(len(frame)-13)]
		}
	} else {
		frame = append(frame, make([]byte, max(0, 60-len(frame)))...) // padding
	}
	return frame, damaged || wraps > maxCertain
}

func randomIP(t testing.TB, r *rand.Rand, protocol int, payload []byte) (int, []byte) {
	fragment := r.IntN(8) == 0
	if r.IntN(2) == 0 {
		p := ip(t, testSrc, testDst, 0, payload)
		p[9] = byte(protocol)
		if fragment {
			p = fragmented(p, true, r.IntN(2)*1480)
		}
		return 0x0800, p
	}
	if fragment {
		payload, protocol = joined([]byte{byte(protocol), 0}, be16(r.IntN(2)*1480|1), []byte{0, 0, 0, 9}, payload), 44
	}
	for range r.IntN(3) {
		next := byte(protocol)
		protocol = []int{0, 43, 60, 135}[r.IntN(4)]
		payload = joined([]byte{next, 1}, make([]byte, 14), payload)
	}
	p := ip(t, testSrc6, testDst6, 59, payload)
	p[6] = byte(protocol)
	return 0x86dd, p
}
