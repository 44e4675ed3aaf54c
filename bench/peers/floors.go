package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// decoder decodes headers by the fastest way that gopacket has: into layers that are made once.
type decoder struct {
	parser  *gopacket.DecodingLayerParser
	decoded []gopacket.LayerType
	tcp     layers.TCP
}

func newDecoder() *decoder {
	d := &decoder{}
	var payload gopacket.Payload
	d.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &layers.Ethernet{}, &layers.IPv4{},
		&layers.IPv6{}, &d.tcp, &payload)
	return d
}

// readRecords reads the records of a pcap file in the byte order of this machine, as tcpdump writes it. It prints their
// number and, with a decoder, the octets of TCP payload.
func readRecords(path string, d *decoder, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := r.Discard(24); err != nil {
		return err
	}
	packets, payload := 0, 0
	for {
		head, err := r.Peek(16)
		if errors.Is(err, io.EOF) && len(head) == 0 {
			_, err = fmt.Fprintln(out, packets, payload)
			return err
		}
		if err != nil {
			return err
		}
		n := int(binary.NativeEndian.Uint32(head[8:]))
		record, err := r.Peek(16 + n)
		if err != nil {
			return err
		}
		if d != nil {
			if err := d.parser.DecodeLayers(record[16:], &d.decoded); err != nil {
				return err
			}
			payload += len(d.tcp.Payload)
		}
		packets++
		if _, err := r.Discard(len(record)); err != nil {
			return err
		}
	}
}
