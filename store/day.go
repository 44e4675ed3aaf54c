package store

import "time"

const secondsADay = 86400

// DayNumber returns the number of the UTC day of a time; 1970-01-01 has 0.
func DayNumber(t time.Time) int32 {
	seconds := t.Unix()
	if seconds < 0 {
		seconds -= secondsADay - 1 // so that the division rounds down
	}
	return int32(seconds / secondsADay)
}

// DayOf returns the beginning of the UTC day of a number.
func DayOf(number int32) time.Time { return time.Unix(int64(number)*secondsADay, 0).UTC() }
