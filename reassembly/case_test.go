package reassembly

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"tap25/reassembly/decode/decodetest"
	"tap25/reassembly/smtp"
)

var update = flag.Bool("update", false, "write the captures and expected rows of testdata/cases anew")

// scenario is one named case: a connection, what happens to its segments, and the rows that must come of it. The rows
// are worked out by hand from docs/record.md, never taken from the program's output.
type scenario struct {
	name     string
	build    func(*wire)
	rows     []row
	checksum ChecksumPolicy
	only     string                                      // "4" or "6": the case is one of this family alone
	goOnly   bool                                        // too large for a file
	link     uint16                                      // the link type; 0: Ethernet
	frame    func(testing.TB, decodetest.Wrapped) []byte // a packet of that link type
	stats    func(*testing.T, Stats)
}

// scenarios are all cases, by topic.
func scenarios() []scenario {
	return slices.Concat(orderCases(), segmentCases(), overlapCases(), endCases(), decoyCases(), windowCases(),
		handshakeCases(), reuseCases(),
		checksumCases(), wrongChecksumCases(), decoyChecksumCases(), clockCases(), partialCases(), fragmentCases(),
		tunnelCases(),
		networkCases())
}

// variant is a scenario in one address family.
type variant struct {
	scenario
	name string
	six  bool
}

func variants() (out []variant) {
	for _, s := range scenarios() {
		if s.only != "6" {
			out = append(out, variant{s, s.name, false})
		}
		if s.only != "4" {
			out = append(out, variant{s, s.name + "-ipv6", true})
		}
	}
	return out
}

// frames builds the case's Ethernet frames; times ascend by a millisecond each, unless a segment waits.
func (v *variant) frames(t testing.TB) (out []timedFrame) {
	w := newWire(t, 1000, 9000, 1460)
	w.frames = nil
	if v.six {
		w.client, w.server = decodetest.Client6, decodetest.Server6
	}
	v.build(w)
	at := time.Duration(0)
	for _, f := range w.frames {
		at += time.Millisecond + f.wait
		packets := []decodetest.Wrapped{f.s.IP(t)}
		if f.wrap != nil {
			packets = f.wrap(t, packets[0])
		}
		for _, p := range packets {
			data := []byte(nil)
			if v.frame == nil {
				data = p.Ethernet(t)
			} else {
				data = v.frame(t, p)
			}
			out = append(out, timedFrame{decodetest.Epoch.Add(at), data})
			at += time.Microsecond
		}
	}
	return out
}

func (v *variant) linkType() uint16 {
	if v.link == 0 {
		return decodetest.LinkEthernet
	}
	return v.link
}

type timedFrame struct {
	t    time.Time
	data []byte
}

// file is the name of the case's files; what follows "--" is the checksum policy.
func (v *variant) file() string {
	suffix := map[ChecksumPolicy]string{Auto: "", Strict: "--strict", Off: "--off"}[v.checksum]
	topic, _ := topicOf(v.scenario.name)
	return filepath.Join("..", "testdata", "cases", topic.folder, v.name+suffix)
}

func TestCases(t *testing.T) {
	files := map[string]bool{}
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			frames := v.frames(t)
			if !v.goOnly {
				files[filepath.Base(v.file())] = true
				v.compareFiles(t, frames)
			}
			v.check(t, frames)
		})
	}
	if t.Failed() || flag.Lookup("test.run").Value.String() != "" && !*update {
		return
	}
	there, _ := filepath.Glob(filepath.Join("..", "testdata", "cases", "*", "*.*"))
	for _, name := range there {
		base, _, _ := strings.Cut(filepath.Base(name), ".")
		if base != "README" && !files[base] {
			t.Errorf("%s belongs to no case", name)
		}
	}
}

// check runs frames through an Assembler and compares the rows.
func (v *variant) check(t *testing.T, frames []timedFrame) {
	var got []map[string]any
	a := New(Config{Sensor: "tap", Checksum: v.checksum, Emit: func(e *smtp.Envelope) {
		got = append(got, asMap(t, e))
	}})
	for _, f := range frames {
		a.Frame(f.t, v.linkType(), f.data, len(f.data))
	}
	a.Close()
	if len(got) != len(v.rows) {
		t.Errorf("%d rows, want %d", len(got), len(v.rows))
	}
	for i := range min(len(got), len(v.rows)) {
		want := asMap(t, v.rows[i].of(v.six))
		for k := range got[i] {
			if _, given := want[k]; !given {
				delete(got[i], k)
			}
		}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i+1, diff)
		}
	}
	for i := len(v.rows); i < len(got); i++ {
		t.Errorf("row %d of %s to %s", i+1, got[i]["mail_from"], got[i]["rcpt_to"])
	}
	s := a.Stats()
	if sum := s.DeliveredBytes + s.DuplicateBytes + s.IgnoredBytes; sum != s.PayloadBytes {
		t.Errorf("payload %d octets, delivered, duplicate and ignored %d", s.PayloadBytes, sum)
	}
	if s.Frames.Total() != int64(len(frames)) {
		t.Errorf("%d frames given, %d counted", len(frames), s.Frames.Total())
	}
	if a.lists.held != 0 || a.lists.conns.n != 0 || a.shared.orderer.opened != a.shared.orderer.completed {
		t.Errorf("held after Close: %d bytes, %d connections", a.lists.held, a.lists.conns.n)
	}
	if v.stats != nil {
		v.stats(t, s)
	}
}

func asMap(t testing.TB, x any) map[string]any {
	t.Helper()
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// compareFiles holds the case's files against what the case builds, or writes them.
func (v *variant) compareFiles(t *testing.T, frames []timedFrame) {
	var capture, rows bytes.Buffer
	w := pcapgo.NewWriter(&capture)
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(capture.Bytes()[20:], uint32(v.linkType())) // gopacket's has 8 bits
	for _, f := range frames {
		info := gopacket.CaptureInfo{Timestamp: f.t, CaptureLength: len(f.data), Length: len(f.data)}
		if err := w.WritePacket(info, f.data); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range v.rows {
		b, err := json.Marshal(r.of(v.six))
		if err != nil {
			t.Fatal(err)
		}
		rows.Write(append(b, '\n'))
	}
	name := v.file() + ".pcap"
	if capture.Len() > largest {
		name += ".gz"
	}
	for name, want := range map[string][]byte{name: capture.Bytes(), v.file() + ".expected.jsonl": rows.Bytes()} {
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755),
				os.WriteFile(name, packed(t, name, want), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if len(got) > largest {
			t.Errorf("a file of %d octets; mark the case goOnly", len(got))
		}
		if err != nil || !bytes.Equal(unpacked(t, name, got), want) {
			t.Errorf("%s is not what the case builds (%v); go test ./reassembly -run Cases -update",
				filepath.Base(name), err)
		}
	}
}

// largest is how long a file of a case may be; captures that are longer are packed.
const largest = 20 << 10

func packed(t *testing.T, name string, data []byte) []byte {
	if !strings.HasSuffix(name, ".gz") {
		return data
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpacked(t *testing.T, name string, data []byte) []byte {
	if !strings.HasSuffix(name, ".gz") {
		return data
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
