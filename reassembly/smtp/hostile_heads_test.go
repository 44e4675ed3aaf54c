package smtp_test

import (
	"fmt"
	"strings"

	"tap25/reassembly/smtp"
)

// What may stand before, around and after the commands of SMTP, n times over.
var floodsOfHeads = map[string]func(f *flood, n int){
	"a PROXY header an octet at a time": func(f *flood, n int) {
		size := min(13*n, 1<<16-1)
		f.octetwise(smtp.FromClient, fmt.Sprintf("\r\n\r\n\x00\r\nQUIT\n\x21\x11%c%c", size>>8, size&255)+
			strings.Repeat("\r\nDATA", size/6)+strings.Repeat("x", size%6))
		f.octetwise(smtp.FromClient, strings.Repeat("NOOP\r\n", n/10))
	},
	"what begins like a PROXY header": func(f *flood, n int) {
		for range n {
			f.client("\r\n\r\n\x00\r\nQUIT")
			f.server("500 no\r\n500 no\r\n500 no\r\n")
		}
	},
	"a ClientHello of records of one octet": func(f *flood, n int) {
		f.client("STARTTLS\r\n")
		f.server("220 go\r\n")
		f.client("\x16\x03\x01\x00\x04\x01\x00\xff\xff")
		f.octetwise(smtp.FromClient, strings.Repeat("\x16\x03\x01\x00\x01x", n))
	},
	"records without octets": func(f *flood, n int) {
		f.client("STARTTLS\r\n")
		f.server("220 go\r\n")
		for range n {
			f.client("\x16\x03\x01\x00\x00")
		}
	},
	"recipients of LMTP, each with its reply": func(f *flood, n int) {
		f.client("LHLO client.example\r\n")
		f.server("250 ok\r\n")
		f.lmtp(n)
		for range n {
			f.server("250 ok\r\n")
		}
	},
	"messages of LMTP with ever more recipients": func(f *flood, n int) {
		f.client("LHLO client.example\r\n")
		f.server("250 ok\r\n")
		for i := 1; f.events < int64(n); i = min(2*i, 500) {
			f.lmtp(i)
			f.server(strings.Repeat("250 ok\r\n", i))
		}
	},
	"recipients of LMTP whose replies were missed": func(f *flood, n int) {
		f.client("LHLO client.example\r\n")
		f.server("250 ok\r\n")
		for range n / 4 {
			f.client("MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
			f.loseServer(8)
			f.server("250 ok\r\n250 ok\r\n354 go\r\n")
			f.client("x\r\n.\r\n")
			f.server("250 ok\r\n")
		}
	},
	"XCLIENT":  answeredBy("XCLIENT ADDR=203.0.113.7 PORT=55555\r\n", "220 mx\r\n"),
	"XFORWARD": answeredBy("XFORWARD ADDR=IPV6:2001:db8::7 PORT=55555\r\n", "250 ok\r\n"),
	"BURL LAST": answeredBy("MAIL FROM:<a@b.x>\r\nRCPT TO:<c@d.x>\r\nBURL imap://x LAST\r\n",
		"250 ok\r\n250 ok\r\n250 ok\r\n"),
	"TURN that is refused": answeredBy("TURN\r\n", "502 no\r\n"),
	"TURN there and back": func(f *flood, n int) {
		for range n {
			f.client("TURN\r\n")
			f.server("250 ok\r\n")
			f.client("220 mx\r\n")
			f.server("TURN\r\n")
			f.client("250 ok\r\n")
			f.server("220 mx\r\n")
		}
	},
	"a server that says EHLO before its client says TURN": func(f *flood, n int) {
		f.d.Seen(smtp.FromClient)
		for range n {
			f.at(smtp.FromServer, f.octets[smtp.FromClient]+6, "EHLO x\r\nNOOP\r\n")
			f.client("NOOP\r\n")
		}
	},
	"a greeting that never ends": func(f *flood, n int) {
		for range n {
			f.server("220-mx ")
			f.client("NOOP\r\n")
		}
	},
	"phrases before paths": func(f *flood, n int) {
		for range n {
			f.client("RCPT TO:" + strings.Repeat("\"<\" a=b ", 100) + "<b@b.example>\r\n")
			f.server("503 no\r\n")
		}
	},
}

func answeredBy(command, reply string) func(f *flood, n int) {
	return func(f *flood, n int) {
		for range n {
			f.client(command)
			f.server(reply)
		}
	}
}

// octetwise sends each octet in a segment of its own.
func (f *flood) octetwise(dir smtp.Direction, data string) {
	for i := range len(data) {
		f.at(dir, f.octets[1-dir], data[i:i+1])
	}
}

// lmtp sends a message to n recipients, up to its end.
func (f *flood) lmtp(n int) {
	f.client("MAIL FROM:<a@a.example>\r\n")
	f.server("250 ok\r\n")
	for k := 0; k < n; k += 50 {
		group := min(50, n-k)
		f.client(strings.Repeat("RCPT TO:<b@b.example>\r\n", group))
		f.server(strings.Repeat("250 ok\r\n", group))
	}
	f.client("DATA\r\n")
	f.server("354 go\r\n")
	f.client("x\r\n.\r\n")
}
