package smtp_test

import (
	"fmt"

	"tap25/reassembly/smtp"
)

// effort holds the work that a dialogue has done against what it was given: whatever comes, in whatever order, an event
// and an octet pay for a fixed number of steps. The most that ten million executions of the fuzz targets took is a
// quarter of it.
type effort struct {
	stats          smtp.Stats
	events, octets int
}

const (
	mostPerEvent  = 32
	mostPerOctet  = 4
	mostForItself = 256
)

func (e *effort) give(octets int) {
	e.events++
	e.octets += octets
}

// wrong says what was too much, "" if nothing.
func (e *effort) wrong() string {
	if most := int64(mostPerEvent*e.events + mostPerOctet*e.octets + mostForItself); e.stats.Steps > most {
		return fmt.Sprintf("%d steps for %d events of %d octets, more than %d", e.stats.Steps, e.events, e.octets, most)
	}
	return ""
}
