package store

import (
	"testing"
	"time"
)

// The day that is not over, those of long ago and those without a row do not count.
func TestStatus_GrowthIsThatOfTheLastSevenDaysWithRows(t *testing.T) {
	db := database(t, false)
	for ago, rows := range map[int]int{0: 10, 1: 2, 3: 4, 30: 100} {
		var batch [][]byte
		for range rows {
			batch = append(batch, of("tap", at(time.Now().UTC().AddDate(0, 0, -ago)))...)
		}
		if _, err := db.Load(t.Context(), "tap", time.Duration(ago).String(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := db.Status(t.Context()); err != nil || s.Rows != 116 || s.RowsADay != 3 {
		t.Errorf("%v: %d rows, %d a day; want 116, and 6 on two days", err, s.Rows, s.RowsADay)
	}
}
