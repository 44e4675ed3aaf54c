package smtp_test

import (
	"fmt"
	"strings"

	"tap25/reassembly/smtp"
)

// What may be missed, n times over.
var floodsOfHoles = map[string]func(f *flood, n int){
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
	"as many, behind a hole": func(f *flood, n int) {
		f.client("NOOP\r\n")
		f.loseBoth()
		for range 10 * n {
			f.at(smtp.FromServer, 1<<30, "250 ok\r\n")
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
	"RSET behind holes": func(f *flood, n int) {
		for range n {
			f.loseBoth()
			f.client("RSET\r\nRSET\r\n")
			f.server("250 ok\r\n")
		}
	},
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
