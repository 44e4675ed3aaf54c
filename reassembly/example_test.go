package reassembly_test

import (
	"fmt"
	"io"
	"log"

	"tap25/capture"
	"tap25/reassembly"
	"tap25/reassembly/smtp"
)

// The frames of a capture file become rows, one for each recipient of each mail.
func Example() {
	files := capture.OpenFiles([]string{"../testdata/synthetic/07-rcpt-mixed-replies.pcap"}, nil)
	defer files.Close()
	asm := reassembly.New(reassembly.Config{
		Sensor: "example",
		Emit: func(e *smtp.Envelope) {
			fmt.Println(*e.MailFrom, "->", *e.RcptTo, e.RcptCode, e.Outcome)
		},
	})
	for {
		var f capture.Frame
		err := files.Next(&f)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		asm.Frame(f.Time, f.LinkType, f.Data, f.Length)
	}
	asm.Close()
	s := asm.Stats()
	fmt.Println(s.Frames.Total(), "frames,", s.Sessions, "session,", s.LostBytes, "bytes lost")
	// Output:
	// a@a.example -> r450@b.example 450 deferred
	// a@a.example -> r452@b.example 452 deferred
	// a@a.example -> r550@b.example 550 refused
	// a@a.example -> r553@b.example 553 refused
	// a@a.example -> r554@b.example 554 refused
	// a@a.example -> r250@b.example 250 accepted
	// a@a.example -> r251@b.example 251 accepted
	// a@a.example -> r252@b.example 252 accepted
	// 60 frames, 1 session, 0 bytes lost
}
