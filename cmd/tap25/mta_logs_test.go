package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mtaLogs is what Postfix and Exim have logged of the mail between them: each delivery, as who sent it saw it, and each
// message and refused recipient, as who received it did.
type mtaLogs struct {
	delivered []string // sender, recipient, outcome, reply's code, server's address, server's queue id
	received  []string // queue id, sender, client's address and port
	rejected  []string // sender, recipient, RCPT's code, client's address and port
}

// readLogs reads the logs of both, or of one if the other has no path.
func readLogs(t testing.TB, postfix, exim string) *mtaLogs {
	t.Helper()
	l := &mtaLogs{}
	for path, read := range map[string]func([]string){postfix: l.postfix, exim: l.exim} {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		read(strings.Split(string(b), "\n"))
	}
	for _, list := range [][]string{l.delivered, l.received, l.rejected} {
		slices.Sort(list)
	}
	return l
}

var (
	postfixFrom     = regexp.MustCompile(`: (\w+): from=<(.*?)>, size=`)
	postfixTo       = regexp.MustCompile(`/[sl]mtp\[\d+\]: (\w+): to=<(.*?)>,(?: orig_to=<.*?>,)? relay=\S+?\[(\S+?)\]:2[45], .* status=\w+ \((.*)\)$`)
	postfixClient   = regexp.MustCompile(`/smtpd\[\d+\]: (\w+): client=\S+?\[(.*?)\]:(\d+)`)
	postfixRejected = regexp.MustCompile(`/smtpd\[\d+\]: \w+: reject: RCPT from \S+?\[(.*?)\]:(\d+): (\d{3}) .* from=<(.*?)> to=<(.*?)> `)
	replyCode       = regexp.MustCompile(`(?:^|said: |>: )(\d{3})[ -]`)
	queued          = regexp.MustCompile(`queued as (\w+)|OK id=(\S+?)"?$|> (\S+) Saved$`)

	eximFrom     = regexp.MustCompile(`^\S+ \S+ (\S+) <= (\S+)(?: R=\S+)?(?: U=\S+)?(?: H=\S+ \[(.*?)\]:(\d+) I=\S+:(\d+))?`)
	eximTo       = regexp.MustCompile(`^\S+ \S+ (\S+) (?:=>|->|\*\*|==) (\S+) .*?(?:H=\S+ \[(\S+?)\]:25)?(?: I=\S+)?(?: X=\S+)?(?: K)?(?: C="(.*)"|: SMTP error from remote mail server after .*?: (\d{3}.*))`)
	eximRejected = regexp.MustCompile(`H=\S+ \[(.*?)\]:(\d+) .*F=<(.*?)> (temporarily )?rejected RCPT <(.*?)>`)
)

func (l *mtaLogs) postfix(lines []string) {
	from, clients := map[string]string{}, map[string]string{}
	for _, line := range lines {
		if m := postfixFrom.FindStringSubmatch(line); m != nil {
			from[m[1]] = m[2]
		}
	}
	for _, line := range lines {
		if m := postfixTo.FindStringSubmatch(line); m != nil {
			l.deliver(from[m[1]], m[2], m[3], m[4])
		}
		if m := postfixClient.FindStringSubmatch(line); m != nil && m[2] != "127.0.0.1" {
			clients[m[1]] = m[2] + " " + m[3]
		}
		if m := postfixRejected.FindStringSubmatch(line); m != nil {
			l.rejected = append(l.rejected, fmt.Sprint(m[4], " ", m[5], " ", m[3], " ", m[1], " ", m[2]))
		}
	}
	for id, client := range clients {
		if sender, taken := from[id]; taken { // else it was refused after all: it has had an id, which no reply told
			l.received = append(l.received, fmt.Sprint(id, " ", sender, " ", client))
		}
	}
}

func (l *mtaLogs) exim(lines []string) {
	from := map[string]string{}
	for _, line := range lines {
		if m := eximFrom.FindStringSubmatch(line); m != nil {
			from[m[1]] = strings.TrimPrefix(m[2], "<>")
			if m[5] == "25" {
				l.received = append(l.received, fmt.Sprint(m[1], " ", from[m[1]], " ", m[3], " ", m[4]))
			}
		}
	}
	for _, line := range lines {
		if m := eximTo.FindStringSubmatch(line); m != nil {
			l.deliver(from[m[1]], m[2], m[3], m[4]+m[5])
		}
		if m := eximRejected.FindStringSubmatch(line); m != nil {
			code := map[bool]string{false: "550", true: "451"}[m[4] != ""]
			l.rejected = append(l.rejected, fmt.Sprint(m[3], " ", m[5], " ", code, " ", m[1], " ", m[2]))
		}
	}
}

// deliver takes down what a sender was told of one recipient.
func (l *mtaLogs) deliver(from, to, server, said string) {
	code := replyCode.FindStringSubmatch(said)
	if code == nil {
		l.delivered = append(l.delivered, "no reply: "+said)
		return
	}
	outcome := map[byte]string{'2': "accepted", '4': "deferred", '5': "refused"}[code[1][0]]
	var id string
	if m := queued.FindStringSubmatch(said); m != nil && outcome == "accepted" {
		id = m[1] + m[2] + m[3]
	}
	l.delivered = append(l.delivered, strings.TrimSpace(fmt.Sprint(from, " ", to, " ", outcome, " ", code[1], " ",
		server, " ", id)))
}

// receivedAll reports whether the receiver has logged each mail whose queue ID it told the sender: it may do so later
// than the sender.
func (l *mtaLogs) receivedAll() bool {
	ids := map[string]bool{}
	for _, line := range l.received {
		id, _, _ := strings.Cut(line, " ")
		ids[id] = true
	}
	for _, line := range l.delivered {
		_, reply, accepted := strings.Cut(line, " accepted ")
		if words := strings.Fields(reply); accepted && len(words) == 3 && !ids[words[2]] {
			return false
		}
	}
	return true
}

// logsOf gives the same of rows.
func logsOf(rows []map[string]any) *mtaLogs {
	text := func(v any) string {
		if v == nil {
			return ""
		}
		return fmt.Sprint(v)
	}
	l := &mtaLogs{}
	received := map[string]bool{}
	for _, r := range rows {
		code := r["data_code"]
		for _, first := range []string{"rcpt_code", "mail_code"} {
			if c, ok := r[first].(float64); ok && c >= 400 {
				code = c
			}
		}
		flags := ""
		if r["flags"] != nil {
			flags = fmt.Sprint(r["flags"])
		}
		client := fmt.Sprint(text(r["client_ip"]), " ", text(r["client_port"]))
		l.delivered = append(l.delivered, strings.TrimSpace(fmt.Sprint(text(r["mail_from"]), " ", text(r["rcpt_to"]),
			" ", text(r["outcome"]), " ", text(code), " ", text(r["server_ip"]), " ", text(r["queue_id"])))+flags)
		if r["outcome"] == "accepted" {
			received[fmt.Sprint(text(r["queue_id"]), " ", text(r["mail_from"]), " ", client)] = true
		}
		refused, _ := r["rcpt_code"].(float64)
		if m, ok := r["mail_code"].(float64); ok && m < 300 && refused >= 400 {
			l.rejected = append(l.rejected, fmt.Sprint(text(r["mail_from"]), " ", text(r["rcpt_to"]), " ",
				text(r["rcpt_code"]), " ", client))
		}
	}
	for line := range received {
		l.received = append(l.received, line)
	}
	for _, list := range [][]string{l.delivered, l.received, l.rejected} {
		slices.Sort(list)
	}
	return l
}
