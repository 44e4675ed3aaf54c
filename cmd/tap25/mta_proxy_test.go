package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tap25/capture/capturetest"
)

// originLogs is what servers have logged of mail that came by way of a proxy: of each message and each refused
// recipient the client that the proxy named, and of each accepted recipient the message.
type originLogs struct{ Received, Rejected, Kept []string }

// What Postfix logs of a message: the client that connected, or that a proxy or XCLIENT named, and the one that
// XFORWARD named; refused recipients; and deliveries by discard.
var (
	originClient = regexp.MustCompile(`/smtpd\[\d+\]: (\w+): client=\S+?\[(.*?)\]:(\d+)` +
		`(?:, orig_queue_id=\w+, orig_client=\S+?\[(.*?)\]:(\d+))?`)
	originRejected = regexp.MustCompile(`/smtpd\[\d+\]: (\w+): reject: RCPT from \S+: (\d{3}) ` +
		`.* from=<(.*?)> to=<(.*?)> `)
	originKept = regexp.MustCompile(`/discard\[\d+\]: (\w+): to=<(.*?)>,`)
)

func readOriginLogs(t *testing.T, path string) *originLogs {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, l := string(b), &originLogs{}
	origin := map[string]string{}
	for _, m := range originClient.FindAllStringSubmatch(log, -1) {
		origin[m[1]] = m[2] + " " + m[3]
		if m[4] != "" {
			origin[m[1]] = m[4] + " " + m[5]
		}
	}
	for _, m := range postfixFrom.FindAllStringSubmatch(log, -1) {
		l.Received = append(l.Received, m[1]+" "+m[2]+" "+origin[m[1]])
	}
	for _, m := range originRejected.FindAllStringSubmatch(log, -1) {
		l.Rejected = append(l.Rejected, m[3]+" "+m[4]+" "+m[2]+" "+origin[m[1]])
	}
	for _, m := range originKept.FindAllStringSubmatch(log, -1) {
		l.Kept = append(l.Kept, m[1]+" "+m[2])
	}
	return l.sorted()
}

func (l *originLogs) sorted() *originLogs {
	for _, list := range [][]string{l.Received, l.Rejected, l.Kept} {
		slices.Sort(list)
	}
	return l
}

// originLogsOf gives the same of rows, with the client that they say is the origin.
func originLogsOf(rows []map[string]any) *originLogs {
	l := &originLogs{}
	for _, r := range rows {
		if r["outcome"] == "accepted" {
			l.Kept = append(l.Kept, fmt.Sprint(r["queue_id"], " ", r["rcpt_to"]))
		}
		r["client_ip"], r["client_port"] = r["origin_ip"], r["origin_port"]
	}
	of := logsOf(rows)
	l.Received, l.Rejected = of.received, of.rejected
	return l.sorted()
}

const haproxyConfig = `
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen v1
  bind 198.18.0.1:2501
  bind [2001:db8:5::1]:2501
  server mx 192.0.2.25:25 send-proxy
listen v2
  bind 198.18.0.1:2502
  bind [2001:db8:5::1]:2502
  server mx [2001:db8::25]:25 send-proxy-v2
listen v2-with-tlvs
  bind 198.18.0.1:2503
  unique-id-format %{+X}o\ %ci:%cp:%Ts
  option smtpchk EHLO proxy.example
  server mx 192.0.2.25:25 send-proxy-v2 proxy-v2-options unique-id,crc32c check inter 300ms
`

// haproxy runs in a namespace, as a proxy in front of the server.
func (w *wire) haproxy(ns string) {
	w.t.Helper()
	dir := unpacked(w.t, "haproxy", "usr/sbin/haproxy")
	config := filepath.Join(w.t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(config, []byte(haproxyConfig), 0o644); err != nil {
		w.t.Fatal(err)
	}
	var diag capturetest.Buffer
	cmd := exec.Command("ip", "netns", "exec", ns, filepath.Join(dir, "usr/sbin/haproxy"), "-db", "-f", config)
	cmd.Stdout, cmd.Stderr = &diag, &diag
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Log("haproxy: " + diag.String())
		}
	})
	await(w.t, "haproxy to listen", func() bool { return w.listens(ns, "198.18.0.1:2501") })
}

// originMails are a mail that is accepted, one of whose recipients two are refused, and one that is refused at its end.
func originMails(name string) []liveMail {
	to := func(names ...string) (list []string) {
		for _, n := range names {
			list = append(list, n+"-"+name+"@v4.postfix.example")
		}
		return list
	}
	return []liveMail{
		{from: "user-" + name + "@quiet.example", to: to("a"), size: 3000},
		{from: "user-" + name + "@quiet.example", to: to("b", "nobody", "full", "c"), size: 400},
		{from: "", to: to("d"), size: 400},
	}
}

// TestLive_HaproxyNamesTheClientThatPostfixLogs has haproxy tell Postfix the client by the PROXY protocol, version 1
// and 2, over IPv4 and IPv6, also with TLVs and between its own checks of the server. What is captured between the two
// gives the rows of Postfix's log.
func TestLive_HaproxyNamesTheClientThatPostfixLogs(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	for i := range 4 {
		w.ip(fmt.Sprintf("-n %s addr add 198.18.0.%d/32 dev lo", w.client, 1+i))
		w.ip(fmt.Sprintf("-n %s addr add 2001:db8:5::%d/128 nodad dev lo", w.client, 1+i))
	}
	log := w.mta(w.server, "postfix", "smtpd_upstream_proxy_protocol = haproxy")
	w.haproxy(w.client)
	capture := filepath.Join(t.TempDir(), "behind.pcap")
	stop := w.dump(capture)
	sent := 0
	for i, by := range [][2]string{
		{"198.18.0.2", "198.18.0.1:2501"}, {"198.18.0.3", "198.18.0.1:2502"}, {"198.18.0.4", "198.18.0.1:2503"},
		{"2001:db8:5::2", "[2001:db8:5::1]:2501"}, {"2001:db8:5::3", "[2001:db8:5::1]:2502"},
	} {
		mails := originMails(fmt.Sprint(i))
		w.say(w.talk(w.client, by[0], by[1]), mails...)
		sent += len(mails)
	}
	var logs *originLogs
	awaitFor(t, time.Minute, "the log", func() bool {
		logs = readOriginLogs(t, log)
		return len(logs.Kept) == sent+5 && len(logs.Received) == sent
	})
	stop()
	rows := replayRows(t, capture)
	for _, r := range rows {
		if r["origin_by"] != "proxy" || r["flags"] != nil {
			t.Errorf("a row whose client was named by %v, with the flags %v", r["origin_by"], r["flags"])
		}
	}
	compareOrigins(t, logs, rows)
}

// TestLive_PostfixForwardsTheClientThatItLogs has a Postfix send the client of each message on to another by XFORWARD,
// and a client that the other trusts name one by XCLIENT. The rows have the clients of the log of the second.
func TestLive_PostfixForwardsTheClientThatItLogs(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	log := w.mta(w.server, "postfix",
		"smtpd_authorized_xforward_hosts = 192.0.2.0/24", "smtpd_authorized_xclient_hosts = 192.0.2.0/24")
	w.mta(w.client, "postfix", "myhostname = relay.postfix.example", "smtp_send_xforward_command = yes",
		"transport_maps = inline:{ { v4.postfix.example = smtp:[192.0.2.25] } { quiet.example = discard: } }")
	capture := filepath.Join(t.TempDir(), "forwarded.pcap")
	stop := w.dump(capture)
	sent := 0
	for i := range 3 {
		mails := originMails(fmt.Sprint("forward", i))
		w.say(w.talk(w.client, fmt.Sprint("127.0.0.", 5+i), "127.0.0.1:2525"), mails...)
		sent += len(mails)
	}
	for _, origin := range []string{"ADDR=198.18.0.7 PORT=4711", "ADDR=IPV6:2001:db8:5::7 PORT=4712"} {
		c := w.talk(w.client, "", "192.0.2.25:25")
		for _, line := range []string{"EHLO proxy.example", "XCLIENT " + origin} {
			id, err := c.Text.Cmd("%s", line)
			if err != nil {
				t.Fatal(err)
			}
			c.Text.StartResponse(id)
			if _, _, err := c.Text.ReadResponse(2); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			c.Text.EndResponse(id)
		}
		mails := originMails("xclient" + strings.Fields(origin)[1][5:])
		w.say(c, mails...)
		sent += len(mails)
	}
	var logs *originLogs
	awaitFor(t, time.Minute, "the log", func() bool {
		logs = readOriginLogs(t, log)
		return len(logs.Kept) >= sent+5 && len(logs.Received) == sent
	})
	stop()
	rows := replayRows(t, capture)
	for _, r := range rows {
		by := "xforward"
		if strings.Contains(fmt.Sprint(r["rcpt_to"]), "xclient") {
			by = "xclient"
		}
		if r["origin_by"] != by || r["flags"] != nil {
			t.Errorf("a row whose client was named by %v, not %s, with the flags %v", r["origin_by"], by, r["flags"])
		}
	}
	compareOrigins(t, logs, rows)
}
