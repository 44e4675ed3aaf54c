// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

// The filter keeps TCP segments of the watched ports and IP fragments that may hold some, copies them to the ring
// buffer of their worker, and counts a verdict for every frame. It reads fixed header layouts only: CO-RE has nothing
// to relocate. XDP runs it on the frames that an interface receives. egress.c compiles it for those that one sends.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define INLINE static __always_inline

#ifdef EGRESS
#define CONTEXT struct __sk_buff
#define SECTION "tc"
#define ACTION TC_ACT_UNSPEC // the frame goes on, to the next program if there is one
#define load_bytes bpf_skb_load_bytes
#define frame_length(ctx) ((ctx)->len)
#define interface(ctx) ((ctx)->ifindex)
#else
#define CONTEXT struct xdp_md
#define SECTION "xdp.frags"
#define ACTION action
#define load_bytes bpf_xdp_load_bytes
#define frame_length(ctx) bpf_xdp_get_buff_len(ctx)
#define interface(ctx) ((ctx)->ingress_ifindex)
#endif

// MAX_HEADERS bounds the walk through one frame; a deeper frame goes up undecided. Ethernet, IP, GRE, ERSPAN, Ethernet,
// three tags, IP and TCP are ten.
#define MAX_HEADERS 32

#define MAX_WORKERS 256

// LARGEST is how many octets of a frame are copied at most: bpf_xdp_load_bytes copies no more than that.
#define LARGEST 65535

// FRAGMENT_NS is how long a first fragment is remembered. An IPv4 identification wraps after 65,536 datagrams.
#define FRAGMENT_NS 100000000ULL

// KEEP stops the compiler from folding a value whose bound the verifier has to see.
#define KEEP(v) asm volatile("" : "+r"(v))

// be16 reads a 16-bit field in network byte order.
#define be16(p) bpf_ntohs(*(__be16 *)(p))

// Every frame gets exactly one verdict. Up to VERDICT_UNDECIDED they keep the frame. The Go table in verdict.go mirrors
// this enum, and a test compares the two.
enum verdict {
	VERDICT_SEGMENT,    // kept: TCP with a watched port
	VERDICT_FRAGMENT,   // kept: fragment of a datagram of TCP, or of a tunnel that carries (or may carry) it
	VERDICT_UNDECIDED,  // kept: headers too deep, rare, ambiguous, or in a fragment not seen yet
	VERDICT_OTHER_PORT, // dropped: TCP, no watched port
	VERDICT_NOT_TCP,    // dropped: IP, not TCP and no known tunnel
	VERDICT_NOT_IP,     // dropped: no IP (ARP, LLDP, spanning tree…)
	VERDICT_TRUNCATED,  // dropped: the frame ends inside its headers
	VERDICT_MALFORMED,  // dropped: a header contradicts itself
	VERDICTS,
};

// frame stands before each frame in a ring. at_ns is CLOCK_MONOTONIC, which takes less time to read than CLOCK_BOOTTIME. lost
// is how many frames found this ring full before it. If its flow is marked, mark is the index of the mark plus one. If
// its payload stays in the kernel, captured is the length of its headers, and unseen that of its payload: see body.h. The
// variable makes bpf2go generate the type.
struct frame {
	__u64 at_ns, lost;
	__u32 length, captured, ifindex;
	enum verdict verdict;
	__u32 mark, unseen;
} *for_bpf2go;

// ring_count counts the frames of one interface for one ring: copied whole or cut, their octets on the wire, and those
// that the ring had no room for.
struct ring_count {
	__u64 delivered, cut, bytes, full;
};

// datagram names a fragmented datagram: RFC 791 section 3.2, RFC 8200 section 4.5, and the tags and tunnels around it.
struct datagram {
	__u8 addresses[32];
	__u32 id, protocol, path;
};

// placement is what was decided for the first fragment of a datagram.
struct placement {
	__u64 at_ns;
	__u32 worker, verdict;
};

// Each has a bit for each port, indexed by the port in network byte order. ports are those that are watched, tunnels the
// UDP ports of tunnels, services those that hold none and are not counted. They may change while the program runs.
__u8 ports[8192], tunnels[8192], services[8192];

// unreads counts the frames that are dropped and may hold a tunnel, by what they hold: see walk.h.
__u64 unreads[4 << 16];

// Set before the program is loaded. action is XDP_PASS with --inline: then every frame goes on to the host.
volatile const __u32 workers = 1, action = XDP_DROP;

#include "walk.h"

#define MAP(name, kind, n, k, v, flags) \
	struct {                            \
		__uint(type, kind);             \
		__uint(max_entries, n);         \
		__type(key, k);                 \
		__type(value, v);               \
		__uint(map_flags, flags);       \
	} name SEC(".maps")

// The program is loaded for each interface, with verdicts and ring_counts of its own. All share the other maps.
MAP(verdicts, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, __u64[VERDICTS], 0);
MAP(ring_counts, BPF_MAP_TYPE_PERCPU_ARRAY, MAX_WORKERS, __u32, struct ring_count, 0);

// The walk lives in a map: on the stack the verifier would follow every value of it.
MAP(scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct walk, 0);
MAP(losses, BPF_MAP_TYPE_ARRAY, MAX_WORKERS, __u32, __u64, BPF_F_MMAPABLE);
MAP(fragmented, BPF_MAP_TYPE_LRU_HASH, 16384, struct datagram, struct placement, 0);

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_WORKERS);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

#include "body.h"

// plain decides what is nearly all traffic without the walk: IP directly after Ethernet or after one tag. It returns
// VERDICTS if it cannot decide. Of a frame that is dropped *worker is what it holds, to be counted, or 0.
INLINE enum verdict plain(CONTEXT *ctx, __u32 *worker)
{
	__u8 *ip = (void *)(long)ctx->data + 14, *data_end = (void *)(long)ctx->data_end;
	if (ip + 4 + 20 > data_end)
		return VERDICTS;

	__u16 type = *(__u16 *)(ip - 2);
	if (type == bpf_htons(ETH_P_8021Q)) {
		type = *(__u16 *)(ip + 2);
		ip += 4;
	}

	// IPv4 without options that is no fragment, or IPv6 whose next header is the transport.
	__u32 v4 = type == bpf_htons(ETH_P_IP) && ip[0] == 0x45 && !(*(__u16 *)(ip + 6) & bpf_htons(0x3fff));
	__u8 *t = ip + (v4 ? 20 : 40);
	if ((!v4 && (type != bpf_htons(ETH_P_IPV6) || ip[0] >> 4 != 6)) || t + 4 > data_end)
		return VERDICTS;

	switch (v4 ? ip[9] : ip[6]) {
	case IPPROTO_TCP:
		if (!watched(t))
			return VERDICT_OTHER_PORT;
		*worker = (__u64)(v4 ? pair4(ip + 12) : pair6(ip + 8)) * workers >> 32;
		return VERDICT_SEGMENT;
	case IPPROTO_UDP:
		if (tunnel(t))
			return VERDICTS;
		*worker = service(t);
		return VERDICT_NOT_TCP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return VERDICT_NOT_TCP;
	case IPPROTO_ESP:
		*worker = UNREAD_IP_PROTOCOL | IPPROTO_ESP;
		return VERDICT_NOT_TCP;
	}
	return VERDICTS;
}

// deep walks through the headers. The later fragments of a datagram get the worker and the verdict of the first.
static __noinline __u32 deep(CONTEXT *ctx, __u32 *worker)
{
	struct way way = { ctx, bpf_map_lookup_elem(&scratch, &(__u32){ 0 }) };
	struct walk *w = way.w;
	if (!w)
		return VERDICT_UNDECIDED;

	*w = (struct walk){ .next = ETH_P_TEB, .verdict = VERDICT_UNDECIDED };
	bpf_loop(MAX_HEADERS, step, &way, 0);

	struct placement *p, here = { 0, (__u64)w->hash * workers >> 32, w->verdict };
	if (w->doubt || (w->first && w->verdict >= VERDICT_TRUNCATED))
		here.verdict = VERDICT_UNDECIDED; // what is missing may be in the next fragment
	else if (w->first && w->verdict == VERDICT_SEGMENT)
		here.verdict = VERDICT_FRAGMENT;

	if (w->first || w->later)
		here.at_ns = bpf_ktime_get_ns();
	if (w->first)
		bpf_map_update_elem(&fragmented, &w->outer, &here, BPF_ANY);
	// A fragment that overtook the first stays undecided, and is placed by the tunnel's addresses.
	if (w->later && (p = bpf_map_lookup_elem(&fragmented, &w->outer)) && here.at_ns - p->at_ns <= FRAGMENT_NS)
		here = *p;

	*worker = here.verdict > VERDICT_UNDECIDED ? w->unread : here.worker;
	return here.verdict;
}

// count counts what a frame holds that is dropped, unless no tunnel is in such.
static __noinline int count(__u32 what)
{
	switch (what) {
	case UNREAD_ETHERTYPE ... UNREAD_ETHERTYPE + 1535: // a length, and LLC
	case UNREAD_ETHERTYPE | ETH_P_ARP:
	case UNREAD_ETHERTYPE | ETH_P_RARP:
	case UNREAD_ETHERTYPE | ETH_P_SLOW:
	case UNREAD_ETHERTYPE | ETH_P_LLDP:
	case UNREAD_ETHERTYPE | ETH_P_PAE:
	case UNREAD_ETHERTYPE | ETH_P_PPP_DISC:
	case UNREAD_ETHERTYPE | ETH_P_LOOPBACK:
	case UNREAD_IP_PROTOCOL | IPPROTO_ICMP:
	case UNREAD_IP_PROTOCOL | IPPROTO_IGMP:
	case UNREAD_IP_PROTOCOL | IPPROTO_ICMPV6:
	case UNREAD_IP_PROTOCOL | IPPROTO_NONE:
	case UNREAD_IP_PROTOCOL | 88: // EIGRP, then OSPF, PIM, VRRP
	case UNREAD_IP_PROTOCOL | 89:
	case UNREAD_IP_PROTOCOL | IPPROTO_PIM:
	case UNREAD_IP_PROTOCOL | 112:
		return 0;
	}
	KEEP(what);
	return __sync_fetch_and_add(&unreads[what & ((4 << 16) - 1)], 1); // the mask is for the verifier
}

// SHORT is the longest frame that copy_short copies, and the smallest room in the ring.
#define SHORT 176

// copy_short copies a short frame that is in one buffer, and reports whether it could. Up to this length the copy costs
// less than the call of load_bytes.
INLINE int copy_short(CONTEXT *ctx, void *to, __u64 size)
{
	void *p = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u64 last = size - 8;
	KEEP(last);
	if (last > SHORT - 8 || p + last + 8 > data_end)
		return 0;
	*(__u64 *)(to + last) = *(__u64 *)(p + last);
#pragma unroll
	for (int i = 0; i < SHORT; i += 8) {
		if (p + i + 8 > data_end)
			break;
		*(__u64 *)(to + i) = *(__u64 *)(p + i);
	}
	return 1;
}

// rest counts the frame and copies one that is kept to its worker's ring. If the ring is full it counts the loss, which
// the next frame of that ring reports.
static __noinline int rest(CONTEXT *ctx, __u32 v, __u32 worker, __u64 *counts)
{
	struct look *l = 0;
	if (v == VERDICTS)
		v = deep(ctx, &worker);
	else
		l = examine(ctx);
	KEEP(v);
	counts[v & (VERDICTS - 1)]++; // there are eight; the mask is for the verifier
	if (v > VERDICT_UNDECIDED)
		return worker ? count(worker) : 0;

	// bpf_ringbuf_reserve wants a constant size. The classes are acknowledgments, commands, and headers alone; ends of
	// messages; Ethernet; jumbo frames; what a card has merged (LRO).
	__u64 length = frame_length(ctx), *lost = bpf_map_lookup_elem(&losses, &worker);
	__u64 need = stays(l) ? 0 : length; // headers alone, and a struct body, fit the smallest class
	__u64 room = need <= SHORT ? SHORT : need <= 768 ? 768 : need <= 1536 ? 1536 : need <= 9216 ? 9216 : LARGEST;
	__u64 size = length < room ? length : room;
	struct ring_count *n = bpf_map_lookup_elem(&ring_counts, &worker);
	void *ring = bpf_map_lookup_elem(&rings, &worker);
	if (!n || !lost || !ring)
		return 0;

	struct frame *f = bpf_ringbuf_reserve(ring, sizeof(*f) + room, 0);
	follow(l, f != 0);
	if (!f) {
		n->full++;
		return __sync_fetch_and_add(lost, 1);
	}
	*f = (struct frame){ bpf_ktime_get_ns(), *lost, length, size, interface(ctx), v, marked(l) };
	KEEP(size);
	if (stays(l))
		copy_headers(ctx, f, l);
	else if (!copy_short(ctx, f + 1, size) &&
		 (size - 1 >= room || load_bytes(ctx, 0, f + 1, size))) // never true; the verifier wants the bound
		f->captured = 0;
	bpf_ringbuf_submit(f, BPF_RB_NO_WAKEUP); // the reader polls: a wake-up a frame costs five times as much

	n->delivered++;
	n->bytes += length;
	n->cut += length > LARGEST;
	return 0;
}

// tap25 keeps nothing but ctx across a call: each register that it had to save would cost every frame.
SEC(SECTION)
int tap25(CONTEXT *ctx)
{
	__u64(*n)[VERDICTS] = bpf_map_lookup_elem(&verdicts, &(__u32){ 0 });
	__u32 worker = 0, v = plain(ctx, &worker);
	if (n && v > VERDICT_UNDECIDED && v < VERDICTS) {
		(*n)[v]++;
		if (v != VERDICT_OTHER_PORT && worker)
			count(worker);
	} else if (n)
		rest(ctx, v, worker, *n);
	return ACTION;
}

char _license[] SEC("license") = "Dual BSD/GPL";
