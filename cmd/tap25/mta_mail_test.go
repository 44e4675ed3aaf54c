package main

import (
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
)

// liveMail is the i-th message: what happens to it follows from its addresses, by the mail systems' configurations.
type liveMail struct {
	from string
	to   []string
	size int
	rows int // RCPT commands on the wire because of it
}

func newLiveMail(i int) liveMail {
	domain := []string{"v4", "v6", "vlan4", "vlan6", "vxlan4", "vxlan6"}[i/2%6] +
		[]string{".exim.example", ".postfix.example"}[i%2]
	to := func(names ...string) (list []string) {
		for _, name := range names {
			list = append(list, fmt.Sprint(name, i, "@", domain))
		}
		return list
	}
	m := liveMail{fmt.Sprint("user", i, "@quiet.example"), to("a"), 400, 0}
	switch i / 12 % 10 {
	case 1:
		m.to = to("a", "nobody", "full", "b")
	case 2:
		m.from, m.to = fmt.Sprint("spammer", i, "@quiet.example"), to("a", "b")
	case 3:
		m.to = to("later")
	case 4:
		m.from = fmt.Sprint("late-reject", i, "@quiet.example")
	case 5:
		m.to, m.size = to("a", "b", "c", "d", "e"), 20_000
	case 6:
		m.from, m.to = fmt.Sprint("late-defer", i, "@quiet.example"), to("a", "b")
	case 7:
		m.from = ""
	case 8: // refused, and the bounce goes to where it was refused
		m.from, m.to, m.rows = to("sender")[0], to("nobody"), 1
	case 9:
		m.size = 3_000
	}
	m.rows += len(m.to)
	return m
}

// submit gives messages to the mail system of a namespace; it calls sent with the rows that each few of them make.
func (w *wire) submit(ns string, mails []liveMail, sent func(rows int) error) error {
	for few := range slices.Chunk(mails, 25) {
		var conn net.Conn
		if err := w.in(ns, func() (err error) {
			conn, err = net.Dial("tcp", "127.0.0.1:2525")
			return err
		}); err != nil {
			return err
		}
		c, err := smtp.NewClient(conn, "localhost")
		if err != nil {
			return err
		}
		rows := 0
		for _, m := range few {
			if err := m.send(c); err != nil {
				return err
			}
			rows += m.rows
		}
		if err := c.Quit(); err != nil {
			return err
		}
		if err := sent(rows); err != nil {
			return err
		}
	}
	return nil
}

func (m *liveMail) send(c *smtp.Client) error {
	if err := c.Mail(m.from); err != nil {
		return err
	}
	for _, to := range m.to {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	return m.data(c)
}

// sendSome goes on with the other recipients if one is refused, and gives the mail up if all are.
func (m *liveMail) sendSome(c *smtp.Client) error {
	if err := c.Mail(m.from); err != nil {
		return err
	}
	taken := 0
	for _, to := range m.to {
		if err := c.Rcpt(to); err == nil {
			taken++
		} else if _, refused := errors.AsType[*textproto.Error](err); !refused {
			return err
		}
	}
	if taken == 0 {
		return c.Reset()
	}
	return m.data(c)
}

func (m *liveMail) data(c *smtp.Client) error {
	data, err := c.Data()
	if err != nil {
		return err
	}
	line := "All work and no play makes Jack a dull boy.\r\n.\r\n"
	if _, err := fmt.Fprintf(data, "From: a@quiet.example\r\nSubject: x\r\n\r\n%s",
		strings.Repeat(line, m.size/len(line)+1)); err != nil {
		return err
	}
	return data.Close()
}
