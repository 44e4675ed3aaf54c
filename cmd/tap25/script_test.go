package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tap25": main, "tap25-measured": measured, "tap25-probed": probed, "tap25-confined": confined})
}

// TestScripts runs testdata/script, each with the captures that makeCaptures writes and commands of its own:
// mkfifo NAME; sums, which holds the counters of the summary on standard error against each other; feed FILE FIFO, which writes FILE into FIFO once it is read, and leaves it open until the script ends.
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

// makeCaptures writes mail.pcap with that one mail, head.pcap and tail.pcap with its first and second half, and
// cut.pcap, which ends in the middle of the last packet.
func makeCaptures(dir string) error {
	frames := dialogueFrames(strings.Split(dialogue, "\n"))
	half := len(frames) / 2
	for name, part := range map[string][][]byte{"mail.pcap": frames, "head.pcap": frames[:half], "tail.pcap": frames[half:], "cut.pcap": frames} {
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

// dialogueFrames makes the frames of one TCP connection, from its SYN to its FINs.
func dialogueFrames(lines []string) (frames [][]byte) {
	next := [2]uint32{1000, 5000} // sequence numbers of client and server
	send := func(from int, text string, flags layers.TCP) {
		ports, ips := [2]layers.TCPPort{40000, 25}, [2]net.IP{{192, 0, 2, 1}, {198, 51, 100, 25}}
		tcp := flags
		tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.Ack, tcp.Window = ports[from], ports[1-from], next[from], next[1-from], 65535
		if !tcp.ACK {
			tcp.Ack = 0
		}
		ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ips[from], DstIP: ips[1-from]}
		eth := layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
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
		ci := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(ci, frame); err != nil {
			return err
		}
	}
	return file.Close()
}
