// goclient sends mails over one connection with Go's net/smtp:
//
//	goclient CLIENT-ADDRESS SERVER-ADDRESS COUNT DOMAIN
//
// It prints one JSON line for each mail: the client's port, the number of the mail, and the octets of the message
// as the server received it.
package main

import (
	"fmt"
	"log"
	"net"
	"net/smtp"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(from, to, count, domain string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", net.JoinHostPort(to, "25"))
	if err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, "mx."+domain)
	if err != nil {
		return err
	}
	if err := c.Hello("app.go.example"); err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		octets, err := send(c, i, domain)
		if err != nil {
			return err
		}
		fmt.Printf(`{"client_ip":%q,"client_port":%d,"mail_no":%d,"message_bytes":%d}`+"\n",
			from, conn.LocalAddr().(*net.TCPAddr).Port, i, octets)
	}
	return c.Quit()
}

func send(c *smtp.Client, i int, domain string) (octets int, err error) {
	if err := c.Mail(fmt.Sprintf("report-%d@go.example", i)); err != nil {
		return 0, err
	}
	for r := 0; r <= i%3; r++ {
		if err := c.Rcpt(fmt.Sprintf("reader-%d-%d@%s", i, r, domain)); err != nil {
			return 0, err
		}
	}
	w, err := c.Data()
	if err != nil {
		return 0, err
	}
	text := fmt.Sprintf("From: report-%d@go.example\r\nSubject: report %d\r\n\r\n.\r\n..\r\n%s", i, i,
		strings.Repeat("A line of a report.\r\n", 40*i))
	if _, err := w.Write([]byte(text)); err != nil {
		return 0, err
	}
	return len(text), w.Close()
}
