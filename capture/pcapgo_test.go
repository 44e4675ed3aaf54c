package capture

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// writer is what both of pcapgo's writers are.
type writer interface {
	WritePacket(gopacket.CaptureInfo, []byte) error
}

func TestFiles_ReadWhatPcapgoWrites(t *testing.T) {
	var pcap, nano, ng bytes.Buffer
	ngw, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	w, n := pcapgo.NewWriter(&pcap), pcapgo.NewWriterNanos(&nano)
	for _, w := range []*pcapgo.Writer{w, n} {
		if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
	}
	for _, fr := range sent {
		ci := gopacket.CaptureInfo{Timestamp: fr.Time, CaptureLength: len(fr.Data), Length: fr.Length}
		for _, w := range []writer{w, n, ngw} {
			if err := w.WritePacket(ci, []byte(fr.Data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := ngw.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file []byte
		unit time.Duration
	}{"pcap": {pcap.Bytes(), time.Microsecond}, "pcap in nanoseconds": {nano.Bytes(), 1}, "pcapng": {ng.Bytes(), 1}} {
		t.Run(name, func(t *testing.T) {
			want := sent
			if c.unit != 1 {
				want = inMicroseconds(sent)
			}
			frames, err := read(nil, write(t, c.file))
			if d := cmp.Diff(want, frames); d != "" || err != nil {
				t.Error(err, d)
			}
		})
	}
}
