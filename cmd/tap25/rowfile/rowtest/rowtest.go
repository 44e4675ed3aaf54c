// Package rowtest makes rows for tests.
package rowtest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"tap25/reassembly/smtp"
	"tap25/store"
)

// Texts are what strangers put into addresses, names and tags.
var Texts = []string{
	"marta@orchard.example", "", "<>", "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=HYPERLINK(\"http://x/\")",
	" =1+1", "a;=1+1", "a,=1+1", "a\"=1+1", "a\t=1+1", "a\n=1+1", "\r\n=1+1", "＝1+1", "'=1+1", "a|=1+1", "a:-1",
	"\\", `\u003d1`, `\\u003d`,
	"a\x01b\x7fc\u0085d", "\u202egpj.exe", "\U0001f600", "\U000e0041x", "\ufeffx", "a\u2028b", "ünï@dømain.example",
	"<script>alert(1)</script>", "&amp;\"'`", "0", "1e5", "null", "a b", "\u00a0=1", "  ",
}

// Any returns a row with random values in all columns.
func Any(r *rand.Rand, at time.Time, sensor string) *store.CaseRow {
	text := func() *string {
		if r.IntN(4) == 0 {
			return nil
		}
		return &Texts[r.IntN(len(Texts))]
	}
	number := func() *int64 {
		if r.IntN(3) == 0 {
			return nil
		}
		n := r.Int64N(1 << r.IntN(62))
		return &n
	}
	octets := func() []byte {
		if r.IntN(2) == 0 {
			return nil
		}
		return binary.BigEndian.AppendUint64(nil, r.Uint64())
	}
	ip := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{192, 0, 2, byte(r.Uint32())})
		}
		return netip.MustParseAddr([]string{"2001:db8::1", "::ffff:192.0.2.1", "::"}[r.IntN(3)])
	}
	code := func() uint16 { return []uint16{0, 250, 354, 451, 550}[r.IntN(5)] }
	e := smtp.Envelope{
		SeenAt: at, Sensor: sensor, SessionID: int64(r.Uint64()), MailNo: r.IntN(9),
		Client: netip.AddrPortFrom(ip(), uint16(r.Uint32())), Server: netip.AddrPortFrom(ip(), uint16(r.Uint32())),
		HELO: text(), MailFrom: text(), RcptTo: text(), MailFromRaw: octets(), RcptToRaw: octets(),
		MailCode: code(), RcptCode: code(), DataCode: code(), Outcome: smtp.Outcome(r.IntN(6)),
		MessageBytes: number(), DeclaredSize: number(), EnvID: text(), ORcpt: text(), QueueID: text(),
		Auth: r.IntN(2) == 0, TLSServerName: text(), Flags: smtp.Flags(r.IntN(128)),
	}
	if n := number(); n != nil {
		e.LostBytes = *n
	}
	if e.OriginBy = smtp.OriginBy(r.IntN(4)); e.OriginBy != smtp.ByNobody {
		e.OriginIP, e.OriginPort = ip(), uint16(r.IntN(3))
	}
	e.Network = []string{"", "vlan 12", "vxlan 5001/vlan 3"}[r.IntN(3)]
	return &store.CaseRow{Envelope: e, Sensors: []string{sensor, Texts[r.IntN(len(Texts))]}, Copies: 2}
}
