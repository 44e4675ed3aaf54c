package smtp_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"tap25/reassembly/smtp"
)

// A flood is a dialogue with somebody who wants it to take long. It counts what it takes.
type flood struct {
	d      *smtp.Dialogue
	stats  smtp.Stats
	octets [2]int64
	events int64
	given  int64 // octets pushed
	held   int   // the most that was held
}

func (f *flood) at(dir smtp.Direction, acked int64, data string) {
	f.d.Push(dir, epoch.Add(time.Duration(f.events)*time.Millisecond), []byte(data), acked)
	f.octets[dir] += int64(len(data))
	f.given += int64(len(data))
	f.events++
	f.held = max(f.held, f.d.Held())
}

// Each side acknowledges all that the other has sent, missed or not.
func (f *flood) client(data string) { f.at(smtp.FromClient, f.octets[smtp.FromServer], data) }
func (f *flood) server(data string) { f.at(smtp.FromServer, f.octets[smtp.FromClient], data) }

func (f *flood) lose(dir smtp.Direction, n int64) {
	f.d.Lost(dir, epoch, n)
	f.octets[dir] += n
	f.events++
}

func (f *flood) loseClient(n int64) { f.lose(smtp.FromClient, n) }
func (f *flood) loseServer(n int64) { f.lose(smtp.FromServer, n) }
func (f *flood) loseBoth()          { f.loseClient(7); f.loseServer(9) }

// pipelined sends n commands in full segments that acknowledge nothing new.
func (f *flood) pipelined(n int, command string) {
	acked := f.octets[smtp.FromServer]
	for group := 1400/len(command) + 1; n > 0; n -= group {
		f.at(smtp.FromClient, acked, strings.Repeat(command, min(n, group)))
	}
}

// mail opens a transaction up to its message.
func (f *flood) mail() {
	f.client("MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
	f.server("250 ok\r\n250 ok\r\n354 go\r\n")
}

// floods are what may be sent, n times over.
var floods = map[string]func(f *flood, n int){
	"holes between commands": func(f *flood, n int) {
		for i := range n {
			f.loseClient(7)
			f.client(fmt.Sprintf("RCPT TO:<u%d@b.example>\r\n", i))
			f.server("250 ok\r\n")
		}
	},
	"holes between commands that are not answered": func(f *flood, n int) {
		for range n {
			f.loseClient(7)
			f.client("RCPT TO:<u@b.example>\r\n")
		}
	},
	"holes between replies": func(f *flood, n int) {
		for range n {
			f.client("RCPT TO:<u@b.example>\r\n")
			f.loseServer(8)
		}
	},
	"holes between replies to one flight": func(f *flood, n int) {
		f.pipelined(n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.server("250 ok\r\n")
			f.loseServer(8)
		}
	},
	"holes in both directions": func(f *flood, n int) {
		for range n {
			f.loseBoth()
			f.client("RCPT TO:<u@b.example>\r\n")
			f.server("250 ok\r\n")
		}
	},
	"holes in both directions of groups": func(f *flood, n int) {
		for range n / 10 {
			f.loseClient(7)
			f.pipelined(100, "RCPT TO:<u@b.example>\r\n")
			f.loseServer(9)
			f.server(strings.Repeat("250 ok\r\n", 90))
		}
	},
	"replies behind a hole that answer what is to come": func(f *flood, n int) {
		f.pipelined(n, "RCPT TO:<u@b.example>\r\n")
		f.loseBoth()
		for range n {
			f.at(smtp.FromServer, f.octets[smtp.FromClient]+1<<20, "250 ok\r\n")
		}
	},
	"holes in a message": func(f *flood, n int) {
		f.mail()
		for range n {
			f.client("text\r\n.")
			f.loseClient(3)
		}
	},
	"messages whose ends are in holes": func(f *flood, n int) {
		for range n {
			f.mail()
			f.client("text\r\n")
			f.loseClient(5)
			f.server("250 ok\r\n")
			f.client("NOOP\r\n")
		}
	},
	"messages in holes": func(f *flood, n int) {
		for range n {
			f.loseClient(6)
			f.server("354 go\r\n")
			f.client("text\r\n")
			f.loseClient(5)
			f.client("more\r\n.\r\n")
			f.loseServer(8)
		}
	},
	"ends of data without replies": func(f *flood, n int) {
		for range n {
			f.loseBoth()
			f.at(smtp.FromClient, f.octets[smtp.FromServer], "text\r\n.\r\n")
		}
	},
	"holes in chunks": func(f *flood, n int) {
		f.client("EHLO h\r\n")
		f.server("250 CHUNKING\r\n")
		for range n {
			f.client("BDAT 20\r\ntext")
			f.loseClient(6)
			f.client("more text\n")
			f.server("250 ok\r\n")
		}
	},
	"holes in chunks without replies": func(f *flood, n int) {
		f.client("EHLO h\r\n")
		f.server("250 CHUNKING\r\n")
		for range n {
			f.client("BDAT 20\r\ntext")
			f.loseClient(16)
		}
	},
	"chunks in holes": func(f *flood, n int) {
		for range n {
			f.client("BDAT 20\r\n")
			f.loseClient(27)
			f.loseServer(8)
			f.client("BDAT 0\r\n")
			f.server("250 ok\r\n250 ok\r\n")
		}
	},
	"malformed chunks": func(f *flood, n int) {
		for range n {
			f.client("BDAT x\r\ntext\r\n.\r\n")
			f.server("250 ok\r\n")
		}
	},
	"holes in AUTH": func(f *flood, n int) {
		for range n {
			f.client("AUTH LOGIN\r\n")
			f.loseServer(8)
			f.client("dXNlcg==\r\n")
			f.server("334 UGFzc3dvcmQ6\r\n")
			f.loseClient(4)
			f.client("cA==\r\n")
			f.server("535 no\r\n")
		}
	},
	"AUTH that is never answered": func(f *flood, n int) {
		for range n {
			f.client("AUTH PLAIN\r\n")
			f.loseServer(3)
			f.server("334\r\n")
		}
	},
	"lone dots behind holes in both directions": func(f *flood, n int) {
		for range n {
			f.loseBoth()
			f.client(".\r\n")
		}
	},
	"lone dots, one flight": func(f *flood, n int) {
		f.client("DATA\r\n")
		f.loseBoth()
		acked := f.octets[smtp.FromServer]
		for range n {
			f.at(smtp.FromClient, acked, "\r\n.\r\n")
		}
	},
	"octets of one flight behind holes": func(f *flood, n int) {
		f.loseBoth()
		acked := f.octets[smtp.FromServer]
		for range n {
			f.at(smtp.FromClient, acked, "a")
			f.at(smtp.FromServer, f.octets[smtp.FromClient], "250 ok\r\n")
		}
	},
	"flights that end within a line": func(f *flood, n int) {
		f.loseBoth()
		for range n {
			f.client("te")
			f.client("xt\r\n")
			f.server("250 ok\r\n")
		}
	},
	"pipelined groups without replies": func(f *flood, n int) {
		for range n / 10 {
			f.pipelined(100, "NOOP\r\n")
			f.at(smtp.FromServer, 0, "250 ok\r\n")
		}
	},
	"more commands than are kept": func(f *flood, n int) {
		f.pipelined(30*n, "NOOP\r\n")
	},
	"replies without commands": func(f *flood, n int) {
		for range n {
			f.server("250 ok\r\n")
		}
	},
	"replies to commands that are to come": func(f *flood, n int) {
		f.d.Seen(smtp.FromClient)
		for range n {
			f.at(smtp.FromServer, 1<<30, "250 ok\r\n354 go\r\n334 go\r\n")
		}
	},
	"as many, behind a hole": func(f *flood, n int) {
		f.client("NOOP\r\n")
		f.loseBoth()
		for range 10 * n {
			f.at(smtp.FromServer, 1<<30, "250 ok\r\n")
		}
	},
	"replies of a server alone": func(f *flood, n int) {
		for range n {
			f.server("250 ok\r\n354 go\r\n250 ok\r\n")
			f.loseServer(4)
		}
	},
	"commands of a client alone": func(f *flood, n int) {
		for range n {
			f.at(smtp.FromClient, 0, "MAIL FROM:<a@a.example>\r\nDATA\r\ntext\r\n.\r\n")
			f.loseClient(4)
		}
	},
	"one reply at a time to many commands": func(f *flood, n int) {
		f.pipelined(4*n, "NOOP\r\n")
		for range n {
			f.at(smtp.FromServer, f.octets[smtp.FromClient], "250 ok\r\n")
		}
	},
	"refused DATA with many recipients": func(f *flood, n int) {
		f.client("MAIL FROM:<a@a.example>\r\n")
		f.server("250 ok\r\n")
		for range n {
			f.client("RCPT TO:<b@b.example>\r\n")
			f.server("250 ok\r\n")
		}
		for range n {
			f.client("DATA\r\n")
			f.server("451 no\r\n")
		}
	},
	"refused chunks with many recipients": func(f *flood, n int) {
		f.client("EHLO h\r\n")
		f.server("250 ok\r\n")
		f.client("MAIL FROM:<a@a.example>\r\n")
		f.server("250 ok\r\n")
		for range n {
			f.client("RCPT TO:<b@b.example>\r\n")
			f.server("250 ok\r\n")
			f.client("BDAT 9\r\n")
			f.server("502 no\r\n")
		}
	},
	"refused DATA, held": func(f *flood, n int) {
		acked := f.octets[smtp.FromServer]
		for range n {
			f.at(smtp.FromClient, acked, "DATA\r\nDATA\r\n")
			f.server("451 no\r\n")
		}
	},
	"more recipients than are kept": func(f *flood, n int) {
		f.client("MAIL FROM:<a@a.example>\r\n")
		f.server("250 ok\r\n")
		for range n {
			f.pipelined(30, "RCPT TO:<b@b.example>\r\n")
			f.server(strings.Repeat("250 ok\r\n", 30))
		}
	},
	"nested MAIL with many recipients": func(f *flood, n int) {
		f.client("MAIL FROM:<a@a.example>\r\n")
		f.server("250 ok\r\n")
		for range n {
			f.client("RCPT TO:<b@b.example>\r\n")
			f.server("250 ok\r\n")
			f.client("MAIL FROM:<a@a.example>\r\n")
			f.server("503 no\r\n")
		}
	},
	"RSET behind holes": func(f *flood, n int) {
		for range n {
			f.loseBoth()
			f.client("RSET\r\nRSET\r\n")
			f.server("250 ok\r\n")
		}
	},
	"lines that end with LF alone": func(f *flood, n int) {
		f.pipelined(n, "NOOP\n")
		for i := range n { // within lines, not where one ends
			f.at(smtp.FromServer, 5*int64(i%19)+3, "250 ok\r\n")
		}
		for range n {
			f.at(smtp.FromServer, f.octets[smtp.FromClient]-1, "250 ok\r\n")
		}
	},
	"354 to many commands":  codes("354 go\r\n"),
	"334 to many commands":  codes("334 go\r\n"),
	"221 to many commands":  codes("221 bye\r\n"),
	"421 to many commands":  codes("421 bye\r\n"),
	"220 to many commands":  codes("220 go\r\n"),
	"1xx is no reply":       codes("100 wait\r\n"),
	"354 out of step":       outOfStep("354 go\r\n"),
	"235 out of step":       outOfStep("235 go\r\n"),
	"221 out of step":       outOfStep("221 bye\r\n"),
	"refused STARTTLS":      startTLS("454 no\r\n", 0),
	"refused STARTTLS, cut": startTLS("454 no\r\n", 3),
	"STARTTLS behind a hole that is never answered": func(f *flood, n int) {
		f.loseBoth()
		f.client("STARTTLS\r\n")
		acked := f.octets[smtp.FromServer]
		for range n {
			f.at(smtp.FromClient, acked, "x")
			f.at(smtp.FromServer, f.octets[smtp.FromClient]+1, "220 go\r\n")
		}
	},
	"a hole behind each octet of the client": func(f *flood, n int) {
		for i := range n {
			f.client("NOOP\r\n"[i%6 : i%6+1])
			f.loseClient(1)
		}
	},
	"a hole behind each octet of the server": func(f *flood, n int) {
		f.pipelined(n, "NOOP\r\n")
		for i := range n {
			f.server("250 ok\r\n"[i%8 : i%8+1])
			f.loseServer(1)
		}
	},
	"octets of a line": func(f *flood, n int) {
		f.pipelined(n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.client("x")
			f.server("2")
		}
	},
	"conflicts": func(f *flood, n int) {
		f.pipelined(4*n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.d.Conflict(smtp.FromClient)
			f.events++
			f.at(smtp.FromServer, 0, "2")
		}
	},
	"packets lost somewhere": func(f *flood, n int) {
		f.pipelined(4*n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.d.MayHaveMissed()
			f.events++
		}
	},
	"octets held, all acknowledge more": func(f *flood, n int) {
		f.client("DATA\r\n")
		for i := range n {
			f.at(smtp.FromClient, f.octets[smtp.FromServer]+int64(i), "x")
			f.loseServer(1)
		}
	},
	"octets held that acknowledge more than there is": func(f *flood, n int) {
		f.client("DATA\r\n")
		f.loseBoth()
		for i := range n {
			f.at(smtp.FromClient, 1<<30+int64(i), "x")
		}
	},
	"octets held that acknowledge less and less": func(f *flood, n int) {
		f.loseServer(1 << 30)
		f.client("DATA\r\n")
		f.loseClient(1)
		for i := range n {
			f.at(smtp.FromClient, 1<<29-int64(i), "x")
			f.at(smtp.FromServer, 9, "4")
		}
	},
	"holes among what is held": func(f *flood, n int) {
		f.client("AUTH LOGIN\r\n")
		for range n {
			f.loseClient(1)
			f.client("x")
			f.at(smtp.FromServer, 0, "2")
		}
	},
	"DATA held until the end": func(f *flood, n int) {
		f.client("DATA\r\n")
		acked := f.octets[smtp.FromServer]
		f.loseServer(9)
		for range n {
			f.at(smtp.FromClient, acked, "DATA\r\n")
		}
		f.d.Close(epoch, true)
	},
	"RCPT held until the end": func(f *flood, n int) {
		f.client("STARTTLS\r\n")
		acked := f.octets[smtp.FromServer]
		for range n / 2 {
			f.at(smtp.FromClient, acked, "RCPT TO:<u@b.example>\r\nDATA\r\n")
			f.events++
		}
		f.d.Close(epoch, false)
	},
	"commands that acknowledge up and down": func(f *flood, n int) {
		f.loseBoth()
		for i := range n {
			f.at(smtp.FromClient, f.octets[smtp.FromServer]-int64(i%7), "RCPT TO:<u@b.example>\r\n")
			f.at(smtp.FromServer, f.octets[smtp.FromClient]-int64(i%5)-30, "250 ok\r\n")
			f.loseServer(2)
		}
	},
	"replies that acknowledge less and less": func(f *flood, n int) {
		f.pipelined(n, "RCPT TO:<u@b.example>\r\n")
		f.loseBoth()
		for i := range n {
			f.at(smtp.FromServer, f.octets[smtp.FromClient]-int64(i), "250 ok\r\n")
		}
		f.client("QUIT\r\n")
	},
	"octets behind a reply whose head may be missed": func(f *flood, n int) {
		f.pipelined(4*n, "RCPT TO:<u@b.example>\r\n")
		f.at(smtp.FromClient, f.octets[smtp.FromServer]-5, "DATA\r\n")
		f.loseServer(9)
		f.at(smtp.FromServer, f.octets[smtp.FromClient], "250 ok\r\n")
		acked := f.octets[smtp.FromServer]
		for range n {
			f.at(smtp.FromClient, acked, "x")
		}
	},
	"replies behind many holes, up and down": func(f *flood, n int) {
		f.pipelined(4*n, "RCPT TO:<u@b.example>\r\n")
		f.at(smtp.FromClient, f.octets[smtp.FromServer]-5, "DATA\r\n")
		for i := range n {
			f.loseServer(9)
			f.at(smtp.FromServer, f.octets[smtp.FromClient]-int64(i%3), "250 ok\r\n")
			f.at(smtp.FromClient, f.octets[smtp.FromServer], "x")
		}
	},
}

// codes has the server say one thing n times while n commands wait that it may not have received.
func codes(reply string) func(f *flood, n int) {
	return func(f *flood, n int) {
		f.pipelined(2*n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.at(smtp.FromServer, f.octets[smtp.FromClient], reply)
		}
		for range n {
			f.loseServer(3)
			f.at(smtp.FromServer, 30, reply)
		}
	}
}

// outOfStep has the server say what no command answers that waits for long.
func outOfStep(reply string) func(f *flood, n int) {
	return func(f *flood, n int) {
		f.pipelined(2*n, "RCPT TO:<u@b.example>\r\n")
		f.client("QUIT\r\nAUTH PLAIN AA==\r\n")
		for range n {
			f.at(smtp.FromServer, 30, reply)
			f.at(smtp.FromServer, f.octets[smtp.FromClient]-30, reply)
		}
	}
}

func startTLS(reply string, hole int64) func(f *flood, n int) {
	return func(f *flood, n int) {
		for range n {
			f.client("STARTTLS\r\nx\r\n")
			if hole > 0 {
				f.loseClient(hole)
				f.loseServer(hole)
			}
			f.server(reply)
		}
	}
}

// runFlood returns what a flood took, and how many octets were allocated for it.
func runFlood(name string, n int) (f *flood, allocated uint64) {
	f = new(flood)
	f.d = smtp.New(&smtp.Config{Emit: func(*smtp.Envelope) {}, Stats: &f.stats}, testSession)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f.server("220 mx.example\r\n")
	floods[name](f, n)
	f.d.Close(epoch, false)
	runtime.ReadMemStats(&after)
	return f, after.TotalAlloc - before.TotalAlloc
}

// Twice as much of anything costs twice as much, and nothing costs much more than what is read of it.
func TestDialogue_WhatAnEventCostsDoesNotGrowWithWhatCameBefore(t *testing.T) {
	const n = 5000
	for name := range floods {
		t.Run(name, func(t *testing.T) {
			once, memory := runFlood(name, n)
			twice, memoryTwice := runFlood(name, 2*n)
			t.Logf("%d steps for %d events and %d octets, %d octets allocated, %d held; %d steps, %d allocated, %d held for twice as many",
				once.stats.Steps, once.events, once.given, memory, once.held, twice.stats.Steps, memoryTwice, twice.held)
			if 2*twice.stats.Steps > 5*once.stats.Steps+5*once.events {
				t.Errorf("%d steps, %d for twice as much", once.stats.Steps, twice.stats.Steps)
			}
			if 2*memoryTwice > 5*memory+1<<18 {
				t.Errorf("%d octets allocated, %d for twice as much", memory, memoryTwice)
			}
			if twice.held > mostHeld {
				t.Errorf("%d octets held", twice.held)
			}
			if limit := 16*twice.events + twice.given/4; name != costly && twice.stats.Steps > limit {
				t.Errorf("%d steps, want no more than %d", twice.stats.Steps, limit)
			}
			if got := twice.stats.GivenUp > 0; got != (name == costly) {
				t.Errorf("given up: %v", got)
			}
		})
	}
}

// costly is what is not followed to its end: a command was sent by somebody who had received less than for the one before it, so
// that all commands before it are looked at one by one.
const costly = "octets behind a reply whose head may be missed"

// mostHeld is what 131,072 commands and recipients take.
const mostHeld = 96 << 20
