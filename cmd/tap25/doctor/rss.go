package doctor

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/ethtool.h.
const (
	ethtoolGRXFH    = 0x29 // which fields of a flow are hashed
	ethtoolGRSSH    = 0x46 // indirection table and key
	flowTCP4        = 0x01
	rxhIPSrc        = 1 << 4
	rxhIPDst        = 1 << 5
	rxhPortSrc      = 1 << 6
	rxhPortDst      = 1 << 7
	hashToeplitz    = 1 << 0
	hashXOR         = 1 << 1
	rssHead         = 24 // octets of struct ethtool_rxfh before the table
	maxRSS          = 1 << 16
	ethtoolRequestX = 40 // sizeof(struct ifreq)
)

// symmetricRSS reports whether both directions of a connection get the same hash, judged by the fields of TCP over IPv4
// and the key.
func symmetricRSS(name string) (bool, error) {
	fields := make([]byte, 192) // struct ethtool_rxnfc: command, flow type, fields of 64 bits
	binary.NativeEndian.PutUint32(fields, ethtoolGRXFH)
	binary.NativeEndian.PutUint32(fields[4:], flowTCP4)
	if err := askEthtool(name, fields); err != nil {
		return false, errNoRSS
	}
	head := make([]byte, rssHead)
	binary.NativeEndian.PutUint32(head, ethtoolGRSSH)
	if err := askEthtool(name, head); err != nil {
		return false, errNoRSS
	}
	table, key := int(binary.NativeEndian.Uint32(head[8:])), int(binary.NativeEndian.Uint32(head[12:]))
	if table < 0 || key < 0 || table > maxRSS || key > maxRSS {
		return false, errNoRSS
	}
	whole := make([]byte, rssHead+4*table+key)
	binary.NativeEndian.PutUint32(whole, ethtoolGRSSH)
	copy(whole[8:16], head[8:16])
	if err := askEthtool(name, whole); err != nil {
		return false, errNoRSS
	}
	return symmetricHash(binary.NativeEndian.Uint64(fields[8:]), whole[16], whole[17], whole[rssHead+4*table:]), nil
}

// symmetricHash judges what the driver reports: the fields that are hashed, the hash function, the transformation of
// its input (RXH_XFRM_SYM_XOR and the like), and the key. Toeplitz is symmetric if its key repeats every 16 bits.
func symmetricHash(fields uint64, function, input byte, key []byte) bool {
	pair := func(a, b uint64) bool { return fields&a != 0 == (fields&b != 0) }
	if !pair(rxhIPSrc, rxhIPDst) || !pair(rxhPortSrc, rxhPortDst) {
		return false
	}
	if fields == 0 || input != 0 || function == hashXOR {
		return true
	}
	if function != hashToeplitz {
		return false
	}
	for i := range key {
		if key[i] != key[i%2] {
			return false
		}
	}
	return true
}

// askEthtool sends a structure whose first 32 bits are an ETHTOOL_ command. The answer overwrites it.
func askEthtool(name string, structure []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var request struct { // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [ethtoolRequestX - unix.IFNAMSIZ - unsafe.Sizeof(uintptr(0))]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.data = unsafe.Pointer(&structure[0])
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL,
		uintptr(unsafe.Pointer(&request))); e != 0 {
		return e
	}
	return nil
}
