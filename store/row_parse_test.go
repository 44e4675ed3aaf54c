package store

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tap25/capture/capturetest"
	"tap25/reassembly/smtp"
)

// anyEnvelope draws a row whose text PostgreSQL takes as it is.
func anyEnvelope(t *rapid.T) *smtp.Envelope {
	text := rapid.Ptr(rapid.StringOf(rapid.Rune().Filter(func(r rune) bool {
		return r != 0 && r != '\uFFFD' && (r < 0xd800 || r > 0xdfff)
	})), true)
	number := rapid.Ptr(rapid.Int64(), true)
	code := rapid.Uint16Max(599)
	raw := func(name string) []byte {
		if rapid.Bool().Draw(t, name+" null") {
			return nil
		}
		return rapid.SliceOf(rapid.Byte()).Draw(t, name)
	}
	side := func(name string) netip.AddrPort {
		n := rapid.SampledFrom([]int{4, 16}).Draw(t, name+" family")
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name))
		return netip.AddrPortFrom(a, rapid.Uint16().Draw(t, name+" port"))
	}
	e := &smtp.Envelope{
		SeenAt:    time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, "seen at")).UTC(),
		Sensor:    *rapid.Ptr(rapid.StringMatching(`[a-z]*`), false).Draw(t, "sensor"),
		SessionID: rapid.Int64().Draw(t, "session"),
		MailNo:    int(rapid.Int32().Draw(t, "mail no")), Client: side("client"), Server: side("server"),
		HELO: text.Draw(t, "helo"), MailFrom: text.Draw(t, "from"), RcptTo: text.Draw(t, "to"),
		MailFromRaw: raw("from raw"), RcptToRaw: raw("to raw"),
		MailCode: code.Draw(t, "mail code"), RcptCode: code.Draw(t, "rcpt code"), DataCode: code.Draw(t, "data code"),
		Outcome:      smtp.Outcome(rapid.IntRange(0, len(smtp.Outcomes())-1).Draw(t, "outcome")),
		MessageBytes: number.Draw(t, "bytes"), DeclaredSize: number.Draw(t, "size"),
		EnvID: text.Draw(t, "envid"), ORcpt: text.Draw(t, "orcpt"), QueueID: text.Draw(t, "queue id"),
		Auth:          rapid.Bool().Draw(t, "auth"),
		TLSServerName: text.Draw(t, "sni"), LostBytes: rapid.Int64().Draw(t, "lost"),
		Flags:    smtp.Flags(rapid.Uint8().Draw(t, "flags")),
		Network:  rapid.SampledFrom([]string{"", "vlan 12"}).Draw(t, "network"),
		OriginBy: smtp.OriginBy(rapid.IntRange(0, len(smtp.OriginNames())-1).Draw(t, "origin by")),
	}
	if e.OriginBy != smtp.ByNobody {
		e.OriginPort = rapid.Uint16().Draw(t, "origin port")
		if rapid.Bool().Draw(t, "origin") {
			e.OriginIP = side("origin").Addr()
		}
	}
	return e
}

// sameAddrs lets cmp compare what has no exported fields.
var sameAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool {
		return a == b
	}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func TestParseRow_ReadsWhatAppendRowMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyEnvelope(t)
		record := AppendRow(nil, want)
		got, err := ParseRow(record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameAddrs); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		cut := rapid.IntRange(0, len(record)-1).Draw(t, "cut")
		if _, err := ParseRow(record[:cut]); err == nil {
			t.Fatal("half a row was taken")
		}
		if _, err := ParseRow(append(record, 0)); err == nil {
			t.Fatal("a row with a byte behind it was taken")
		}
	})
}

func FuzzParseRow(f *testing.F) {
	addr := netip.MustParseAddrPort("192.0.2.1:25")
	text, size := "a@example.org", int64(7)
	f.Add(AppendRow(nil, &smtp.Envelope{Client: addr, Server: netip.MustParseAddrPort("[2001:db8::1]:25")}))
	f.Add(AppendRow(nil, &smtp.Envelope{Client: addr, Server: addr, MailFrom: &text, MessageBytes: &size,
		MailFromRaw: []byte{0}, MailCode: 250, Auth: true}))
	f.Add(AppendRow(nil, &smtp.Envelope{Client: addr, Server: addr, OriginBy: smtp.ByXFORWARD, OriginIP: addr.Addr(),
		OriginPort: 1,
		Network:    "vlan 12"}))
	f.Fuzz(func(t *testing.T, record []byte) {
		var e *smtp.Envelope
		var err error
		// Each octet is looked at once: a column is read and cut off. What is kept of it is copied at most once.
		most := 2*int64(len(record)) + 4096
		if allocated := capturetest.Allocated(most, func() { e, err = ParseRow(record) }); allocated > most {
			t.Errorf("%d octets allocated for %d", allocated, len(record))
		}
		if err != nil {
			return
		}
		if _, err := e.MarshalJSON(); err != nil && e.SeenAt.Year() >= 0 && e.SeenAt.Year() < 10000 {
			t.Error(err)
		}
		again, err := ParseRow(AppendRow(nil, e))
		if err != nil || !bytes.Equal(AppendRow(nil, again), AppendRow(nil, e)) {
			t.Errorf("a row does not survive being written and read: %v", err)
		}
	})
}
