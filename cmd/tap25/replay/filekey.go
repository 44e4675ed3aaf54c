package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"tap25/reassembly"
	"tap25/store/stream"
)

const (
	// partRows and partBytes bound a part of a file, which is one segment. The names of segments depend on them: do not
	// change them.
	partRows  = 100_000
	partBytes = stream.LargestSegment
)

// parts cuts the rows of a capture file into segments. The last segment has the file's key, so that this key in the
// database means that the whole file is loaded. Earlier segments have the key and a number.
type parts struct {
	key   string
	part  int
	rows  int // of the part that was begun
	bytes int
}

// add counts a row of the given size. If the row begins a new part, ended is the key of the part before it.
func (p *parts) add(octets int) (ended string) {
	if p.rows >= partRows || p.bytes >= partBytes {
		ended = p.numbered()
		p.part, p.rows, p.bytes = p.part+1, 0, 0
	}
	p.rows++
	p.bytes += octets
	return ended
}

func (p *parts) numbered() string { return fmt.Sprintf("%s-%d", p.key, p.part) }

// fileKey names the rows of a capture file by its digest and by the settings that decide which rows it has.
func (c *Config) fileKey(digest string) string { return "follow-" + c.withSettings(digest) }

// withSettings returns a digest of a digest and the settings that decide which rows a capture has: the same digest, if
// they are the defaults.
func (c *Config) withSettings(digest string) string {
	ports, checksum := slices.Sorted(slices.Values(c.Reassembly.Ports)), c.Reassembly.Checksum
	if !slices.Equal(ports, []uint16{25}) || checksum != reassembly.Auto {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", digest, ports, checksum))
		digest = hex.EncodeToString(sum[:])
	}
	if i := c.Reassembly.InterceptPorts; i != nil && !slices.Equal(i, []uint16{reassembly.DefaultInterceptPort}) {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s intercepts %d", digest, slices.Sorted(slices.Values(i))))
		digest = hex.EncodeToString(sum[:])
	}
	return digest
}
