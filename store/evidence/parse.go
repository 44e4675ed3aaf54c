package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrNewer is returned by [ParseLink] for a link of a later version.
var ErrNewer = errors.New("a newer tap25 wrote this link")

var errLink = errors.New("these octets are no link")

// ParseLink reads what [Link.Append] has written. Every link has one encoding: other octets are an error.
func ParseLink(encoded []byte) (*Link, error) {
	if len(encoded) > MaxLink || len(encoded) < len(magic)+2 || string(encoded[:len(magic)]) != magic {
		return nil, errLink
	}
	if v := encoded[len(magic)]; v > version {
		return nil, fmt.Errorf("%w: version %d", ErrNewer, v)
	} else if v != version {
		return nil, errLink
	}
	r := reader{rest: encoded[len(magic)+1:]}
	l := &Link{Kind: Kind(r.octet()), Sensor: r.text(), Key: r.hash(), Number: r.number(), Prev: r.hash()}
	l.Time = time.UnixMicro(int64(r.number())).UTC()
	l.Version, l.Segment, l.Reason = r.text(), r.text(), r.text()
	for range r.count(1 + 4 + 8 + len(Hash{})) {
		l.Days = append(l.Days, DayRows{Table(r.octet()), int32(r.short()), r.number(), r.hash()})
	}
	l.Before = Place{r.hash(), r.number(), r.hash()}
	l.LostCount = r.number()
	for range r.count(8 + len(Hash{}) + 4) {
		l.Lost = append(l.Lost, LostLink{r.number(), r.hash(), r.text()})
	}
	if r.bad || len(r.rest) > 0 || l.Kind < Segment || l.Kind > Coverage {
		return nil, errLink
	}
	return l, nil
}

// reader takes values off octets. After the first that is not there, all are zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return make([]byte, min(n, 64)) // no number or hash is longer
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) octet() byte    { return r.take(1)[0] }
func (r *reader) short() uint32  { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) number() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) hash() Hash     { return Hash(r.take(len(Hash{}))) }

func (r *reader) text() string {
	n := r.short()
	if r.bad || n > uint32(len(r.rest)) {
		r.bad = true
		return ""
	}
	return string(r.take(int(n)))
}

// count reads the number of elements of a list that take at least size octets each.
func (r *reader) count(size int) int {
	n := r.short()
	if r.bad || uint64(n)*uint64(size) > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}
