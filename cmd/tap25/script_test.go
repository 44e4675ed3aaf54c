package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/rogpeppe/go-internal/testscript"

	"tap25/store/storetest"
)

// ownState runs tests with a state directory of their own, in which keys are made.
type ownState struct{ *testing.M }

func (o ownState) Run() int { return storetest.Run(o.M) }

func TestMain(m *testing.M) {
	testscript.Main(ownState{m}, map[string]func(){"tap25": main, "tap25-measured": measured, "tap25-probed": probed,
		"tap25-confined": confined})
}

// TestScripts runs testdata/script, each with the captures that makeCaptures writes and commands of its own: mkfifo
// NAME; sums, which holds the counters of the summary on standard error against each other; feed FILE FIFO, which
// writes FILE into FIFO once it is read, and leaves it open until the script ends.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return makeCaptures(env.WorkDir) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mkfifo": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
			},
			"sums": func(ts *testscript.TestScript, _ bool, _ []string) {
				if wrong := wrongSums(summaryOf(ts.ReadFile("stderr"))); len(wrong) > 0 {
					ts.Fatalf("%s", strings.Join(wrong, "\n"))
				}
			},
			"feed": func(ts *testscript.TestScript, _ bool, args []string) {
				fifo, err := os.OpenFile(ts.MkAbs(args[1]), os.O_WRONLY, 0)
				ts.Check(err)
				ts.Defer(func() { fifo.Close() })
				_, err = fifo.WriteString(ts.ReadFile(args[0]))
				ts.Check(err)
			},
		},
	})
}

// The mail of the captures, one segment a line.
const dialogue = `S: 220 mx.example ESMTP
C: EHLO client.example
S: 250 mx.example
C: MAIL FROM:<alice@a.example> SIZE=20
S: 250 ok
C: RCPT TO:<bob@b.example>
S: 250 ok
C: RCPT TO:<carol@b.example>
S: 550 no such user
C: DATA
S: 354 go ahead
C: Subject: x
C: .
S: 250 2.0.0 Ok: queued as 4ABCDE1234
C: QUIT
S: 221 bye`

// A bounce whose names may harm a spreadsheet.
const hostileNames = `S: 220 mx.example ESMTP
C: EHLO =client
S: 250 mx.example
C: MAIL FROM:<>
S: 250 ok
C: RCPT TO:<"a, b"@b.example>
S: 250 ok
C: QUIT
S: 221 bye`

// A mail to three recipients, of which two are in domains of U-labels.
const threeRecipients = `S: 220 mx.example ESMTP
C: EHLO client.example
S: 250-mx.example
S: 250 SMTPUTF8
C: MAIL FROM:<alice@a.example> SMTPUTF8
S: 250 ok
C: RCPT TO:<bob@Bücher.example> ORCPT=rfc822;eve@c.example
S: 250 ok
C: RCPT TO:<carol@b.example>
S: 250 ok
C: RCPT TO:<dave@почта.рф>
S: 250 ok
C: DATA
S: 354 go ahead
C: Subject: x
C: .
S: 250 2.0.0 Ok: queued as 4ABCDE1234
C: QUIT
S: 221 bye`

// makeCaptures writes mail.pcap with that one mail, head.pcap and tail.pcap with its first and second half, cut.pcap,
// which ends in the middle of the last packet, three.pcap, hostile.pcap, and what makeMissing does.
func makeCaptures(dir string) error {
	frames := dialogueFrames(25, strings.Split(dialogue, "\n"))
	if err := makeMissing(dir, frames); err != nil {
		return err
	}
	for name, text := range map[string]string{"three.pcap": threeRecipients, "hostile.pcap": hostileNames} {
		frames := dialogueFrames(25, strings.Split(text, "\n"))
		if err := writePcap(filepath.Join(dir, name), time.Unix(1_700_000_000, 0), frames); err != nil {
			return err
		}
	}
	half := len(frames) / 2
	for name, part := range map[string][][]byte{"mail.pcap": frames, "head.pcap": frames[:half],
		"tail.pcap": frames[half:], "cut.pcap": frames} {
		path := filepath.Join(dir, name)
		start := time.Unix(1_700_000_000, 0)
		if name == "tail.pcap" {
			start = start.Add(time.Duration(half) * time.Millisecond)
		}
		if err := writePcap(path, start, part); err != nil {
			return err
		}
	}
	whole, err := os.Stat(filepath.Join(dir, "cut.pcap"))
	if err != nil {
		return err
	}
	return os.Truncate(filepath.Join(dir, "cut.pcap"), whole.Size()-5)
}

// makeMissing writes captures of which something is not there: hole.pcap lacks the frame of a recipient, snaplen.pcap
// has no more than 64 octets of each frame, both.pcap lacks that frame too; in damaged.pcap that frame has a wrong
// checksum; elsewhere.pcap has the mail on ports 587 and 2525, other.pcap on one
// that nobody knows, empty.pcap nothing, and submissions.pcap a ClientHello on port 465, where
// clear.pcap has the mail.
func makeMissing(dir string, frames [][]byte) error {
	const carol = 10 // the frame of her RCPT: behind SYN, SYN-ACK, ACK and seven lines
	lines := strings.Split(dialogue, "\n")
	hole := slices.Delete(slices.Clone(frames), carol, carol+1)
	damaged := slices.Clone(frames)
	damaged[carol] = append(slices.Clone(frames[carol][:len(frames[carol])-1]), 'X')
	other := slices.Concat(dialogueFrames(587, lines), dialogueFrames(2525, lines), dialogueFrames(2525, lines))
	hello := dialogueFrames(465, []string{"C: \x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"})
	for name, part := range map[string][][]byte{
		"hole.pcap": hole, "snaplen.pcap": frames, "both.pcap": hole, "damaged.pcap": damaged,
		"empty.pcap": nil, "other.pcap": dialogueFrames(2526, lines),
		"elsewhere.pcap": other, "submissions.pcap": hello, "clear.pcap": dialogueFrames(465, lines),
	} {
		snaplen := 1 << 18
		if name == "snaplen.pcap" || name == "both.pcap" {
			snaplen = 64
		}
		if err := writePcapOf(filepath.Join(dir, name), time.Unix(1_700_000_000, 0), part, snaplen); err != nil {
			return err
		}
	}
	return nil
}

// dialogueFrames makes the frames of one TCP connection to a port, from its SYN to its FINs.
func dialogueFrames(port layers.TCPPort, lines []string) (frames [][]byte) {
	next := [2]uint32{1000, 5000} // sequence numbers of client and server
	send := func(from int, text string, flags layers.TCP) {
		ports, ips := [2]layers.TCPPort{40000, port}, [2]net.IP{{192, 0, 2, 1}, {198, 51, 100, 25}}
		tcp := flags
		tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.Ack, tcp.Window = ports[from], ports[1-from], next[from], next[1-from],
			65535
		if !tcp.ACK {
			tcp.Ack = 0
		}
		ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ips[from], DstIP: ips[1-from]}
		eth := layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6),
			EthernetType: layers.EthernetTypeIPv4}
		if err := tcp.SetNetworkLayerForChecksum(&ip); err != nil {
			panic(err)
		}
		b := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(b, opts, &eth, &ip, &tcp, gopacket.Payload(text)); err != nil {
			panic(err)
		}
		frames = append(frames, b.Bytes())
		next[from] += uint32(len(text))
		if tcp.SYN || tcp.FIN {
			next[from]++
		}
	}
	send(0, "", layers.TCP{SYN: true})
	send(1, "", layers.TCP{SYN: true, ACK: true})
	send(0, "", layers.TCP{ACK: true})
	for _, line := range lines {
		from := map[bool]int{true: 0, false: 1}[strings.HasPrefix(line, "C: ")]
		send(from, line[3:]+"\r\n", layers.TCP{ACK: true, PSH: true})
	}
	send(1, "", layers.TCP{ACK: true, FIN: true})
	send(0, "", layers.TCP{ACK: true, FIN: true})
	send(1, "", layers.TCP{ACK: true})
	return frames
}

// writePcap writes frames a millisecond apart.
func writePcap(path string, start time.Time, frames [][]byte) error {
	return writePcapOf(path, start, frames, 1<<18)
}

// writePcapOf keeps no more of each frame than the snaplen.
func writePcapOf(path string, start time.Time, frames [][]byte, snaplen int) error {
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Millisecond) }
	return writePcapAt(path, at, frames, snaplen)
}

// writePcapAt writes frames, each at a time of its own.
func writePcapAt(path string, at func(int) time.Time, frames [][]byte, snaplen int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := pcapgo.NewWriter(file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return err
	}
	for i, frame := range frames {
		ci := gopacket.CaptureInfo{Timestamp: at(i), CaptureLength: min(len(frame), snaplen), Length: len(frame)}
		if err := w.WritePacket(ci, frame[:ci.CaptureLength]); err != nil {
			return err
		}
	}
	return file.Close()
}
