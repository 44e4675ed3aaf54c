package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"tap25/store/numeral"
)

// check is the result of a comparison of rows with the list of mail that was sent. Told is the number of recipients in
// the list, Missing the number without a row, and Wrong the number of rows that are not in the list.
type check struct {
	Told, Missing, Wrong int
}

func (c check) String() string {
	if c.Missing == 0 && c.Wrong == 0 {
		return "all, right"
	}
	text := numeral.Grouped(int64(c.Missing)) + " of " + numeral.Grouped(int64(c.Told)) + " missing"
	if c.Wrong > 0 {
		text += ", " + numeral.Grouped(int64(c.Wrong)) + " wrong"
	}
	return text
}

// readers read the sender and the recipient of each row from the output of a program. A row that the program itself
// marks as incomplete counts as wrong.
var readers = map[string]func(r io.Reader, row func(from, to string)) error{
	"tap25": readTap25, "suricata": readSuricata, "tshark": readTshark, "pairs": readPairs}

// checked compares rows with the truth in a process of its own, which holds all of them in memory: see parts.
func checked(ctx context.Context, kind, file, truth string) (c check, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, self, "rows", kind, file, truth)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("rows of %s: %w", kind, err)
	}
	return c, json.Unmarshal(out, &c)
}

// checkRows compares rows with the truth, in which each line is a sender, a tab, and a recipient.
func checkRows(kind, file, truth string, out io.Writer) error {
	told, err := os.ReadFile(truth)
	if err != nil {
		return err
	}
	var c check
	left := map[string]int{}
	for line := range strings.Lines(string(told)) {
		left[strings.TrimSuffix(line, "\n")]++
		c.Told++
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	c.Missing = c.Told
	err = readers[kind](bufio.NewReaderSize(f, 1<<20), func(from, to string) {
		key := from + "\t" + to
		if left[key] == 0 {
			c.Wrong++
			return
		}
		left[key]--
		c.Missing--
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(c)
}

// readTap25 reads the JSON lines of tap25. In these captures every recipient was accepted and no frame was lost, so a
// row with another outcome or with a flag is wrong.
func readTap25(r io.Reader, row func(from, to string)) error {
	for dec := json.NewDecoder(r); ; {
		var e struct {
			From    string   `json:"mail_from"`
			To      string   `json:"rcpt_to"`
			Outcome string   `json:"outcome"`
			Flags   []string `json:"flags"`
		}
		if err := dec.Decode(&e); err != nil {
			return notEOF(err)
		}
		if e.Outcome != "accepted" || len(e.Flags) > 0 {
			e.From = "not accepted, or flagged: " + e.From
		}
		row(e.From, e.To)
	}
}

// readSuricata reads EVE, which has one event for each transaction.
func readSuricata(r io.Reader, row func(from, to string)) error {
	for dec := json.NewDecoder(r); ; {
		var e struct {
			SMTP struct {
				From string   `json:"mail_from"`
				To   []string `json:"rcpt_to"`
			} `json:"smtp"`
		}
		if err := dec.Decode(&e); err != nil {
			return notEOF(err)
		}
		for _, to := range e.SMTP.To {
			row(strings.Trim(e.SMTP.From, "<>"), strings.Trim(to, "<>"))
		}
	}
}

// readTshark reads lines that have the number of a stream, MAIL or RCPT, and its argument. tshark does not connect a
// recipient with a sender, so this takes the last sender of the stream.
func readTshark(r io.Reader, row func(from, to string)) error {
	from := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := bytes.SplitN(lines.Bytes(), []byte("\t"), 3)
		if len(fields) < 3 {
			return fmt.Errorf("a line of %d fields", len(fields))
		}
		_, path, _ := strings.Cut(string(fields[2]), "<")
		path, _, _ = strings.Cut(path, ">")
		if string(fields[1]) == "MAIL" {
			from[string(fields[0])] = path
		} else {
			row(from[string(fields[0])], path)
		}
	}
	return lines.Err()
}

// readPairs reads the output of receive: sender, tab, recipient.
func readPairs(r io.Reader, row func(from, to string)) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		from, to, _ := strings.Cut(lines.Text(), "\t")
		row(from, to)
	}
	return lines.Err()
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
