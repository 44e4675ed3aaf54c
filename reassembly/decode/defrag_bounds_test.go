package decode

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"tap25/reassembly/decode/decodetest"
)

func TestDefrag_TimesOutInPacketTime(t *testing.T) {
	for name, w := range bothFamilies(t, make([]byte, 100), 7) {
		timeout := fragTimeoutIPv4
		if w.EtherType == 0x86dd {
			timeout = fragTimeoutIPv6
		}
		f := w.Fragments(t, 64)
		for _, c := range []struct {
			after   time.Duration
			expired bool
		}{{timeout, false}, {timeout + 1, true}, {-timeout - 1, true}, {-timeout, false}} {
			t.Run(fmt.Sprint(name, " after ", c.after), func(t *testing.T) {
				d := New(nil)
				feed(t, d, decodetest.Epoch, f[0])
				got := feed(t, d, decodetest.Epoch.Add(c.after), f[1])
				if _, s := d.Stats(); s.Expired == 1 != c.expired || len(got) == 1 == c.expired {
					t.Errorf("%d segments, %+v", len(got), s)
				}
				d.Advance(decodetest.Epoch.Add(c.after + 2*timeout))
				if _, s := d.Stats(); s.Held != 0 || s.In != s.sum() {
					t.Errorf("after advance %+v", s)
				}
			})
		}
	}
}

// neverWhole feeds n fragments of n datagrams that stay incomplete, spread over
// all offsets, and gives the defragmenter.
func neverWhole(n int) *defragmenter {
	f := newDefragmenter(maxDatagrams, maxFragPages)
	body, addr := make([]byte, 1400), []byte{192, 0, 2, 1}
	for i := range n {
		x := piece{at: int64(i) * 1000, id: uint32(i), offset: i * 8 % 64000, body: body, proto: protoTCP, more: true,
			reason: goOn, ip: ipHeader{src: addr, dst: addr, to: addr}}
		if i%3 == 0 {
			x.body = body[:8]
		}
		f.add(&x)
	}
	return f
}

func TestDefrag_NeverCompletedStaysWithinBounds(t *testing.T) {
	const n = 300_000
	f := neverWhole(n)
	if len(f.byKey) > maxDatagrams || f.pages.made > maxFragPages {
		t.Errorf("%d datagrams, %d pages", len(f.byKey), f.pages.made)
	}
	if s := f.stats; s.In != n || s.In != s.sum() || s.Evicted < n-maxDatagrams {
		t.Errorf("%+v", s)
	}
	if n := testing.AllocsPerRun(10, func() {
		f.add(&piece{id: 1 << 30, body: make([]byte, 8), reason: goOn, at: int64(n) * 1000})
	}); n > 2 {
		t.Errorf("%v allocations a fragment", n)
	}
}

// TestDefrag_TwiceTheFragmentsTakeTwiceTheWork counts what is done for N and for 2N fragments: datagrams begun and let
// go of, and memory asked for.
func TestDefrag_TwiceTheFragmentsTakeTwiceTheWork(t *testing.T) {
	const n = 100_000
	work := func(n int) (dropped int64, made int, allocated uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f := neverWhole(n)
		runtime.ReadMemStats(&after)
		return f.stats.Evicted + f.stats.Expired, f.pages.made, after.Mallocs - before.Mallocs
	}
	dropped, made, allocated := work(n)
	dropped2, made2, allocated2 := work(2 * n)
	if dropped2 > 2*dropped+maxDatagrams || made2 != made || allocated2 > 2*allocated {
		t.Errorf("%d dropped, then %d; %d pages, then %d; %d allocations, then %d", dropped, dropped2, made, made2,
			allocated, allocated2)
	}
}

func TestDefrag_EvictsTheOldestFirstUnderEitherLimit(t *testing.T) {
	addr := []byte{192, 0, 2, 1}
	for name, f := range map[string]*defragmenter{"datagrams": newDefragmenter(64, maxFragPages),
		"pages": newDefragmenter(maxDatagrams, 64)} {
		t.Run(name, func(t *testing.T) {
			add := func(id, off int, more bool) Verdict {
				return f.add(&piece{id: uint32(id), offset: off, body: make([]byte, 8), proto: protoTCP, more: more,
					reason: goOn, ip: ipHeader{src: addr, dst: addr, to: addr}})
			}
			for id := range 100 {
				add(id, 0, true)
			}
			for id := 36; id < 100; id++ { // the last 64
				if got := add(id, 8, false); got != goOn {
					t.Errorf("datagram %d: %v", id, got)
				}
			}
			if got := add(35, 8, false); got != Fragment {
				t.Errorf("the one before: %v", got)
			}
			if f.stats.Evicted != 36 {
				t.Errorf("%d evicted", f.stats.Evicted)
			}
			if f.stats.In != f.stats.sum() {
				t.Errorf("%+v", f.stats)
			}
		})
	}
}

func TestDefrag_LargestDatagram(t *testing.T) {
	payload := bytes.Repeat([]byte("full"), 16370) // 20 + 20 + 65480
	w := decodetest.Segment{Payload: payload, ID: 9}.IP(t)
	one(t, feed(t, New(nil), decodetest.Epoch, w.Fragments(t, 1480)...), payload, false)
}

func BenchmarkDefragNeverCompleted(b *testing.B) {
	b.ReportAllocs()
	neverWhole(b.N)
}

// TestDefrag_IPv4ExpiresBehindAnIPv6ThatDoesNot: one queue holds both.
func TestDefrag_IPv4ExpiresBehindAnIPv6ThatDoesNot(t *testing.T) {
	d := New(nil)
	f := bothFamilies(t, make([]byte, 100), 7)
	four, six := f["IPv4"].Fragments(t, 64), f["IPv6"].Fragments(t, 64)
	feed(t, d, decodetest.Epoch, six[0], four[0])
	if got := feed(t, d, decodetest.Epoch.Add(fragTimeoutIPv4+1), four[1]); len(got) != 0 {
		t.Error("joined with a fragment that is too old")
	}
	one(t, feed(t, d, decodetest.Epoch.Add(fragTimeoutIPv6), six[1]), make([]byte, 100), false)
}

// TestDefrag_WholeDatagramsMakeRoomFirst: what is only kept to know duplicates
// must not push out what is waited for.
func TestDefrag_WholeDatagramsMakeRoomFirst(t *testing.T) {
	f, addr := newDefragmenter(8, maxFragPages), []byte{192, 0, 2, 1}
	add := func(id, off int, more bool) Verdict {
		return f.add(&piece{id: uint32(id), offset: off, body: make([]byte, 8), proto: protoTCP, more: more,
			reason: goOn, ip: ipHeader{src: addr, dst: addr, to: addr}})
	}
	add(0, 0, true)
	for id := 1; id < 100; id++ {
		add(id, 0, true)
		if add(id, 8, false) != goOn {
			t.Fatalf("datagram %d is not whole", id)
		}
	}
	if add(0, 8, false) != goOn || f.stats.Evicted != 0 || f.stats.Reassembled != 200 {
		t.Errorf("%+v", f.stats)
	}
}
