package replay

import (
	"encoding/json"
	"maps"

	"tap25/cmd/tap25/report"
)

// MarshalJSON implements json.Marshaler: the counters of Write, as numbers.
func (s *Summary) MarshalJSON() ([]byte, error) {
	t := &s.Traffic
	verdict, whole := s.verdict()
	out := map[string]any{
		"packets": s.Frames, "octets": s.Octets, "frames": maps.Collect(t.Frames.All()),
		"payload_octets": t.PayloadBytes, "lost_octets": t.LostBytes, "sessions": t.Sessions,
		"sessions_abandoned": t.Abandoned, "rows": s.Rows, "outcomes": maps.Collect(outcomes(&t.SMTP)),
		"repeated":       s.Repeated,
		"outside_period": s.OutsidePeriod, "unwritten": s.Unwritten, "seconds": s.Elapsed.Seconds(),
		"verdict": verdict, "whole": whole,
	}
	if s.Scope.Dropped != nil {
		out["out_of_scope"] = s.Scope.Dropped
	}
	if st := s.Stored; st != nil {
		out["store"] = map[string]int64{
			"coverage": st.Covered, "coverage_loaded": st.Loader.Coverage,
			"unspooled": st.Spool.Lost + st.Lost, "found": st.Spool.Found, "spooled": st.Spool.Appended + st.Left,
			"loaded": st.Spool.Loaded, "waiting": st.Spool.Waiting + st.Spool.Open + st.Spool.Buffered,
			"set_aside": st.Spool.SetAside, "damaged": st.Spool.Damaged, "left": st.Spool.Dropped + st.Left,
			"added": st.Loader.Added, "already_there": st.Loader.Held, "reloaded": st.Loader.Reloaded,
		}
	}
	if list := report.UnopenedIn(t); len(list) > 0 {
		out["unopened"] = list
	}
	return json.Marshal(out)
}
