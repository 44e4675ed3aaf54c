package disclose

import (
	"time"
	_ "time/tzdata" // the zones, where the machine has none
)

// Zone is the time zone in which the page shows times beside UTC. The offsets are written down, so that the page is the
// same on a machine that knows other rules for the zone, or none.
type Zone struct {
	Name    string   `json:"name"`
	Offsets []Offset `json:"offsets"`
}

// Offset is what is added to UTC from a time on.
type Offset struct {
	Since   *time.Time `json:"since"` // nil: from the beginning of time
	Seconds int        `json:"seconds"`
	Name    string     `json:"name"` // of the time, such as CEST
}

// add writes down the offset that a zone has at a time.
func (z *Zone) add(t time.Time, loc *time.Location) {
	local := t.In(loc)
	name, seconds := local.Zone()
	o := Offset{Seconds: seconds, Name: name}
	if start, _ := local.ZoneBounds(); !start.IsZero() {
		start = start.UTC()
		o.Since = &start
	}
	for _, known := range z.Offsets {
		if known.Since == o.Since || known.Since != nil && o.Since != nil && known.Since.Equal(*o.Since) {
			return
		}
	}
	z.Offsets = append(z.Offsets, o)
}

// format returns a time in the zone; "" without an offset for it.
func (z *Zone) format(t time.Time) string {
	var at *Offset
	for i, o := range z.Offsets {
		if (o.Since == nil || !o.Since.After(t)) &&
			(at == nil || at.Since == nil || o.Since != nil && o.Since.After(*at.Since)) {
			at = &z.Offsets[i]
		}
	}
	if at == nil {
		return ""
	}
	return t.UTC().Add(time.Duration(at.Seconds)*time.Second).Format(time.DateTime) + " " + at.Name
}
