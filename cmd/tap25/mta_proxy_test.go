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
)

// originLogs is what servers have logged of mail that came by way of a proxy: of each message and each refused recipient the client
// that the proxy named, and of each accepted recipient the message.
type originLogs struct{ Received, Rejected, Kept []string }

// postfixKept is a delivery by discard: queue id, recipient.
var postfixKept = regexp.MustCompile(`/discard\[\d+\]: (\w+): to=<(.*?)>,`)

func readOriginLogs(t *testing.T, path string) *originLogs {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from := &mtaLogs{}
	from.postfix(strings.Split(string(b), "\n"))
	l := &originLogs{Received: from.received, Rejected: from.rejected}
	for _, m := range postfixKept.FindAllStringSubmatch(string(b), -1) {
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
	var diag syncBuffer
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

// TestLive_HaproxyNamesTheClientThatPostfixLogs has haproxy tell Postfix the client by the PROXY protocol, version 1 and 2, over IPv4
// and IPv6, also with TLVs and between its own checks of the server. What is captured between the two gives the rows of Postfix's log.
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
	for i, by := range [][2]string{{"198.18.0.2", "198.18.0.1:2501"}, {"198.18.0.3", "198.18.0.1:2502"}, {"198.18.0.4", "198.18.0.1:2503"},
		{"2001:db8:5::2", "[2001:db8:5::1]:2501"}, {"2001:db8:5::3", "[2001:db8:5::1]:2502"}} {
		mails := originMails(fmt.Sprint(i))
		w.say(w.talk(w.client, by[0], by[1]), mails...)
		sent += len(mails)
	}
	var logs *originLogs
	await(t, "the log", func() bool { logs = readOriginLogs(t, log); return len(logs.Kept) == sent+5 && len(logs.Received) == sent })
	stop()
	rows := replayRows(t, capture)
	for _, r := range rows {
		if r["origin_by"] != "proxy" || r["flags"] != nil {
			t.Errorf("a row whose client was named by %v, with the flags %v", r["origin_by"], r["flags"])
		}
	}
	compareOrigins(t, logs, rows)
}
