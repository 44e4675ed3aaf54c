package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// IsJournal reports whether what w gets goes to systemd's journal: JOURNAL_STREAM has the device and inode number of the
// file (systemd.exec(5)).
func IsJournal(w io.Writer) bool {
	f, ok := Unescaped(w).(*os.File)
	stream := os.Getenv("JOURNAL_STREAM")
	if !ok || stream == "" {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// Prioritized begins each line of a text with the priority that the journal takes from there (sd-daemon(3)), from 0,
// an emergency, to 7, for debugging.
func Prioritized(priority int, text []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		fmt.Fprintf(&b, "<%d>%s", priority, line)
	}
	return b.Bytes()
}
