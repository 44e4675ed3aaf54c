package replay

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"tap25/store"
	"tap25/store/numeral"
	"tap25/store/stream"
)

// mostDays bounds the days of rows that are left out and counted by day. Rows of more days are in files that no tap has
// written.
const mostDays = 4096

// ages says which rows the database's retention drops, and which of those that a replay leaves out it has dropped.
type ages struct {
	keptFrom time.Time // the first day that the database keeps; zero: it keeps all
	warned   bool
	days     map[time.Time]int64 // rows that were left out, by UTC day
}

// added takes the time of a row that goes to the database, and warns of the first that will not stay there.
func (a *ages) added(at time.Time, log *zerolog.Logger) {
	if a.warned || !at.Before(a.keptFrom) {
		return
	}
	a.warned = true
	log.Warn().Str("kept_from", a.keptFrom.Format(time.DateOnly)).Msg("rows of these captures are older than the " +
		"retention that the database stores: the next expiry, which tap25 sniff runs every hour, drops them; see 'tap25 " +
		"hold' and 'tap25 db expire --change-retention'")
}

// repeated takes the time of a row that is left out, because its file was loaded before.
func (a *ages) repeated(at time.Time) {
	day := store.DayOf(store.DayNumber(at))
	if _, ok := a.days[day]; !ok && len(a.days) >= mostDays {
		return
	}
	if a.days == nil {
		a.days = map[time.Time]int64{}
	}
	a.days[day]++
}

// tell logs how many of the rows that were left out retention has dropped since they were loaded.
func (a *ages) tell(ctx context.Context, s *stream.Stream) error {
	if len(a.days) == 0 {
		return nil
	}
	var all, dropped []time.Time
	for day := range a.days {
		all = append(all, day)
	}
	err := s.Ask(ctx, func(db *store.DB) (err error) {
		dropped, err = db.DroppedDays(ctx, all)
		return err
	})
	if err != nil || len(dropped) == 0 {
		return err
	}
	var rows int64
	for _, day := range dropped {
		rows += a.days[day.UTC()]
	}
	slices.SortFunc(dropped, time.Time.Compare)
	s.Log().Warn().Int64("rows", rows).Str("first_day", dropped[0].Format(time.DateOnly)).
		Str("last_day", dropped[len(dropped)-1].Format(time.DateOnly)).
		Msg(numeral.Grouped(rows) + " rows of these files are in the database no more: retention has dropped their days. " +
			"They are not added again while it has other rows of the same files")
	return nil
}
