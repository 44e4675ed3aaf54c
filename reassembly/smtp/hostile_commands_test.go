package smtp_test

import (
	"strings"

	"tap25/reassembly/smtp"
)

// What may be said, n times over.
var floodsOfCommands = map[string]func(f *flood, n int){
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
