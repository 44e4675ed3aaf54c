package capture

import (
	"math/bits"
	"time"
)

// A pcapng time is a number of 64 bits in a unit of the interface's choosing, plus an offset in seconds: it reaches far
// beyond what RFC 3339 and PostgreSQL can write. A time before the year 1 or after 9999 is given as the nearest of
// these: the clock is plainly wrong then, but the frame is good.
var (
	minTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// time gives the time of ts ticks of the interface's clock, cut to nanoseconds.
func (i *ngInterface) time(ts uint64) time.Time {
	if i.resol == 6 && i.offset == 0 && ts < 1<<57 { // nearly all captures; 2^57 µs is the year 6537
		return time.Unix(int64(ts/1e6), int64(ts%1e6)*1e3).UTC()
	}
	sec, nsec := i.split(ts)
	if sec > uint64(maxTime.Unix()) { // before the sum can overflow; an offset that would bring it back is as wrong
		return maxTime
	}
	// sec is below 2^38. The sum can pass the largest int64 only for offsets that are out of range themselves.
	if i.offset > maxTime.Unix() {
		return maxTime
	}
	switch s := int64(sec) + i.offset; {
	case s > maxTime.Unix():
		return maxTime
	case s < minTime.Unix():
		return minTime
	default:
		return time.Unix(s, int64(nsec)).UTC()
	}
}

// split turns ticks into seconds and nanoseconds, exactly, whatever the resolution.
func (i *ngInterface) split(ts uint64) (sec, nsec uint64) {
	exp := uint(i.resol & 0x7f)
	if i.resol&0x80 != 0 { // 2^-exp seconds; shifts by 64 and more give 0
		sec = ts >> exp
		hi, lo := bits.Mul64(ts-sec<<exp, 1e9)
		if exp < 64 {
			return sec, hi<<(64-exp) | lo>>exp
		}
		return sec, hi >> (exp - 64)
	}
	if exp <= 9 {
		unit := pow10(exp)
		return ts / unit, ts % unit * pow10(9-exp)
	}
	if exp <= 19 { // 10^19 < 2^64 < 10^20
		unit := pow10(exp)
		return ts / unit, ts % unit / pow10(exp-9)
	}
	if exp-9 <= 19 {
		return 0, ts / pow10(exp-9)
	}
	return 0, 0
}

func pow10(n uint) uint64 {
	v := uint64(1)
	for ; n > 0; n-- {
		v *= 10
	}
	return v
}
