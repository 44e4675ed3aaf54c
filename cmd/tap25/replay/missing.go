package replay

import (
	"fmt"
	"strings"

	"tap25/reassembly"
	"tap25/store/numeral"
)

// verdict says in a line whether all mail of the input was read.
func (s *Summary) verdict() (line string, whole bool) {
	t := &s.Traffic
	switch text := unwatched(s.Frames, t); {
	case s.Broken && s.Frames == 0: // nobody knows what it holds
		return "not all of the input was read", false
	case text != "":
		return text, false
	case t.LostBytes > 0:
		return missing(t), false
	case t.Abandoned > 0 || s.Broken:
		return "not all of the input was read", false
	}
	return "all octets of all sessions were read", true
}

// unwatched says that no packet of the input is of a watched port, and where there is mail instead; "" if one is.
func unwatched(frames int64, t *reassembly.Stats) string {
	if t.ToServers+t.FromServers > 0 {
		return ""
	}
	if text := elsewhere(t); text != "" {
		return text
	}
	if frames == 0 {
		return "the input holds no packet"
	}
	return "no packet is of a watched port; --port names others"
}

// elsewhere says on which ports that are not watched there is mail.
func elsewhere(t *reassembly.Stats) string {
	var ports, flags []string
	encrypted := ""
	if n := t.Elsewhere.ClientHellos; n > 0 {
		encrypted = fmt.Sprintf("sessions begin with TLS on port 465 (%s): none of their mail can be read", numeral.Grouped(n))
	}
	for port, n := range t.Elsewhere.All() {
		ports = append(ports, fmt.Sprintf("port %d (%s)", port, numeral.Grouped(n)))
		flags = append(flags, fmt.Sprint("--port ", port))
	}
	const none = "no packet is of a watched port, but "
	switch {
	case len(ports) == 0 && encrypted == "":
		return ""
	case len(ports) == 0:
		return none + encrypted
	case encrypted != "":
		encrypted = "; " + encrypted
	}
	return none + "SMTP sessions begin on " + strings.Join(ports, ", ") +
		"; to read them: " + strings.Join(flags, " ") + encrypted
}

// missing says how many octets of sessions are not there, and what lost them.
func missing(t *reassembly.Stats) string {
	const file = "the capture has only the beginning of their frames (snaplen): capture with tcpdump -s 0"
	tap := "the frames that held them are not in the capture"
	if t.BadChecksums > 0 {
		tap += fmt.Sprintf(", or have a wrong checksum as %s segments have", numeral.Grouped(t.BadChecksums))
	} else {
		tap += ": the tap dropped or never saw them"
	}
	cut := min(t.CutBytes, t.LostBytes) // a segment that was cut may have been sent again
	text := numeral.Grouped(t.LostBytes) + " octets of sessions are missing; "
	switch {
	case t.LostBytes == 0:
		return ""
	case cut == 0:
		return text + tap
	case cut == t.LostBytes:
		return text + file
	default:
		return fmt.Sprintf("%sof %s %s; of %s %s", text, numeral.Grouped(t.LostBytes-cut), tap, numeral.Grouped(cut), file)
	}
}
