package smtp

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// marshaled is a row by encoding/json alone.
func marshaled(t testing.TB, e *Envelope) string {
	t.Helper()
	code := func(c uint16) *uint16 {
		if c == 0 {
			return nil
		}
		return &c
	}
	name := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	var originIP *string
	originPort := code(e.OriginPort)
	if e.OriginBy == ByNobody {
		originPort = nil
	} else if e.OriginIP.IsValid() {
		originIP = name(e.OriginIP.String())
	}
	b, err := json.Marshal(struct {
		SeenAt        string     `json:"seen_at"`
		Sensor        string     `json:"sensor"`
		SessionID     int64      `json:"session_id,string"`
		MailNo        int        `json:"mail_no"`
		ClientIP      netip.Addr `json:"client_ip"`
		ClientPort    uint16     `json:"client_port"`
		ServerIP      netip.Addr `json:"server_ip"`
		ServerPort    uint16     `json:"server_port"`
		OriginIP      *string    `json:"origin_ip"`
		OriginPort    *uint16    `json:"origin_port"`
		OriginBy      *string    `json:"origin_by"`
		Network       *string    `json:"network"`
		HELO          *string    `json:"helo"`
		MailFrom      *string    `json:"mail_from"`
		RcptTo        *string    `json:"rcpt_to"`
		MailFromRaw   []byte     `json:"mail_from_raw"`
		RcptToRaw     []byte     `json:"rcpt_to_raw"`
		MailCode      *uint16    `json:"mail_code"`
		RcptCode      *uint16    `json:"rcpt_code"`
		DataCode      *uint16    `json:"data_code"`
		Outcome       string     `json:"outcome"`
		MessageBytes  *int64     `json:"message_bytes"`
		DeclaredSize  *int64     `json:"declared_size"`
		EnvID         *string    `json:"envid"`
		ORcpt         *string    `json:"orcpt"`
		QueueID       *string    `json:"queue_id"`
		Auth          bool       `json:"auth"`
		TLSServerName *string    `json:"tls_server_name"`
		LostBytes     int64      `json:"lost_bytes"`
		Flags         []string   `json:"flags"`
	}{
		e.SeenAt.UTC().Format("2006-01-02T15:04:05.000000Z"), e.Sensor, e.SessionID, e.MailNo,
		e.Client.Addr(), e.Client.Port(), e.Server.Addr(), e.Server.Port(),
		originIP, originPort, name(e.OriginBy.String()), name(e.Network),
		e.HELO, e.MailFrom, e.RcptTo, e.MailFromRaw, e.RcptToRaw,
		code(e.MailCode), code(e.RcptCode), code(e.DataCode), e.Outcome.String(),
		e.MessageBytes, e.DeclaredSize, e.EnvID, e.ORcpt, e.QueueID, e.Auth, e.TLSServerName, e.LostBytes,
		e.Flags.Names(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEnvelope_JSONIsThatOfEncodingJSON draws rows with texts of every octet, invalid UTF-8 and what JavaScript minds.
func TestEnvelope_JSONIsThatOfEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 8259))
	text := func() string {
		pieces := []string{"a", "someone@example.org", "\"", "\\", "<", ">", "&", "\u2028", "\u2029", "пётр", "\xff",
			"\x7f", string(rune(r.IntN(256))), string([]byte{byte(r.IntN(256))}), ""}
		s := ""
		for range r.IntN(4) {
			s += pieces[r.IntN(len(pieces))]
		}
		return s
	}
	optional := func() *string {
		if r.IntN(3) == 0 {
			return nil
		}
		s := text()
		return &s
	}
	number := func() *int64 {
		if r.IntN(2) == 0 {
			return nil
		}
		n := int64(r.Uint64())
		return &n
	}
	octets := func() []byte { return [][]byte{nil, {}, []byte(text())}[r.IntN(3)] }
	endpoint := func() netip.AddrPort {
		addr := []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "::"}[r.IntN(4)]
		return netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(r.Uint32()))
	}
	origin := func() netip.Addr { return []netip.Addr{{}, endpoint().Addr()}[r.IntN(2)] }
	for range 20_000 {
		e := &Envelope{
			SeenAt: time.Unix(r.Int64N(1<<33), r.Int64N(1e9)), Sensor: text(), SessionID: int64(r.Uint64()),
			MailNo: r.IntN(1000),
			Client: endpoint(), Server: endpoint(),
			OriginIP: origin(), OriginPort: uint16(r.IntN(3)), OriginBy: OriginBy(r.IntN(len(originNames))),
			Network: []string{"", "vlan 12", text()}[r.IntN(3)],
			HELO:    optional(), MailFrom: optional(), RcptTo: optional(),
			MailFromRaw: octets(), RcptToRaw: octets(),
			MailCode: uint16(r.IntN(3) * 250), RcptCode: uint16(r.IntN(600)), DataCode: uint16(r.IntN(2)),
			Outcome: Outcome(r.IntN(len(outcomeNames))), MessageBytes: number(), DeclaredSize: number(),
			EnvID: optional(), ORcpt: optional(), QueueID: optional(),
			Auth: r.IntN(2) == 0, TLSServerName: optional(), LostBytes: r.Int64(),
			Flags: Flags(r.IntN(1 << len(flagNames))),
		}
		if got, want := string(e.AppendJSON(nil)), marshaled(t, e); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// TestEnvelope_TimesAsTheStandardLibraryWritesThem takes years before 0 and of five digits, too: the clock of a capture
// may be anything.
func TestEnvelope_TimesAsTheStandardLibraryWritesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 25))
	for i := range 100_000 {
		at := time.Unix(r.Int64N(1<<40)-1<<39, r.Int64N(1e9)).UTC()
		if i%2 == 0 { // of this century
			at = time.Unix(r.Int64N(1<<32), r.Int64N(1e9)).UTC()
		}
		want := at.Format("2006-01-02T15:04:05.000000Z")
		if got := string(appendTime(nil, at)); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}
