package doctor

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/report"
	"tap25/store"
)

// soundFacts are of a machine with nothing to complain of, with a card that tells all.
func soundFacts() *facts {
	off, on := false, true
	return &facts{
		want: Settings{Workers: 2, RingBytes: 32 << 20, XDP: "auto", Ports: []uint16{25}, Program: "/usr/bin/tap25",
			ConfigFile: "/etc/tap25/tap25.yaml", RetentionText: "2y", Retention: store.Retention{Years: 2}},
		host: hostFacts{kernel: "6.1.0-30-amd64", major: 6, minor: 1, jit: true, landlock: true, memlock: 8 << 20,
			available: 4 << 30},
		interfaces: []interfaceFacts{{
			name: "eth1", kind: unix.ARPHRD_ETHER, up: true, carrier: true, mtu: 1500, driver: "ice", lro: &off,
			gro: &on, hwGRO: &off, untag: &off,
			ring: 4096, maxRing: 4096, queues: 8, symmetric: &on, counters: interfaceCounters{packets: 1},
			later: interfaceCounters{packets: 100001},
		}},
		traffic: &trafficFacts{time: 5 * time.Second, native: map[string]bool{"eth1": true}, seen: 100000, kept: 20000,
			toServers: 12000, fromServers: 8000, payload: 1 << 24, longest: 1518},
		spool: &spoolFacts{dir: "/var/lib/tap25/spool", room: 10 << 30, limit: 10 << 30},
		disks: []diskFacts{{holds: "spool", dir: "/var/lib/tap25/spool", free: 50 << 30, size: 100 << 30, dropsIn: -1}},
		database: &databaseFacts{memory: 8 << 30, health: store.Health{Have: 22, Want: 22, User: "tap1", Here: true,
			MaxLocks: 512, SharedBuffers: 2 << 30, MaxWAL: 4 << 30, MayLoad: true, Counted: true, Stored: "2 years",
			MayDrop: true}},
		evidence: &evidenceFacts{key: "/etc/tap25/sensor.key", witness: "/mnt/other/witness"},
	}
}

// A finding is what checkAll has to say once the facts have changed.
type finding struct {
	change     func(f *facts)
	check      string // its place and name
	state, fix string
}

func (c *finding) expect(t *testing.T) {
	t.Helper()
	f := soundFacts()
	c.change(f)
	for _, got := range checkAll(f) {
		if got.On+" "+got.Name != c.check {
			continue
		}
		if got.State != c.state || !strings.Contains(strings.Join(got.Fix, "\n"), c.fix) || got.Says == "" {
			t.Errorf("%+v, want %s with %q", got, c.state, c.fix)
		}
		return
	}
	t.Errorf("no check %q", c.check)
}

func TestDoctor_NothingToComplainOf(t *testing.T) {
	for _, c := range checkAll(soundFacts()) {
		if c.State != OK || len(c.Fix) > 0 {
			t.Errorf("%+v", c)
		}
	}
}

func TestDoctor_EveryFindingHasItsFix(t *testing.T) {
	on, off := true, false
	for name, c := range map[string]finding{
		"capabilities are missing": {func(f *facts) {
			f.host.missing = []string{"CAP_BPF", "CAP_NET_RAW"}
		}, "host capabilities", Problem, "setcap cap_bpf,cap_net_raw+ep /usr/bin/tap25"},
		"unknown without them": {func(f *facts) { f.host.missing = []string{"CAP_BPF"} }, "host kernel", Unknown, ""},
		"old kernel": {func(f *facts) {
			f.host.major, f.host.minor = 5, 10
		}, "host kernel", Problem, "Linux 5.19"},
		"kernel of 5.18": {func(f *facts) { f.host.major, f.host.minor = 5, 18 }, "host kernel", Note, ""},
		"kernel refuses": {func(f *facts) {
			f.host.load = errors.New("no")
		}, "host kernel", Problem, "CONFIG_BPF_SYSCALL"},
		"no JIT": {func(f *facts) {
			f.host.jit = false
		}, "host JIT", Problem, "sysctl -w net.core.bpf_jit_enable=1"},
		"no Landlock": {func(f *facts) { f.host.landlock = false }, "host Landlock", Note, "lsm="},
		"clock not synchronised": {func(f *facts) {
			f.host.unsynced = true
		}, "host clock", Problem, "timedatectl set-ntp true"},
		"clock not asked": {func(f *facts) { f.host.clock = unix.EPERM }, "host clock", Unknown, ""},
		"memlock of old kernels": {func(f *facts) {
			f.host.major, f.host.minor, f.host.memlock = 5, 10, 64<<10
		}, "host memlock", Problem, "ulimit -l unlimited"},
		"memory for the rings": {func(f *facts) {
			f.host.available = 100 << 20
		}, "host memory", Problem, "--ring-bytes"},
		"memory not known": {func(f *facts) { f.host.available = 0 }, "host memory", Unknown, ""},

		"no interface": {func(f *facts) {
			f.interfaces[0] = interfaceFacts{name: "eth1", missing: true}
		}, "eth1 link", Problem, "ip -br link"},
		"a tunnel": {func(f *facts) {
			f.interfaces[0].kind = unix.ARPHRD_NONE
		}, "eth1 link", Problem, "the Ethernet interface that carries it"},
		"down": {func(f *facts) {
			f.interfaces[0].up = false
		}, "eth1 link", Problem, "ip link set dev eth1 up"},
		"no carrier":       {func(f *facts) { f.interfaces[0].carrier = false }, "eth1 link", Problem, "cable"},
		"address":          {func(f *facts) { f.interfaces[0].address = true }, "eth1 address", Problem, "--inline"},
		"metrics for all":  {func(f *facts) { f.want.Metrics = ":9425" }, "host metrics", Note, "127.0.0.1:9425"},
		"metrics, private": {func(f *facts) { f.want.Metrics = "[::1]:9425" }, "host metrics", OK, ""},
		"XDP taken":        {func(f *facts) { f.interfaces[0].attached = true }, "eth1 XDP", Problem, "xdp off"},
		"no native XDP": {func(f *facts) {
			f.traffic.native["eth1"] = false
		}, "eth1 XDP", Problem, "driver has native XDP"},
		"generic wanted": {func(f *facts) {
			f.traffic.native["eth1"], f.want.XDP = false, "generic"
		}, "eth1 XDP", Note, ""},
		"not attached": {func(f *facts) { f.traffic = nil }, "eth1 XDP", Unknown, ""},
		"XDP and jumbo": {func(f *facts) {
			f.traffic.native["eth1"] = false
			f.interfaces[0].mtu = 9000
		}, "eth1 XDP", Problem, "mtu 1500"},
		"XDP and LRO": {func(f *facts) {
			f.traffic.native["eth1"] = false
			f.interfaces[0].lro = &on
		}, "eth1 XDP", Problem, "ethtool -K eth1 lro off"},
		"LRO": {func(f *facts) {
			f.interfaces[0].lro = &on
		}, "eth1 LRO", Problem, "ethtool -K eth1 lro off"},
		"GRO of the card": {func(f *facts) {
			f.interfaces[0].hwGRO = &on
		}, "eth1 LRO", Problem, "ethtool -K eth1 rx-gro-hw off"},
		"GRO, generic": {func(f *facts) {
			f.traffic.native["eth1"] = false
		}, "eth1 GRO", Problem, "ethtool -K eth1 gro off"},
		"ring is short": {func(f *facts) {
			f.interfaces[0].ring = 512
		}, "eth1 ring", Problem, "ethtool -G eth1 rx 4096"},
		"RSS not symmetric": {func(f *facts) {
			f.interfaces[0].symmetric = &off
		}, "eth1 RSS", Note, "ethtool -X eth1 hkey 6d:5a:"},
		"RSS not known": {func(f *facts) {
			f.interfaces[0].symmetric = nil
		}, "eth1 RSS", Note, "ethtool -L eth1 combined 1"},
		"tags taken off": {func(f *facts) {
			f.interfaces[0].untag = &on
		}, "eth1 VLAN", Note, "ethtool -K eth1 rxvlan off"},
		"card without room": {func(f *facts) {
			f.interfaces[0].later.missed = 3
		}, "eth1 card", Problem, "ethtool -G eth1 rx"},
		"longer than MTU": {func(f *facts) {
			f.interfaces[0].later.length = 3
		}, "eth1 MTU", Problem, "ip link set dev eth1 mtu 3000"},
		"one is silent": {func(f *facts) {
			f.interfaces[0].later.packets = 1
		}, "eth1 frames", Problem, "mirror session"},

		"other tunnels": {func(f *facts) {
			f.traffic.unopened = []report.Unopened{{What: "udp port 4341", Frames: 1001}}
		}, "traffic tunnels", Note, "before it enters the tunnel"},
		"other tunnels alone": {func(f *facts) {
			f.traffic.toServers, f.traffic.fromServers = 0, 0
			f.traffic.unopened = []report.Unopened{{What: "ip protocol 50", Frames: 90000}}
		}, "traffic tunnels", Note, "before it enters the tunnel"},
		"hardly a tunnel": {func(f *facts) {
			f.traffic.unopened = []report.Unopened{{What: "udp port 4341", Frames: 1000}}
		}, "traffic tunnels", OK, ""},
		"cannot listen": {func(f *facts) {
			f.traffic = &trafficFacts{err: unix.EPERM}
		}, "traffic listen", Problem, ""},
		"no traffic": {func(f *facts) {
			f.traffic.seen, f.traffic.kept = 0, 0
		}, "traffic frames", Problem, "mirror session"},
		"no mail": {func(f *facts) {
			f.traffic.toServers, f.traffic.fromServers = 0, 0
		}, "traffic mail", Problem, "mirror the ports"},
		"only from servers": {func(f *facts) {
			f.traffic.toServers = 0
		}, "traffic directions", Problem, "both directions"},
		"only to servers": {func(f *facts) {
			f.traffic.fromServers = 0
		}, "traffic directions", Problem, "both directions"},
		"rings were full": {func(f *facts) {
			f.traffic.full = 1
		}, "traffic tap25", Problem, "--ring-bytes 134217728 --workers 4"},
		"lost before tap25": {func(f *facts) { f.traffic.lost = 1 }, "traffic losses", Problem, "mirror less"},
		"merged all the same": {func(f *facts) {
			f.traffic.longest = 9014
		}, "traffic merged", Problem, "ethtool -K eth1 gro off lro off"},
		"cut": {func(f *facts) {
			f.traffic.cut = 1
		}, "traffic merged", Problem, "ethtool -K eth1 gro off lro off"},
		"checksums filled in": {func(f *facts) {
			f.traffic.badChecksums = 19000
		}, "traffic checksums", Note, "tx off"},
		"two clocks": {func(f *facts) {
			f.traffic.skew = 20 * time.Millisecond
		}, "traffic clocks", Note, "phc2sys"},
		"damaged": {func(f *facts) {
			f.traffic.badChecksums = 10
		}, "traffic checksums", Problem, "cable"},
		"database not asked": {func(f *facts) {
			f.database.err = errors.New("no")
		}, "database connection", Problem, "db status"},
		"others create in a schema": {func(f *facts) {
			f.database.creators = []store.Creator{{Schema: "public", Role: "PUBLIC"}}
		}, "database schemas", Problem, `REVOKE CREATE ON SCHEMA "public" FROM PUBLIC;`},
		"others own a schema": {func(f *facts) {
			f.database.creators = []store.Creator{{Schema: "public", Role: "a", Owns: true}}
		}, "database schemas", Problem, `ALTER SCHEMA "public" OWNER TO pg_database_owner;`},
		"anybody may connect": {func(f *facts) { f.database.open = true }, "database logins", Note, "tap25 db migrate"},

		"cut off by the mirror": {func(f *facts) {
			f.traffic.unread = 300
		}, "traffic decoder", Problem, "whole frames"},
	} {
		t.Run(name, func(t *testing.T) { c.expect(t) })
	}
}

// A sniff that runs is no other program, and native or not as it says.
func TestDoctor_RunningSniffIsNoObstacle(t *testing.T) {
	f := soundFacts()
	f.interfaces[0].attached, f.traffic.running = true, true
	for _, c := range checkAll(f) {
		if c.State != OK {
			t.Errorf("%+v", c)
		}
	}
}

func TestDoctor_SymmetricHash(t *testing.T) {
	const all = rxhIPSrc | rxhIPDst | rxhPortSrc | rxhPortDst
	repeated, other := bytes.Repeat([]byte{0x6d, 0x5a}, 20), bytes.Repeat([]byte{1, 2, 3, 4}, 10)
	for name, c := range map[string]struct {
		fields          uint64
		function, input byte
		key             []byte
		want            bool
	}{
		"Toeplitz with a repeated key":        {all, hashToeplitz, 0, repeated, true},
		"Toeplitz with another key":           {all, hashToeplitz, 0, other, false},
		"symmetric input":                     {all, hashToeplitz, 1, other, true},
		"xor":                                 {all, hashXOR, 0, other, true},
		"a function unknown":                  {all, 1 << 2, 0, repeated, false},
		"source addresses alone":              {rxhIPSrc, hashToeplitz, 1, repeated, false},
		"ports of one side":                   {rxhIPSrc | rxhIPDst | rxhPortSrc, hashToeplitz, 0, repeated, false},
		"addresses alone, repeated key":       {rxhIPSrc | rxhIPDst, hashToeplitz, 0, repeated, true},
		"nothing hashed: all goes to a queue": {0, hashToeplitz, 0, other, true},
	} {
		if got := symmetricHash(c.fields, c.function, c.input, c.key); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDoctor_WritesForPeople(t *testing.T) {
	f := soundFacts()
	f.interfaces[0].ring = 512
	var b bytes.Buffer
	if err := writeChecks(&b, checkAll(f)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"host\n", "eth1\n", "traffic\n",
		"  problem   ring          the card's receive ring has 512 of 4096 entries",
		"→ sudo ethtool -G eth1 rx 4096\n", "problems: 1, notes: 0"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if len([]rune(line)) > 100 && !strings.Contains(line, "→") {
			t.Errorf("longer than 100: %s", line)
		}
	}
}

func TestDoctor_UnopenedIsWhatCameInTheTime(t *testing.T) {
	before := &report.Report{Unopened: []report.Unopened{
		{What: "udp port 4341", Frames: 100}, {What: "ip protocol 50", Frames: 9},
	}}
	now := &report.Report{Unopened: []report.Unopened{
		{What: "udp port 4341", Frames: 107}, {What: "ethertype 0x88f7", Frames: 30},
		{What: "ip protocol 50", Frames: 9},
	}}
	got := report.UnopenedText(traffic(before, now).unopened)
	if got != "ethertype 0x88f7: 30, udp port 4341: 7" {
		t.Error(got)
	}
}
