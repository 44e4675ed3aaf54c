package smtp_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tap25/reassembly/smtp"
)

// lossy are the dialogues of what may stand around the commands of SMTP, of which any segment may be missed.
var lossy = []string{"proxy-*", "xclient*", "xforward*", "burl*", "lmtp*", "banner-*", "atrn*", "turn*", "paths-*"}

// notLossy are those in which nothing shows that LHLO was missed: the server does not speak LMTP, or what comes next is
// sent before it could show that it does.
var notLossy = []string{"lmtp-one-reply-for-all.txt", "lmtp-two-mails-pipelined.txt", "lmtp-pipelined.txt"}

// TestDialogues_WithASegmentLost takes one segment out of each of these: no recipient gets another's sender, and a row
// without a flag is one of the whole dialogue's.
func TestDialogues_WithASegmentLost(t *testing.T) {
	for _, pattern := range lossy {
		files, err := filepath.Glob("../../testdata/dialogues/" + pattern + ".txt")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if slices.Contains(notLossy, filepath.Base(file)) {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parseScript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			whole := s.run(s.events)
			for i := range s.events {
				events := bytesCloned(s.events)
				events[i].kind = lost
				checkLost(t, filepath.Base(file), i, s.run(events), whole)
			}
		}
	}
}

func checkLost(t *testing.T, file string, segment int, rows, whole []*smtp.Envelope) {
	pairs, known := map[string]bool{}, map[string]bool{}
	for _, e := range whole {
		pairs[text(e.MailFrom)+">"+text(e.RcptTo)] = true
		known[comparable(e)] = true
	}
	for _, e := range rows {
		pair := text(e.MailFrom) + ">" + text(e.RcptTo)
		if e.MailFrom != nil && e.RcptTo != nil && !pairs[pair] {
			t.Errorf("%s: segment %d lost: no mail was from and to %s", file, segment+1, pair)
		}
		if e.Flags == 0 && !known[comparable(e)] {
			t.Errorf("%s: segment %d lost: not flagged, yet no row of the whole dialogue: %s", file, segment+1,
				show(rowMap(e)))
		}
	}
}

// comparable is what a loss elsewhere does not change in a row.
func comparable(e *smtp.Envelope) string {
	row := rowMap(e)
	for _, key := range strings.Fields("mail_no lost_bytes helo auth origin_ip origin_port origin_by tls_server_name") {
		delete(row, key)
	}
	return show(row)
}
