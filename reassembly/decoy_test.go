package reassembly

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tap25/reassembly/decode"
	"tap25/reassembly/smtp"
)

// decoy makes of a segment of the client's one whose TTL ends on the way to the server.
func decoy(r *rand.Rand, f timed) timed {
	f.made, f.wait, f.s.TTL = nil, 0, 1
	f.s.Payload = bytes.Clone(f.s.Payload)
	switch r.IntN(8) {
	case 0: // other bytes
		if n := len(f.s.Payload); n > 0 {
			f.s.Payload[r.IntN(n)] ^= 1
		}
	case 1: // a whole mail in its place
		f.s.Payload = []byte("RSET\r\nMAIL FROM:<evil@a.example>\r\nRCPT TO:<evil@b.example>\r\nDATA\r\n")
	case 2: // somewhere else
		f.s.Seq += uint32(r.IntN(200)) - 100
	case 3:
		f.s.Ack += uint32(r.IntN(2000)) - 1000
	case 4:
		f.s.Flags, f.s.Payload, f.s.Seq = decode.RST, nil, f.s.Seq+uint32(r.IntN(100))-50
	case 5:
		f.s.Flags, f.s.Payload, f.s.Seq = decode.ACK|decode.FIN, nil, f.s.Seq+uint32(r.IntN(100))-50
	case 6:
		f.s.Flags, f.s.Seq = decode.SYN, r.Uint32()
	case 7:
		f.s.Flags, f.s.Seq, f.s.Ack = decode.SYN|decode.ACK, r.Uint32(), r.Uint32()
	}
	return f
}

// TestAssembler_DecoysOfTheClientSayConflictOrNothing puts up to three decoys of the client's, of all kinds and on top
// of each other, into sessions of three mails: 3,000 sessions of a fixed seed. A row that does not say conflict is of a
// mail that was sent, and right where it has no flag.
func TestAssembler_DecoysOfTheClientSayConflictOrNothing(t *testing.T) {
	const seed, rounds = 25, 3000
	r := rand.New(rand.NewPCG(seed, seed))
	sessions := []*wire{threeMails(t, 1460, false), threeMails(t, 7, false)}
	for c := range rounds {
		frames := sessions[r.IntN(2)].frames
		for range 1 + r.IntN(3) {
			i := 3 + r.IntN(len(frames)-3)
			for frames[i].side != client {
				i = 3 + r.IntN(len(frames)-3)
			}
			j := i + r.IntN(2)
			frames = append(frames[:j:j], append([]timed{decoy(r, frames[i])}, frames[j:]...)...)
			frames[j].at += time.Duration(j-i) * time.Microsecond
		}
		rows, _ := replayed(t, Config{}, frames)
		for k := range rows {
			if rows[k].Flags&smtp.Conflict != 0 {
				continue
			}
			if wrong := honest(rows[k : k+1]); wrong != "" {
				told := ""
				for _, f := range frames {
					told += fmt.Sprintf("\n%v side %d seq %d ack %d flags %02x ttl %d %q", f.at, f.side, f.s.Seq,
						f.s.Ack, f.s.Flags, f.s.TTL, f.s.Payload)
				}
				t.Fatalf("session %d: %s%s", c, wrong, told)
			}
		}
	}
}
