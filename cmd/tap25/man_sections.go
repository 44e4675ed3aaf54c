package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manSections stand in each page before its last section.
const manSections = `.SH EXIT STATUS
.TP
\fB0\fP
done
.TP
\fB1\fP
failed; standard error has the reason, and what to do
.TP
\fB2\fP
a mistake in the command line, the environment, the configuration file or the scope file
.TP
\fB130\fP
a replay was ended by SIGINT or SIGTERM before the end of its input

.SH ENVIRONMENT
.TP
\fBTAP25_\fP\fINAME\fP
sets the flag \-\-\fIname\fP of tap25 sniff and tap25 replay, unless the command line does; \- in the name of the flag is _
.TP
\fBDATABASE_URL\fP
the database, unless \-\-db names it
.TP
\fBPGPASSWORD\fP, \fBPGPASSFILE\fP, \fBPGSSLROOTCERT\fP
as for psql(1)
.TP
\fBXDG_STATE_HOME\fP
the directory of the state directory tap25

.SH FILES
.TP
\fI/etc/tap25/tap25.yaml\fP
the settings of the service
.TP
\fI/var/lib/tap25\fP
the state directory of root and of the service: the private PostgreSQL cluster and the spools; of other users
\fI~/.local/state/tap25\fP
.TP
\fI/run/tap25/control.sock\fP
the socket that tap25 status asks; of other users \fIcontrol.sock\fP in the state directory
.TP
\fI~/.pgpass\fP
passwords of databases

`

// writeMan writes the page of a command: the same for each build of the same commit.
func writeMan(cmd *cobra.Command, w io.Writer) error {
	cmd.DisableAutoGenTag = true
	var page bytes.Buffer
	made := commitTime()
	if err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Source: "tap25", Date: &made}, &page); err != nil {
		return err
	}
	text := strings.TrimRight(page.String(), "\n") + "\n"
	at := strings.LastIndex(text, "\n.SH SEE ALSO")
	if at < 0 {
		at = len(text) - 1
	}
	_, err := io.WriteString(w, text[:at]+"\n"+manSections+strings.TrimPrefix(text[at:], "\n"))
	return err
}

// commitTime is the time of the commit that the program was built from; the beginning of Unix time if that is unknown.
func commitTime() time.Time {
	made := time.Unix(0, 0)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				made = t
			}
		}
	}
	return made.UTC()
}

// writeManTree writes the pages of a command and of its commands into a directory.
func writeManTree(cmd *cobra.Command, dir string) error {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() || cmd.Name() == "completion" {
			continue // the page of completion says enough of the shells
		}
		if err := writeManTree(c, dir); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
	if err != nil {
		return err
	}
	if err := writeMan(cmd, f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
