package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// Checkpoint is the head of a chain at a moment. A copy of it that is kept elsewhere is a witness: a chain that was cut
// short or written anew does not have that link any more.
type Checkpoint struct {
	Database string // which database has the chain: a UUID
	Sensor   string
	Place

	Stamped time.Time // when an authority confirmed that it existed; zero: none has
}

// String returns the line that the log and a witness have, without its end.
func (c Checkpoint) String() string {
	return fmt.Sprintf("tap25-checkpoint/1 database=%s sensor=%s number=%d hash=%s key=%s",
		url.QueryEscape(c.Database), url.QueryEscape(c.Sensor), c.Number, c.Hash, c.Key)
}

var checkpointForm = regexp.MustCompile(`tap25-checkpoint/1 database=([0-9A-Za-z%._~+-]*) ` +
	`sensor=([0-9A-Za-z%._~+-]*) number=([0-9]{1,20}) hash=([0-9a-f]{64}) key=([0-9a-f]{64})`)

// FindCheckpoint finds a checkpoint in a line, such as one of journald or of a witness file.
func FindCheckpoint(line []byte) (c Checkpoint, ok bool) {
	m := checkpointForm.FindSubmatch(line)
	if m == nil {
		return c, false
	}
	database, err := url.QueryUnescape(string(m[1]))
	sensor, sensorErr := url.QueryUnescape(string(m[2]))
	number, numberErr := strconv.ParseUint(string(m[3]), 10, 64)
	if err != nil || sensorErr != nil || numberErr != nil {
		return c, false
	}
	c = Checkpoint{Database: database, Sensor: sensor, Place: Place{Number: number}}
	hex.Decode(c.Hash[:], m[4])
	hex.Decode(c.Key[:], m[5])
	return c, true
}

// timestampForm begins a line with a time stamp.
const timestampForm = "tap25-timestamp/1 "

// TimestampLine returns the line, without its end, that follows a checkpoint in a witness: the response of a
// time-stamping authority (RFC 3161) about the checkpoint's line without its end.
func TimestampLine(response []byte) string {
	return timestampForm + base64.StdEncoding.EncodeToString(response)
}

// FindTimestamp finds the response in a line; it is empty if the line is damaged.
func FindTimestamp(line []byte) (response []byte, ok bool) {
	text, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(timestampForm))
	if !ok {
		return nil, false
	}
	if response, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
		return response, true
	}
	return nil, true
}
