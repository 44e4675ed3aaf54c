package reassembly

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// topic is one folder of testdata/cases and one section of docs/cases.md.
type topic struct {
	folder, title string
	families      []family
}

// family is the cases whose names begin alike: what happens to the segments, and what tap25 does.
type family struct{ prefix, doc string }

// topics say what each case is about. A case belongs to the family of the longest prefix of its name.
var topics = []topic{
	{"order", "Order and copies", []family{
		{"plain", "Nothing happens: the rows that the other cases are compared with."},
		{"reorder-", "Segments overtake each other in the capture, or the FIN overtakes data. The rows are as if they had not."},
		{"duplicate-", "Every segment of a side is captured twice. The copies are counted, and the rows are the same."},
		{"span-duplicates", "A mirror port shows each frame twice, at once or later, one copy tagged or not. The rows are the same."},
		{"retransmission-window-", "A segment is sent again within a window of up to several MiB. The octets can be compared or were acknowledged before: no flag."},
		{"retransmission-", "A segment is sent again, with other boundaries or to fill a loss. The stream is whole, and the copies are counted."},
		{"ack-before-data-", "The acknowledgment is captured before the data that it acknowledges. Nothing is lost."},
		{"one-byte-segments", "Each octet travels alone. The rows are the same."},
		{"gro-segments-", "A host has merged segments into frames of 64 KB. The rows are the same."},
		{"keep-alive-", "Keep-alives with no octet, a zero or garbage (RFC 9293 section 3.8.4). They are copies and no conflict."},
		{"zero-window-probe-", "A sender probes a closed window with one new octet. It counts once it is acknowledged."},
		{"window-", "Window updates and repeated acknowledgments change nothing."},
		{"urgent-", "Urgent data is read in line. A server may take the octet apart, so the row says `conflict`."},
	}},
	{"loss", "Losses", []family{
		{"loss-", "The capture missed one segment of either side. The mail around it says `gap`, its neighbours are right, and nothing is guessed."},
	}},
	{"overlap", "Overlaps", []family{
		{"overlap-same-", "Two copies of the same octets agree: nothing happens."},
		{"overlap-", "Two copies of the same octets differ, in order or after a hole, in whole or in part. The first copy stands, the row says `conflict`, and no other mail of the session does."},
	}},
	{"decoy", "Decoys", []family{
		{"decoy-ttl-after-the-last-command", "A whole mail that no server received: FIN or RST stands in its place. There is no row, since the server never acknowledged it."},
		{"decoy-ttl-", "A RCPT that dies on the way to the server (its TTL is too low), before or after the real one. The first copy stands and the row says `conflict`."},
		{"decoy-old-timestamp-", "A RCPT that the server drops for its old timestamp (RFC 7323 section 5). The first copy stands and the row says `conflict`."},
		{"decoy-checksum-", "A RCPT with a wrong checksum, before or after the real one, in order or not; a SYN, FIN or RST with one. It is ignored, without a flag."},
		{"decoy-bad-ack-", "A RCPT whose acknowledgment no server would believe. It is set aside; the row says `conflict` if it differs from what was acknowledged."},
		{"decoy-no-", "A RCPT without the ACK flag, or without any flag. It is set aside; the row says `conflict` if it differs from what was acknowledged."},
		{"decoy-of-a-line-end", "The end of a line is rewritten. The first copy stands and the row says `conflict`."},
		{"decoy-window-acknowledged", "A copy of octets that the receiver acknowledged before cannot replace them any more: no flag."},
		{"decoy-window-", "The decoy and the octets that the receiver took lie as far apart as its window allows (RFC 7323), scaled or not, within a message, cut anew, or with a part of the connection not captured. If they can be compared the first copy stands; in any case the row says `conflict`."},
		{"decoy-of-one-octet", "A single octet is rewritten. The first copy stands and the row says `conflict`."},
		{"decoy-syn-ack-", "The client sends a SYN-ACK for another handshake. No server answered it: nothing happens."},
		{"insertion-", "Segments that no host would accept: a wild acknowledgment, no ACK flag, far outside the window, ahead of the stream. They are set aside and no second mail comes of them."},
		{"ack-of-what-was-never-sent", "Acknowledgments that the server throws away, with their segments. No reply is taken for older than it is, nor for lost."},
	}},
	{"checksum", "Checksums", []family{
		{"bad-checksum-copy", "A damaged segment, and the copy that was sent again. It is ignored (`auto`, `strict`), or read (`off`): then the row says `conflict`."},
		{"bad-checksum-damage", "A segment with a wrong checksum that the server acknowledged and nobody sent again. It was received."},
		{"wrong-checksum-two-versions", "Two copies with a wrong checksum differ, and there is none with a right one. The first stands and the row says `conflict`."},
		{"wrong-checksum-and-a-loss", "The same, and a segment of the message is missing: `gap`."},
		{"wrong-checksum-", "Segments of one side, or of both, have a wrong checksum: a host merged them, or the capture was edited. What the receiver acknowledged it received; of what it did not, or of what came again with a right checksum, nothing is read. `strict` gives no row."},
		{"checksum-offload-", "The capture was made on a host whose card fills the checksums in. `auto` and `off` read it; `strict` gives no row."},
	}},
	{"clocks", "Two clocks", []family{
		{"clocks-client-early-", "The client's segments are stamped earlier than the server's, by skewed cards or because two files were merged by time. The acknowledgments show what came first, and the rows are as if the clocks agreed; a loss is a `gap`, a decoy none."},
		{"clocks-server-early-", "The same of the server's: replies are captured before their commands."},
	}},
	{"handshake", "Handshakes", []family{
		{"syn-in-the-middle-", "A SYN within a connection, alone or with data. No server answered it: nothing happens."},
		{"syn-ack-in-the-middle-", "A SYN-ACK within a connection. Nothing happens."},
		{"syn-data-", "Data on a SYN counts once the server has acknowledged it."},
		{"syn-", "SYN or SYN-ACK were not captured, came again, or in the wrong order. The other one stands in for it; the row does not say `midstream`."},
		{"fast-open-", "TCP Fast Open (RFC 7413): data on a SYN, acknowledged, or not and sent again. Different octets in its place are a `conflict`."},
		{"simultaneous-open", "Both sides send a SYN (RFC 9293 section 3.5). The port shows the roles."},
		{"both-ports-25-", "Both ports are 25 and no SYN was seen. The side that sends replies is the server."},
	}},
	{"reuse", "Ports that are used again", []family{
		{"ports-reused-", "A second connection on the same ports: after FIN or RST, without either, in mid-transaction, with the same numbers, its SYN not captured. There are two sessions; the second says `midstream` if its SYN was missed."},
	}},
	{"end", "Ends of connections", []family{
		{"fin-", "FIN with data, with the final dot, twice, of the server first, or a decoy. It ends its direction once its data is there, unless the peer acknowledges more."},
		{"half-closed-", "One side has ended and the other goes on. What it sends still counts; if it never ends, the open mail is `unknown`."},
		{"data-after-", "Data after FIN or RST. It is set aside and gives no row."},
		{"rst-after-quit", "A RST in place of the last FIN. The reply on its way counts."},
		{"rst-overtakes-", "A RST is captured before a reply that the server had sent earlier. The reply counts."},
		{"rst-mid-transaction-", "A RST within a transaction: `aborted`."},
		{"rst-after-", "A RST after its sender's FIN, or after a loss. The number of a FIN, seen or missed, is no octet."},
		{"rst-with-data", "The text that a RST may carry (RFC 9293 section 3.5.3) is no reply."},
		{"rst-decoy-", "A RST that never reached the peer: both sides go on. It is ignored and counted."},
		{"rst-in-the-handshake-", "A RST within the handshake, after which both sides go on. It is ignored and counted."},
		{"rst-outside-", "A RST outside the window. It is ignored and counted."},
		{"idle-ends-", "Silence of 15 minutes ends the session: the open mail is `unknown`, and what follows is a new session, `midstream`."},
		{"silence-below-", "A shorter silence changes nothing."},
	}},
	{"midstream", "Connections seen in part", []family{
		{"midstream-", "The capture begins within a session. Its rows say `midstream`; mails that begin later are right."},
		{"client-alone", "Only the client was captured: `one-sided`."},
		{"server-alone", "Only the server was captured: `one-sided`."},
		{"client-missing-", "The client is missing from some packet on. What was missed says `gap`, and the mails before are right."},
		{"server-missing-", "The server is missing from some packet on. What was missed says `gap`, and the mails before are right."},
		{"server-appears-", "The server appears within the session. What was missed says `gap`."},
	}},
	{"fragment", "Fragments", []family{
		{"fragments-overlap-other-bytes", "Fragments overlap with different octets. IPv4: the first copy, which the TCP checksum then judges. IPv6: none of it (RFC 5722)."},
		{"fragments", "Fragments out of order, tiny, twice, overlapping with the same octets, or never complete. The segment is there, or it is a segment lost."},
	}},
	{"network", "Networks", []family{
		{"networks-same-numbers", "Two connections have the same addresses, ports and sequence numbers in two networks. What they send distinguishes them."},
		{"networks-handshakes-", "Whoever owns both ends of the same addresses and ports in another network makes handshakes there again and again. Nothing happens to the mail."},
		{"networks-loss", "The same, and one segment of the first was lost. Its mail says `gap`, the other is right."},
		{"networks-fragments", "Fragments of two datagrams have the same addresses and identification in two networks. Each datagram is put together by itself."},
		{"networks-", "Two connections have the same addresses and ports in two networks, at the same time or one within the other. Each is read by itself, and `network` distinguishes them if the encapsulation has a number that names the network."},
		{"path-each-way-", "The two directions of a connection have different tags or labels; two such connections, crossed or not; with losses. Each is one session. `network` is that of the client's direction."},
		{"path-changes-", "A connection takes another way from some segment on, so that its label or tag changes. It stays one session."},
		{"mirrored-twice-loss-", "A mirror shows each frame in two VLANs, before and after a router, and one of the two was lost here and there. The other one fills the hole."},
		{"mirrored-twice", "A mirror shows each frame in two VLANs, before and after a router, at once or late. The rows come once."},
	}},
	{"tunnel", "Tunnels", []family{
		{"tunnel-pseudowire-", "Ethernet over MPLS without a control word, to an address whose first digit is that of IP, of a control word, or of a channel. The headers in it decide."},
		{"tunnel-intercept-", "Routers mirror packets of lawful intercepts in UDP, with an identifier in front, with Ethernet or without."},
		{"tunnel-link-", "The capture has another link type than Ethernet."},
		{"tunnel-tag-", "Tags before the packet that only some networks have."},
		{"tunnel-", "The frame is wrapped in tags and tunnels, one in another, up to 32 headers. It is read as if it were not. [All of them](encapsulations.md)."},
	}},
}

// topicOf is the topic and the family of a case.
func topicOf(name string) (t *topic, f *family) {
	for i := range topics {
		for j := range topics[i].families {
			if g := &topics[i].families[j]; strings.HasPrefix(name, g.prefix) && (f == nil || len(g.prefix) > len(f.prefix)) {
				t, f = &topics[i], g
			}
		}
	}
	return t, f
}

// TestCases_PageIsGenerated compares docs/cases.md with what the cases and dialogues say of themselves; -update writes it.
func TestCases_PageIsGenerated(t *testing.T) {
	cases := map[*family][]string{}
	for _, s := range scenarios() {
		_, f := topicOf(s.name)
		if f == nil {
			t.Errorf("%s belongs to no family", s.name)
		}
		if !slices.Contains(cases[f], s.name) {
			cases[f] = append(cases[f], s.name)
		}
	}
	var page bytes.Buffer
	page.WriteString(casesHead)
	for i := range topics {
		fmt.Fprintf(&page, "\n### %s\n\n`testdata/cases/%s`\n\n| case | what happens |\n| --- | --- |\n", topics[i].title, topics[i].folder)
		for j := range topics[i].families {
			f := &topics[i].families[j]
			slices.Sort(cases[f])
			if len(cases[f]) == 0 {
				t.Errorf("no case begins with %s", f.prefix)
			}
			fmt.Fprintf(&page, "| `%s` | %s |\n", strings.Join(cases[f], "`, `"), f.doc)
		}
	}
	page.WriteString(dialoguesHead)
	files, err := filepath.Glob(filepath.Join("..", "testdata", "dialogues", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues: ", err)
	}
	for _, file := range files {
		fmt.Fprintf(&page, "| `%s` | %s |\n", strings.TrimSuffix(filepath.Base(file), ".txt"), aboutDialogue(t, file))
	}
	const name = "../docs/cases.md"
	if *update {
		if err := os.WriteFile(name, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if committed, err := os.ReadFile(name); err != nil || !bytes.Equal(committed, page.Bytes()) {
		t.Errorf("%s is not what the cases say: run go test ./reassembly -run TestCases -update (%v)", name, err)
	}
}

// aboutDialogue is the comment at the head of a dialogue.
func aboutDialogue(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var about []string
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		about = append(about, strings.TrimSpace(comment))
	}
	if len(about) == 0 {
		t.Errorf("%s does not begin with a comment that says what it is about", filepath.Base(file))
	}
	return strings.ReplaceAll(strings.Join(about, " "), "|", "\\|")
}

const casesHead = `# Cases

Generated from the fixtures: ` + "`go test ./reassembly -run TestCases -update`" + ` writes this page, and a test compares it.

## What happens to segments

Each case is a small capture with the rows that it must give, worked out by hand, in IPv4 and IPv6. ` + "`TestCases`" + ` makes the frames and
compares file and rows; ` + "`tap25 replay`" + ` reads the same files in another test.
`

const dialoguesHead = `
## What client and server say

Each dialogue is a text that a person can read, ` + "`testdata/dialogues/NAME.txt`" + `, with its rows below it. ` + "`TestDialogues`" + ` runs it whole, cut in
two at every octet, octet by octet, and with replies late and early.

| dialogue | about |
| --- | --- |
`
