package decode

import (
	"encoding/binary"
	"time"
)

// Unseen stands for the payload of a frame of which only the headers are there: the XDP program has looked through the
// payload, and left it in the kernel. Its checksums are right.
type Unseen struct {
	Octets int     // MaxUnseen at most
	Digest uint64  // see DigestKey
	Tail   [2]byte // the last two octets
}

// MaxUnseen is the longest payload that may be left out.
const MaxUnseen = 1536

// DigestKey is the secret of this run with which octets are digested, so that two copies of a segment can be compared.
type DigestKey [MaxUnseen / 8]uint64

// digestBlock is how many words are digested at once: what is missing of the last ones is zero.
const digestBlock = 8

// Digest digests up to MaxUnseen octets as the XDP program does. It is the hash NH of UMAC (Black and others, 1999,
// section 4): two different texts of one length have the same with a probability of 2^-32, whoever made them without
// the key.
func (k *DigestKey) Digest(b []byte) (sum uint64) {
	word := func(w, key uint64) {
		sum += uint64(uint32(w)+uint32(key)) * uint64(uint32(w>>32)+uint32(key>>32))
	}
	i := 0
	for ; len(b) >= 8; i++ {
		word(binary.LittleEndian.Uint64(b), k[i])
		b = b[8:]
	}
	if len(b) > 0 {
		var rest [8]byte
		copy(rest[:], b)
		word(binary.LittleEndian.Uint64(rest[:]), k[i])
		i++
	}
	for ; i%digestBlock > 0; i++ {
		word(0, k[i])
	}
	return sum
}

// Filler stands in Packet.Payload for each octet that was left out, except the last two.
const Filler = 'x'

// DecodeHeaders reads a frame of which only the headers are there, as Decode does. If it is a segment with exactly that
// payload, p.Payload has its length, and its last two octets.
func (d *Decoder) DecodeHeaders(t time.Time, link uint16, headers []byte, wireLen int, u *Unseen, p *Packet) Verdict {
	ignore := d.IgnoreChecksums
	d.IgnoreChecksums = true // the program has computed them
	v := d.Decode(t, link, headers, wireLen, p)
	d.IgnoreChecksums = ignore
	if v != TCPPort || len(p.Payload) > 0 || p.Missing != u.Octets || u.Octets > MaxUnseen || u.Octets < len(u.Tail) {
		return v
	}
	if d.filler == nil {
		d.filler = new([MaxUnseen]byte)
		for i := range d.filler {
			d.filler[i] = Filler
		}
	}
	copy(d.filler[MaxUnseen-len(u.Tail):], u.Tail[:])
	p.Payload, p.Missing, p.Unseen, p.Digest = d.filler[MaxUnseen-u.Octets:], 0, true, u.Digest
	return v
}
