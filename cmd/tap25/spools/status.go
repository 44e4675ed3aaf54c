package spools

import (
	"time"

	"tap25/store/spool"
)

// Status is what waits in spools, and what stays there.
type Status struct {
	Segments int        `json:"waiting_segments"`
	Rows     int64      `json:"waiting_rows"`
	Bytes    int64      `json:"bytes"` // of all files
	Oldest   *time.Time `json:"oldest_waiting"`
	SetAside int64      `json:"set_aside"` // rows that the database refused
	Damaged  int        `json:"damaged"`   // files with what could not be read of damaged segments
	Kept     int        `json:"kept_segments"`
	KeptRows int64      `json:"kept_rows"` // loaded, and kept in case a failover loses them
}

// Sum adds up the files of all spools in the state directory.
func Sum() (s Status, err error) {
	files, err := Find("")
	if err != nil {
		return s, err
	}
	return files.Sum(), nil
}

// Sum adds the files up.
func (files *Files) Sum() (s Status) {
	for _, f := range files.list {
		s.Bytes += f.Bytes
		switch f.State {
		case spool.Waiting:
			if at := time.UnixMicro(int64(f.Sequence)).UTC(); s.Oldest == nil {
				s.Oldest = &at
			}
			s.Segments++
			s.Rows += int64(f.Records)
		case spool.Kept:
			s.Kept++
			s.KeptRows += int64(f.Records)
		case spool.Refused:
			if file, _, _, err := spool.ReadFile(f.Path); err == nil {
				s.SetAside += int64(file.Records)
			}
		case spool.Damaged:
			s.Damaged++
		}
	}
	return s
}
