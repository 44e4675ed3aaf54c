package smtp_test

import (
	"tap25/reassembly/smtp"
)

// What may have to be held, or looked at again, n times over.
var floodsOfOctets = map[string]func(f *flood, n int){
	"holes between replies to one flight": func(f *flood, n int) {
		f.pipelined(n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.server("250 ok\r\n")
			f.loseServer(8)
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
	"refused DATA, held": func(f *flood, n int) {
		acked := f.octets[smtp.FromServer]
		for range n {
			f.at(smtp.FromClient, acked, "DATA\r\nDATA\r\n")
			f.server("451 no\r\n")
		}
	},
	"octets of a line": func(f *flood, n int) {
		f.pipelined(n, "RCPT TO:<u@b.example>\r\n")
		for range n {
			f.client("x")
			f.server("2")
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
}
