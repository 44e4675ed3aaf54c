package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tap25/cmd/tap25/report"
	"tap25/store/numeral"
)

// checkSettings judges the configuration file, and if the settings say how long rows are kept.
func checkSettings(want *Settings) []Check {
	c := &checkup{on: "settings"}
	switch {
	case want.ConfigError != nil:
		c.add("file", Problem, "tap25 sniff will not start: "+want.ConfigError.Error(), "sudo editor "+want.ConfigFile)
		return c.list
	case want.ExposedPassword:
		c.add("file", Problem, "it holds a password, and every user may read it",
			"sudo chown root:tap25 "+want.ConfigFile+" && sudo chmod 640 "+want.ConfigFile)
	case want.ConfigFile != "":
		c.add("file", OK, want.ConfigFile+" can be read, and every setting in it is one")
	}
	const none = "tap25 sniff does not start without a retention: the law sets how long records of mail may be kept"
	switch {
	case want.RetentionText != "":
		c.add("retention", OK, want.RetentionText)
	case want.ConfigFile != "":
		c.add("retention", Problem, none, "add to "+want.ConfigFile+" a line such as: retention: 24mo")
	default:
		c.add("retention", Note, none, "tap25 sniff --retention 24mo, or --retention never")
	}
	return c.list
}

const (
	// longWait is how long rows may wait until it is worth a note: a database takes them within seconds.
	longWait = 5 * time.Minute
	// leastRoom is the room for rows below which a spool is as good as full: the largest segment of a replay.
	leastRoom = 64 << 20
)

func checkSpool(s *spoolFacts) []Check {
	c := &checkup{on: "spool"}
	if s.err != nil {
		fix := "tap25 sniff --spool DIRECTORY"
		if errors.Is(s.err, fs.ErrPermission) {
			fix = "sudo chown tap25: " + s.dir + ", or run doctor as the user who runs tap25"
		}
		c.add("writable", Problem, "tap25 cannot write rows there: "+s.err.Error(), fix)
		return c.list
	}
	c.add("writable", OK, s.dir)
	says := fmt.Sprintf("%s for rows that wait, of %s that --spool-bytes allows", report.Bytes(max(s.room, 0)),
		report.Bytes(s.limit))
	switch {
	case s.room < leastRoom:
		c.add("room", Problem, says+": rows are lost when it is full", "df -h "+s.dir,
			"tap25 sniff --spool DIRECTORY on a larger disk")
	case s.room < s.limit/4:
		c.add("room", Note, says, "df -h "+s.dir)
	default:
		c.add("room", OK, says)
	}
	waits := fmt.Sprintf("%s rows in %s segments", numeral.Grouped(s.waiting.Rows), numeral.Grouped(int64(s.waiting.Segments)))
	if s.age > longWait {
		c.add("waiting", Note, fmt.Sprintf("%s, the oldest since %s", waits, s.waiting.Oldest.Format(time.RFC3339)),
			"sudo journalctl -u tap25 -n 50 has why the database does not take them, if tap25 runs")
	} else {
		c.add("waiting", OK, waits)
	}
	if n := s.waiting.SetAside; n > 0 {
		c.add("refused", Note, numeral.Grouped(n)+" rows that the database refused are kept",
			"tap25 spool ls, and tap25 spool dump FILE, show them and why")
	}
	if n := s.waiting.Damaged; n > 0 {
		c.add("damaged", Note, fmt.Sprintf("%d files hold octets of rows that the disk damaged", n),
			"tap25 spool ls shows them; check the disk: sudo smartctl -a DEVICE")
	}
	return c.list
}

// Until a disk is full: below fewDays it is urgent, below someDays worth knowing.
const (
	fewDays, someDays = 7, 30
	leastFree         = 1 << 30
)

func checkDisk(d *diskFacts) Check {
	c := &checkup{on: "disk"}
	name := d.holds
	if d.err != nil {
		c.add(name, Unknown, d.dir+": "+d.err.Error())
		return c.list[0]
	}
	says := fmt.Sprintf("%s of %s are free at %s", report.Bytes(d.free), report.Bytes(d.size), d.dir)
	if d.both {
		says += ", for spool and database"
	}
	days := 10 * 365
	if d.growth > 0 {
		days = int(min(d.free/d.growth, int64(days)))
		says += fmt.Sprintf("; by the rows of the last seven days, %s a day come", report.Bytes(d.growth))
		switch {
		case d.dropsIn >= 0 && d.dropsIn <= days:
			says += fmt.Sprintf("; in %d days the retention drops as much as comes, before it is full", d.dropsIn)
			days = 10 * 365
		case days < 10*365:
			says += fmt.Sprintf("; it is full in %d days", days)
		}
	}
	fix := []string{"a larger disk, or a shorter retention: tap25 db expire --retention TIME --dry-run shows what it " +
		"drops"}
	switch {
	case days < fewDays || d.free < leastFree:
		c.add(name, Problem, says, fix...)
	case days < someDays:
		c.add(name, Note, says, fix...)
	default:
		c.add(name, OK, says)
	}
	return c.list[0]
}

// checkEvidence judges the files of --key and --witness.
func checkEvidence(e *evidenceFacts) []Check {
	c := &checkup{on: "evidence"}
	switch {
	case e.key == "":
	case e.keyErr != nil:
		c.add("key", Problem, "tap25 sniff will not start: "+e.keyErr.Error(), "ls -l "+e.key,
			"or run doctor as the user who runs tap25")
	default:
		c.add("key", OK, e.key)
	}
	switch {
	case e.witness == "":
	case e.witnessErr != nil:
		c.add("witness", Problem, "tap25 sniff cannot append to it: "+e.witnessErr.Error(),
			"in the unit, ReadWritePaths= lets tap25 write to its directory: sudo systemctl edit tap25")
	case e.sameDisk:
		c.add("witness", Note, "it is on the disk of the spool: whoever can change the one can change the other",
			"name a file on another machine's file system")
	default:
		c.add("witness", OK, e.witness)
	}
	return c.list
}
